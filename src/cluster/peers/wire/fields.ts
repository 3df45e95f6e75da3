// Fields of a protobuf message, written into a buffer of known size and read from bytes of unknown
// merit. Used by frame.ts, whose messages pass thousands of times a second: numbers stay numbers,
// ids are fixed64, byte strings are read without copying. Unknown fields are skipped.

import { assert } from '../../../base/assert.js';
import { bytesOf } from '../../../base/bytes.js';
import { MetaStoreError } from '../../../base/errors.js';

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;

/** Field numbers here are below 16, so a tag takes one byte. */
const TAG_BYTES = 1;
const FIXED64_BYTES = 8;
/** A varint of 64 bits; longer ones are malformed. */
const VARINT_MAX_BYTES = 10;

function malformed(what: string): MetaStoreError {
  return MetaStoreError.of('Unmarshal', `malformed peer message: ${what}`);
}

export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest /= 128) {
    size++;
  }
  return size;
}

/** Bytes of a number's field; one that is 0 is left out. */
export function numberSize(value: number): number {
  return value === 0 ? 0 : TAG_BYTES + varintSize(value);
}

export function idSize(id: bigint): number {
  return id === 0n ? 0 : TAG_BYTES + FIXED64_BYTES;
}

/** Bytes of a byte string's field with `length` bytes in it. */
export function bytesSize(length: number): number {
  return TAG_BYTES + varintSize(length) + length;
}

export class FieldWriter {
  readonly #buffer: Buffer;
  // Invariant: 0 <= #at <= #buffer.length.
  #at: number;

  /**
   * @param size exactly the bytes that will be written
   * @param leadBytes room in front of them
   */
  constructor(size: number, leadBytes = 0) {
    this.#buffer = Buffer.allocUnsafe(leadBytes + size);
    this.#at = leadBytes;
  }

  /** Writes a number's field unless it is 0. */
  number(field: number, value: number): void {
    if (value !== 0) {
      this.#tag(field, WIRE_VARINT);
      this.#varint(value);
    }
  }

  /** Writes an id's field unless it is 0. */
  id(field: number, id: bigint): void {
    if (id !== 0n) {
      this.#tag(field, WIRE_FIXED64);
      this.#at = this.#buffer.writeBigUInt64LE(id, this.#at);
    }
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.head(field, bytes.length);
    this.#buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** Begins a nested message of `size` bytes, whose fields follow. */
  head(field: number, size: number): void {
    this.#tag(field, WIRE_BYTES);
    this.#varint(size);
  }

  finish(): Buffer {
    assert(this.#at === this.#buffer.length, 'a message has the size that was computed for it');
    return this.#buffer;
  }

  #tag(field: number, wireType: number): void {
    this.#buffer[this.#at++] = field * 8 + wireType;
  }

  #varint(value: number): void {
    let rest = value;
    // Bit operations see the low 32 bits only, which is where the low 7 are.
    while (rest > 0x7f) {
      this.#buffer[this.#at++] = (rest & 0x7f) | 0x80;
      rest = rest > 0x7fffffff ? Math.floor(rest / 128) : rest >>> 7;
    }
    this.#buffer[this.#at++] = rest;
  }
}

/**
 * Reads field after field: `next()` moves to one, then `field` and `wireType` say which, and one of
 * the reading methods must be called, or skip().
 */
export class FieldReader {
  readonly #bytes: Buffer;
  // Invariant: 0 <= #at <= #end <= #bytes.length; every read checks before it moves.
  #at: number;
  #end: number;
  field = 0;
  wireType = 0;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** @throws MetaStoreError Unmarshal, as every method */
  next(): boolean {
    if (this.#at === this.#end) {
      return false;
    }
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    this.wireType = tag % 8;
    if (this.field === 0) {
      throw malformed('a field without a number');
    }
    return true;
  }

  /** A whole number that JavaScript represents exactly. */
  number(): number {
    this.#expect(WIRE_VARINT);
    return this.#varint();
  }

  id(): bigint {
    this.#expect(WIRE_FIXED64);
    const start = this.#take(FIXED64_BYTES);
    return this.#bytes.readBigUInt64LE(start);
  }

  /** The bytes themselves, not a copy. */
  bytes(): Uint8Array {
    this.#expect(WIRE_BYTES);
    const length = this.#varint();
    const start = this.#take(length);
    return bytesOf(this.#bytes.subarray(start, start + length));
  }

  /** A reader of the nested message. */
  nested(): FieldReader {
    this.#expect(WIRE_BYTES);
    const length = this.#varint();
    const start = this.#take(length);
    return new FieldReader(this.#bytes, start, start + length);
  }

  skip(): void {
    switch (this.wireType) {
      case WIRE_VARINT:
        this.#skipVarint();
        return;
      case WIRE_FIXED64:
        this.#take(FIXED64_BYTES);
        return;
      case WIRE_BYTES:
        this.#take(this.#varint());
        return;
      case WIRE_FIXED32:
        this.#take(4);
        return;
      default:
        throw malformed(`wire type ${this.wireType}`);
    }
  }

  #expect(wireType: number): void {
    if (this.wireType !== wireType) {
      throw malformed(`field ${this.field} has wire type ${this.wireType}`);
    }
  }

  #take(length: number): number {
    if (length > this.#end - this.#at) {
      throw malformed('a field is longer than its message');
    }
    const start = this.#at;
    this.#at += length;
    return start;
  }

  #varint(): number {
    let value = 0;
    let unit = 1;
    for (let count = 0; count < VARINT_MAX_BYTES; count++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * unit;
      unit *= 128;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) {
          throw malformed('a number is too large');
        }
        return value;
      }
    }
    throw malformed('a number does not end');
  }

  #skipVarint(): void {
    for (let count = 0; count < VARINT_MAX_BYTES; count++) {
      if (this.#byte() < 0x80) {
        return;
      }
    }
    throw malformed('a number does not end');
  }

  #byte(): number {
    if (this.#at === this.#end) {
      throw malformed('it ends within a field');
    }
    return this.#bytes[this.#at++] as number;
  }
}
