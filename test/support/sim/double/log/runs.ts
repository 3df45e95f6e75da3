// Entry runs and forwarded proposals as bytes, in the layouts that src/storage/entry-run.ts and
// src/storage/native.ts state. Used by the simulator's core.

import { bytesOf } from '../../../../../src/base/bytes.js';
import { ENTRY_HEADER_BYTES } from '../../../../../src/storage/entry-run.js';

export interface LogEntry {
  readonly index: number;
  readonly term: number;
  readonly type: number;
  readonly data: Buffer | null;
}

const CRC_BYTES = 4;
/** Checksum, term, count. */
const FORWARD_HEADER_BYTES = 16;

const crcTable = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) {
    crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  crcTable[byte] = crc;
}

/** CRC-32C of the bytes from `start` on. */
export function crc32c(bytes: Uint8Array, start: number): number {
  let crc = 0xffffffff;
  for (let at = start; at < bytes.length; at++) {
    crc = (crc >>> 8) ^ (crcTable[(crc ^ (bytes[at] as number)) & 255] as number);
  }
  return ~crc >>> 0;
}

export function encodeRun(entries: readonly LogEntry[]): Buffer {
  let size = CRC_BYTES;
  for (const { data } of entries) {
    size += ENTRY_HEADER_BYTES + (data?.length ?? 0);
  }
  const run = Buffer.alloc(size);
  let at = CRC_BYTES;
  for (const { term, type, data } of entries) {
    run.writeBigUInt64LE(BigInt(term), at);
    run.writeUInt8(type, at + 8);
    run.writeUInt8(data === null ? 0 : 1, at + 9);
    run.writeUInt32LE(data?.length ?? 0, at + 10);
    data?.copy(bytesOf(run), at + ENTRY_HEADER_BYTES);
    at += ENTRY_HEADER_BYTES + (data?.length ?? 0);
  }
  run.writeUInt32LE(crc32c(bytesOf(run), CRC_BYTES), 0);
  return run;
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Four numbers an entry: term, type, size or -1, offset; null when the run is damaged. */
export function inspectRun(bytes: Uint8Array): Float64Array | null {
  const run = view(bytes);
  if (run.length < CRC_BYTES || run.readUInt32LE(0) !== crc32c(bytes, CRC_BYTES)) {
    return null;
  }
  const infos: number[] = [];
  let at = CRC_BYTES;
  while (at < run.length) {
    if (at + ENTRY_HEADER_BYTES > run.length) {
      return null;
    }
    const size = run.readUInt32LE(at + 10);
    const hasData = run.readUInt8(at + 9) === 1;
    infos.push(Number(run.readBigUInt64LE(at)), run.readUInt8(at + 8), hasData ? size : -1, at);
    at += ENTRY_HEADER_BYTES + size;
  }
  return at === run.length ? Float64Array.from(infos) : null;
}

/** `count` entries of a run, whose first record begins at `offset`. */
export function entriesOfRun(
  bytes: Uint8Array,
  offset: number,
  firstIndex: number,
  count: number,
): LogEntry[] {
  const run = view(bytes);
  const entries: LogEntry[] = [];
  let at = offset;
  for (let i = 0; i < count; i++) {
    const size = run.readUInt32LE(at + 10);
    const start = at + ENTRY_HEADER_BYTES;
    const data =
      run.readUInt8(at + 9) === 1 ? Buffer.from(run.subarray(start, start + size)) : null;
    const term = Number(run.readBigUInt64LE(at));
    entries.push({ index: firstIndex + i, term, type: run.readUInt8(at + 8), data });
    at = start + size;
  }
  return entries;
}

export function encodeForwards(payloads: readonly Buffer[], term: number): Buffer {
  const parts: Buffer[] = [Buffer.alloc(FORWARD_HEADER_BYTES)];
  for (const payload of payloads) {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(payload.length);
    parts.push(size, payload);
  }
  const bytes = Buffer.concat(parts.map((part) => bytesOf(part)));
  bytes.writeBigUInt64LE(BigInt(term), 4);
  bytes.writeUInt32LE(payloads.length, 12);
  bytes.writeUInt32LE(crc32c(bytesOf(bytes), CRC_BYTES), 0);
  return bytes;
}

/** The payloads and the term of forwarded proposals; null when the bytes are damaged. */
export function decodeForwards(
  bytes: Uint8Array,
): { readonly term: number; readonly payloads: Buffer[] } | null {
  const forwards = view(bytes);
  if (forwards.length < FORWARD_HEADER_BYTES) {
    return null;
  }
  if (forwards.readUInt32LE(0) !== crc32c(bytes, CRC_BYTES)) {
    return null;
  }
  const payloads: Buffer[] = [];
  let at = FORWARD_HEADER_BYTES;
  for (let left = forwards.readUInt32LE(12); left > 0; left--) {
    const end = at + 4 + forwards.readUInt32LE(at);
    payloads.push(Buffer.from(forwards.subarray(at + 4, end)));
    at = end;
  }
  return { term: Number(forwards.readBigUInt64LE(4)), payloads };
}
