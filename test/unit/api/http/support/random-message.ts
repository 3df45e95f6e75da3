// Random messages of any type, and JSON objects for them in one of the forms that are allowed:
// names in snake or camel case, integers as numbers or strings, either alphabet of base64.

import protobuf from 'protobufjs';

import { camelCase } from '../../../../../src/api/http/gateway/json/shape.js';

/** A small generator with a seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }
}

type Message = Record<string, unknown>;

const integers = [0n, 1n, -1n, 127n, 128n, 2n ** 31n - 1n, 2n ** 53n + 1n, 2n ** 63n - 1n];
const texts = [
  '',
  'a',
  '"\\/\b\f\n\r\t',
  'é日本語😀',
  '<&>\u2028',
  '\u0000\u001f\u007f',
  'x'.repeat(300),
];

function scalar(random: Random, field: protobuf.Field): unknown {
  if (field.resolvedType instanceof protobuf.Enum) {
    const known = Object.values(field.resolvedType.values);
    return random.pick([...known, 77]);
  }
  switch (field.type) {
    case 'bool':
      return random.chance(0.5);
    case 'string':
      return random.pick(texts);
    case 'bytes':
      return Buffer.from(Array.from({ length: random.below(9) }, () => random.below(256)));
    case 'uint32':
      return random.below(2 ** 32);
    case 'uint64':
      return String(BigInt.asUintN(64, random.pick(integers)));
    default:
      return String(random.pick(integers));
  }
}

function value(random: Random, field: protobuf.Field, depth: number): unknown {
  return field.resolvedType instanceof protobuf.Type
    ? randomMessage(random, field.resolvedType, depth - 1)
    : scalar(random, field);
}

/** A message as protobufjs takes it; messages in it go `depth` deep. */
export function randomMessage(random: Random, type: protobuf.Type, depth: number): Message {
  const message: Message = {};
  const usedOneofs = new Set<string>();
  for (const raw of type.fieldsArray) {
    const field = raw.resolve();
    const isMessage = field.resolvedType instanceof protobuf.Type;
    if (random.chance(0.4) || (isMessage && depth <= 0)) continue;
    if (field.partOf) {
      if (usedOneofs.has(field.partOf.name)) continue;
      usedOneofs.add(field.partOf.name);
    }
    message[field.name] = field.repeated
      ? Array.from({ length: random.below(4) }, () => value(random, field, depth))
      : value(random, field, depth);
  }
  return message;
}

function base64(random: Random, bytes: Buffer): string {
  const text = random.chance(0.5) ? bytes.toString('base64') : bytes.toString('base64url');
  return random.chance(0.5) ? text.replace(/=+$/, '') : text;
}

function jsonValue(random: Random, field: protobuf.Field, item: unknown): unknown {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Type) {
    return toJsonObject(random, resolvedType, item as Message);
  }
  if (resolvedType instanceof protobuf.Enum) {
    const name = resolvedType.valuesById[item as number];
    return name !== undefined && random.chance(0.5) ? name : item;
  }
  if (Buffer.isBuffer(item)) return base64(random, item);
  const isInteger = /int/.test(field.type);
  if (isInteger && Number.isSafeInteger(Number(item))) {
    return random.chance(0.5) ? Number(item) : String(item);
  }
  return item;
}

/** A JSON object that stands for the message. */
export function toJsonObject(random: Random, type: protobuf.Type, message: Message): Message {
  const members = Object.entries(message).map(([name, item]): [string, unknown] => {
    const field = type.fields[name];
    if (field === undefined) throw new Error(`${type.name} has no ${name}`);
    const key = random.chance(0.5) ? name : camelCase(name);
    return [
      key,
      Array.isArray(item)
        ? item.map((one) => jsonValue(random, field, one))
        : jsonValue(random, field, item),
    ];
  });
  if (random.chance(0.3)) members.push(['unknownField', [1, { a: '}]"' }, null]]);
  if (random.chance(0.5)) members.reverse();
  return Object.fromEntries(members);
}
