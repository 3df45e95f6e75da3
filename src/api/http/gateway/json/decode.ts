// JSON requests to protobuf bytes, by the JSON mapping of protobuf (protobuf.dev, "ProtoJSON
// format") with the strictness and the texts that clients of the gateway know. Bytes are written as
// the text is read: no message object stands between. Called for every request of the gateway.

import protobuf from 'protobufjs';

import { JsonReader, type Token } from './reader.js';
import { bytesIn, integerIn, integerInString, ranges } from './scalars.js';
import { JsonProblem } from './scanner.js';
import type { Field, Shape } from './shape.js';

/** Messages in messages, at most: far more than any request that is accepted has. */
const DEPTH_MAX = 1000;

const VARINT = 0;
const LENGTH_DELIMITED = 2;

/** A value that is left out: an unknown name of an enum. */
const dropped = Symbol('dropped');

type Value = bigint | boolean | string | Buffer | typeof dropped;

/**
 * The message that a JSON value stands for.
 *
 * @param text a whole JSON value, one character for each byte
 * @throws JsonProblem
 */
export function decodeJson(shape: Shape, text: string): Buffer {
  const writer = protobuf.Writer.create();
  new Decoder(new JsonReader(text), writer).message(shape, DEPTH_MAX);
  return writer.finish() as Buffer;
}

class Decoder {
  readonly #reader: JsonReader;
  readonly #writer: protobuf.Writer;

  constructor(reader: JsonReader, writer: protobuf.Writer) {
    this.#reader = reader;
    this.#writer = writer;
  }

  message(shape: Shape, depth: number): void {
    if (depth <= 0) {
      throw new JsonProblem('proto: exceeded max recursion depth');
    }
    const reader = this.#reader;
    const open = reader.next();
    if (open.kind !== 'object') {
      throw reader.unexpected(open);
    }
    const seen = new Set<Field>();
    const seenOneofs = new Set<number>();
    for (;;) {
      const token = reader.next();
      if (token.kind === 'close') {
        return;
      }
      const field = shape.byName.get(reader.stringOf(token));
      if (field === undefined) {
        reader.skip();
        continue;
      }
      if (seen.has(field)) {
        throw reader.problem(token.at, `duplicate field ${reader.shown(token)}`);
      }
      seen.add(field);
      if (reader.peek().kind === 'null') {
        reader.next();
      } else if (field.repeated) {
        this.#list(field, depth);
      } else {
        this.#checkOneof(field, token, seenOneofs);
        this.#single(field, depth);
      }
    }
  }

  #checkOneof({ oneof }: Field, token: Token, seen: Set<number>): void {
    if (oneof === null) {
      return;
    }
    if (seen.has(oneof.index)) {
      const name = this.#reader.shown(token);
      const text = `error parsing ${name}, oneof ${oneof.name} is already set`;
      throw this.#reader.problem(token.at, text);
    }
    seen.add(oneof.index);
  }

  #single(field: Field, depth: number): void {
    if (field.kind === 'message') {
      this.#submessage(field, depth);
      return;
    }
    const value = this.#scalar(field);
    // The member of a oneof says which one it is, also with its default.
    if (value !== dropped && (field.oneof !== null || !isDefault(value))) {
      this.#tag(field);
      this.#write(field, value);
    }
  }

  #submessage(field: Field, depth: number): void {
    this.#tag(field).fork();
    this.message(field.shape(), depth - 1);
    this.#writer.ldelim();
  }

  #list(field: Field, depth: number): void {
    const reader = this.#reader;
    const open = reader.next();
    if (open.kind !== 'array') {
      throw reader.unexpected(open);
    }
    const isPacked = !['message', 'string', 'bytes'].includes(field.kind);
    const packed: Value[] = [];
    while (reader.peek().kind !== 'close') {
      if (field.kind === 'message') {
        this.#submessage(field, depth);
        continue;
      }
      const value = this.#scalar(field);
      if (isPacked && value !== dropped) {
        packed.push(value);
      } else if (value !== dropped) {
        this.#tag(field);
        this.#write(field, value);
      }
    }
    reader.next();
    if (packed.length > 0) {
      this.#writer.uint32((field.number << 3) | LENGTH_DELIMITED).fork();
      for (const value of packed) {
        this.#write(field, value);
      }
      this.#writer.ldelim();
    }
  }

  #tag(field: Field): protobuf.Writer {
    const isDelimited = ['message', 'string', 'bytes'].includes(field.kind);
    const wireType = isDelimited ? LENGTH_DELIMITED : VARINT;
    return this.#writer.uint32(((field.number << 3) | wireType) >>> 0);
  }

  #scalar(field: Field): Value {
    const token = this.#reader.next();
    if (token.kind === 'object' || token.kind === 'array') {
      throw this.#invalid(field, token);
    }
    const value = this.#valueOf(field, token);
    if (value === null) {
      throw this.#invalid(field, token);
    }
    return value;
  }

  #invalid(field: Field, token: Token): JsonProblem {
    const what = `invalid value for ${field.kind} field ${field.jsonName}`;
    return this.#reader.problem(token.at, `${what}: ${this.#reader.shown(token)}`);
  }

  /** Null when the token does not fit the field. */
  #valueOf(field: Field, token: Token): Value | null {
    const reader = this.#reader;
    const text = token.kind === 'string' ? reader.stringOf(token) : null;
    switch (field.kind) {
      case 'bool':
        return token.kind === 'bool' ? reader.raw(token) === 'true' : null;
      case 'string':
        return text;
      case 'bytes':
        return text === null ? null : bytesIn(text);
      case 'enum':
        if (text !== null) {
          const number = field.enumByName.get(text);
          return number === undefined ? dropped : BigInt(number);
        }
        return token.kind === 'number' ? integerIn(reader.raw(token), ranges.enum) : null;
      case 'message':
        throw new Error('a message is no scalar');
      default:
        if (text !== null) {
          return integerInString(text, ranges[field.kind]);
        }
        return token.kind === 'number' ? integerIn(reader.raw(token), ranges[field.kind]) : null;
    }
  }

  #write(field: Field, value: Value): void {
    const writer = this.#writer;
    if (typeof value === 'string') {
      writer.string(value);
    } else if (typeof value === 'boolean') {
      writer.bool(value);
    } else if (typeof value === 'bigint') {
      // A negative 32-bit integer goes out with all 64 bits, as protobuf has it.
      const bits = BigInt.asUintN(64, value);
      const low = Number(bits & 0xffffffffn);
      const high = Number(bits >> 32n);
      writer.uint64({ low, high, unsigned: true } as unknown as number);
    } else if (value === dropped) {
      throw new Error(`${field.name}: a dropped value is not written`);
    } else {
      writer.bytes(value as unknown as Uint8Array);
    }
  }
}

function isDefault(value: Value): boolean {
  return Buffer.isBuffer(value)
    ? value.length === 0
    : value === 0n || value === false || value === '';
}
