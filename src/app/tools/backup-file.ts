// A backup as a file: a database, and behind it usually its SHA-256, by which a client knows that
// everything has come. Read by the commands of tools/snapshot.ts.

import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

import { bytesOf } from '../../base/bytes.js';

const DIGEST_BYTES = 32;
/** Databases end with a whole page, and no page is smaller. */
const SMALLEST_PAGE_BYTES = 512;
const PIECE_BYTES = 1 << 20;

export interface BackupFile {
  readonly path: string;
  readonly databaseBytes: number;
}

/** Bytes as tools show a digest: `[186 76 …]`. */
function decimals(bytes: Buffer): string {
  return `[${[...bytesOf(bytes)].join(' ')}]`;
}

function readAt(file: number, at: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  const read = readSync(file, bytesOf(buffer), 0, length, at);
  return buffer.subarray(0, read);
}

/**
 * Finds out how much of a file is the database.
 *
 * @param check whether a digest has to be there and has to be right
 * @throws Error with the text that etcd's tools have
 */
export function openBackup(path: string, check: boolean): BackupFile {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const hasDigest = size % SMALLEST_PAGE_BYTES === DIGEST_BYTES;
    const databaseBytes = hasDigest ? size - DIGEST_BYTES : size;
    if (check) {
      if (!hasDigest) {
        throw new Error('snapshot missing hash but --skip-hash-check=false');
      }
      const hash = createHash('sha256');
      for (let at = 0; at < databaseBytes; ) {
        const piece = readAt(file, at, Math.min(PIECE_BYTES, databaseBytes - at));
        if (piece.length === 0) {
          throw new Error(`${path} became shorter while it was read`);
        }
        hash.update(bytesOf(piece));
        at += piece.length;
      }
      const found = hash.digest();
      const expected = readAt(file, databaseBytes, DIGEST_BYTES);
      if (!found.equals(bytesOf(expected))) {
        throw new Error(`expected sha256 ${decimals(expected)}, got ${decimals(found)}`);
      }
    }
    return { path, databaseBytes };
  } finally {
    closeSync(file);
  }
}
