// Changes bytes of entries in the log of a member that does not run, and makes every checksum right
// again: what a memory fault before the checksum would have done. A member whose state is not
// durable elsewhere applies the changed entries when it starts. Layout: docs/formats/wal.md.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HEADER_BYTES = 128;
const HEADER_CRC_OFFSET = 12;
const RECORD_HEAD_BYTES = 16;
const ENTRY = 1;
const KNOWN_TYPES = 7;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** Continues a CRC-32C over bytes. */
function crc32c(crc: number, bytes: Uint8Array): number {
  let state = ~crc;
  for (const byte of bytes) state = (table[(state ^ byte) & 0xff] ?? 0) ^ (state >>> 8);
  return ~state >>> 0;
}

const view = (buffer: Buffer): Uint8Array => buffer as unknown as Uint8Array;

function replaceIn(payload: Buffer, from: Buffer, to: Buffer): number {
  let count = 0;
  for (let at = payload.indexOf(view(from)); at >= 0; at = payload.indexOf(view(from), at + 1)) {
    to.copy(view(payload), at);
    count += 1;
  }
  return count;
}

/**
 * Replaces a text by another one of the same length in every entry.
 *
 * @returns how often it was found
 */
export function rewriteLog(dataDir: string, from: string, to: string): number {
  if (Buffer.byteLength(from) !== Buffer.byteLength(to)) throw new Error('lengths differ');
  const folder = join(dataDir, 'member', 'wal');
  const segments = readdirSync(folder).filter((name) => name.endsWith('.wal'));
  const [name = ''] = segments;
  if (segments.length !== 1) throw new Error(`not one segment but ${segments.length}`);
  const file = readFileSync(join(folder, name));
  const seed = file.readUInt32LE(HEADER_CRC_OFFSET);
  let before = seed;
  let found = 0;
  for (let at = HEADER_BYTES; at + RECORD_HEAD_BYTES <= file.length; ) {
    const length = file.readUInt32LE(at + 8);
    const type = file.readUInt8(at + 12);
    const size = (RECORD_HEAD_BYTES + length + 7) & ~7;
    if (type === 0 || type > KNOWN_TYPES || at + size > file.length) break;
    const payload = file.subarray(at + RECORD_HEAD_BYTES, at + RECORD_HEAD_BYTES + length);
    if (type === ENTRY) found += replaceIn(payload, Buffer.from(from), Buffer.from(to));
    file.writeUInt32LE(before, at + 4);
    const offset = Buffer.alloc(8);
    offset.writeBigUInt64LE(BigInt(at));
    before = crc32c(crc32c(seed, view(offset)), view(file.subarray(at + 4, at + size)));
    file.writeUInt32LE(before, at);
    at += size;
  }
  writeFileSync(join(folder, name), view(file));
  return found;
}
