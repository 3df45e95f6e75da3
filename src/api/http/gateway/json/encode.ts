// Protobuf replies to JSON, by the JSON mapping of protobuf with the fields' own names, as clients
// of the gateway expect it: 64-bit integers as strings, bytes in base64, enums by name, nothing
// for what has its default. A large reply comes in pieces, so that nobody waits for it.

import type { Field, Shape } from './shape.js';

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

/** Replies above this are encoded in pieces of about this many bytes. */
export const PIECE_BYTES = 256 * 1024;

/** A part of a reply that holds a message or text. */
interface Part {
  readonly from: number;
  readonly to: number;
}

type Found = Part | bigint;

/** The JSON of a message. @throws Error when the bytes are not such a message */
export function encodeJson(shape: Shape, bytes: Buffer): string {
  return [...encodeJsonPieces(shape, bytes, Number.POSITIVE_INFINITY)].join('');
}

/** The same in pieces, each begun when it is asked for. */
export function* encodeJsonPieces(
  shape: Shape,
  bytes: Buffer,
  pieceBytes = PIECE_BYTES,
): Generator<string> {
  const found = collect(shape, bytes, { from: 0, to: bytes.length });
  let piece = '{';
  let separator = '';
  for (const field of shape.fields) {
    const values = found[field.index];
    if (values === undefined) {
      continue;
    }
    if (field.repeated && field.kind === 'message') {
      piece += `${separator}"${field.name}":[`;
      let comma = '';
      for (const value of values) {
        piece += comma + encodeValue(field, bytes, value);
        comma = ',';
        if (piece.length >= pieceBytes) {
          yield piece;
          piece = '';
        }
      }
      piece += ']';
      separator = ',';
      continue;
    }
    const text = encodeField(field, bytes, values);
    if (text !== null) {
      piece += `${separator}"${field.name}":${text}`;
      separator = ',';
    }
  }
  yield `${piece}}`;
}

/** A text as JSON, with nothing escaped that need not be. */
export function jsonString(text: string): string {
  return JSON.stringify(text);
}

function encodeMessage(shape: Shape, bytes: Buffer, part: Part): string {
  const found = collect(shape, bytes, part);
  const members: string[] = [];
  for (const field of shape.fields) {
    const values = found[field.index];
    const text = values === undefined ? null : encodeField(field, bytes, values);
    if (text !== null) {
      members.push(`"${field.name}":${text}`);
    }
  }
  return `{${members.join(',')}}`;
}

/** Null for what is left out. */
function encodeField(field: Field, bytes: Buffer, values: readonly Found[]): string | null {
  if (field.repeated) {
    return `[${values.map((value) => encodeValue(field, bytes, value)).join(',')}]`;
  }
  // What comes several times counts as the last one, messages as all of them merged.
  const last = values.at(-1);
  if (last === undefined) {
    return null;
  }
  if (field.kind === 'message') {
    return values.length === 1 ? encodeValue(field, bytes, last) : merged(field, bytes, values);
  }
  const isDefault = typeof last === 'bigint' ? last === 0n : last.from === last.to;
  return isDefault && field.oneof === null ? null : encodeValue(field, bytes, last);
}

/** Messages of one field put together are the message merged of them. */
function merged(field: Field, bytes: Buffer, values: readonly Found[]): string {
  const parts = values.filter((value) => typeof value !== 'bigint');
  const whole = Buffer.concat(
    parts.map(({ from, to }) => bytes.subarray(from, to) as unknown as Uint8Array),
  );
  return encodeMessage(field.shape(), whole, { from: 0, to: whole.length });
}

function encodeValue(field: Field, bytes: Buffer, value: Found): string {
  if (typeof value !== 'bigint') {
    const { from, to } = value;
    switch (field.kind) {
      case 'message':
        return encodeMessage(field.shape(), bytes, value);
      case 'bytes':
        return `"${bytes.toString('base64', from, to)}"`;
      default:
        return jsonString(bytes.toString('utf8', from, to));
    }
  }
  switch (field.kind) {
    case 'bool':
      return value === 0n ? 'false' : 'true';
    case 'enum': {
      const number = Number(BigInt.asIntN(32, value));
      const name = field.enumByNumber.get(number);
      return name === undefined ? String(number) : `"${name}"`;
    }
    case 'int32':
      return String(BigInt.asIntN(32, value));
    case 'uint32':
      return String(BigInt.asUintN(32, value));
    case 'int64':
      return `"${BigInt.asIntN(64, value)}"`;
    default:
      return `"${value}"`;
  }
}

/** Where the values of each field stand; fields that the shape does not know are passed over. */
function collect(shape: Shape, bytes: Buffer, part: Part): (Found[] | undefined)[] {
  const found: (Found[] | undefined)[] = [];
  const wire = new WireReader(bytes, part);
  while (!wire.done) {
    const tag = Number(wire.varint());
    const field = shape.byNumber.get(tag >>> 3);
    const values = wire.value(tag & 7);
    if (field === undefined || values === null) {
      continue;
    }
    let list = found[field.index];
    if (list === undefined) {
      list = [];
      found[field.index] = list;
    }
    if (typeof values !== 'bigint' && isVarint(field)) {
      // Packed: integers in a row.
      const packed = new WireReader(bytes, values);
      while (!packed.done) {
        list.push(packed.varint());
      }
    } else {
      list.push(values);
    }
  }
  return found;
}

function isVarint({ kind }: Field): boolean {
  return kind !== 'message' && kind !== 'string' && kind !== 'bytes';
}

/** Reads fields of the protobuf wire format. */
class WireReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, { from, to }: Part) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  varint(): bigint {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        return BigInt(low);
      }
    }
    let value = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        return BigInt.asUintN(64, value);
      }
    }
    throw new Error('a reply holds a broken integer');
  }

  /** The value behind a tag; null for wire types that the API does not use. */
  value(wireType: number): Found | null {
    switch (wireType) {
      case VARINT:
        return this.varint();
      case LENGTH_DELIMITED: {
        const length = Number(this.varint());
        const from = this.#at;
        this.#skip(length);
        return { from, to: from + length };
      }
      case FIXED64:
        this.#skip(8);
        return null;
      case FIXED32:
        this.#skip(4);
        return null;
      default:
        throw new Error(`a reply holds a field of wire type ${wireType}`);
    }
  }

  #byte(): number {
    const byte = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
    if (byte === undefined) {
      throw new Error('a reply ends in the middle of a field');
    }
    this.#at += 1;
    return byte;
  }

  #skip(length: number): void {
    if (length > this.#end - this.#at) {
      throw new Error('a reply ends in the middle of a field');
    }
    this.#at += length;
  }
}
