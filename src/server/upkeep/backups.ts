// Maintenance.Snapshot: this member's state as a database file that etcd's tools read, in blobs of
// 32 KiB with what remains of the file, and behind it the file's SHA-256. Native code makes the
// file from a pinned view while it is being read, so a client that reads slowly holds up nothing
// but its own stream. Made by Member, called by the Maintenance service.

import { createHash } from 'node:crypto';

import { bytesOf } from '../../base/bytes.js';
import type { ServerStream } from '../../base/call.js';
import type { Clock } from '../../base/clock.js';
import { MetaStoreError } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import { snapshotResponse } from '../../base/proto/messages.js';
import type { MemberCore } from '../../storage/native.js';

export type BackupCore = Pick<MemberCore, 'openBackup' | 'readBackup' | 'closeBackup'>;

const BLOB_BYTES = 32_768;
/** What is asked of native code at once; a multiple of a blob. */
const PIECE_BYTES = 16 * BLOB_BYTES;
/** Messages that may wait for the transport, so that the connection need not pause for each. */
const MESSAGES_UNDER_WAY = 16;

/** A client that is slower than this is warned of, though not before it has had some time. */
const SLOW_BYTES_PER_SECOND = 100_000_000;
const LEAST_PATIENCE_MS = 30_000;

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** A number of bytes for people: two digits at least, in powers of a thousand. */
export function humanBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const rounded = Math.round(value * 10) / 10;
  if (unit > 0 && rounded < 10) {
    return `${rounded.toFixed(1)} ${UNITS[unit]}`;
  }
  // A half goes to the even neighbour, as in other servers' logs.
  const below = Math.floor(rounded);
  const whole = rounded - below === 0.5 ? below + (below % 2) : Math.round(rounded);
  return `${whole} ${UNITS[unit]}`;
}

/** Rows for openBackup: each bucket, key and value behind its length. */
export function encodeBackupRows(
  rows: readonly (readonly [bucket: string, key: string, value: string])[],
): Uint8Array {
  const parts = rows.flat().flatMap((text) => {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    return [length, bytes];
  });
  return bytesOf(Buffer.concat(parts.map(bytesOf)));
}

/** Sends messages with a bounded number of them on their way. */
class BoundedSender {
  readonly #stream: ServerStream;
  readonly #signal: AbortSignal;
  #underWay = 0;
  #resume: () => void = () => undefined;

  constructor(stream: ServerStream, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
    signal.addEventListener('abort', () => this.#resume(), { once: true });
  }

  /** @throws MetaStoreError ContextCanceled when nobody reads any more */
  async send(message: Buffer): Promise<void> {
    await this.#until(MESSAGES_UNDER_WAY);
    this.#underWay++;
    this.#stream.send(message, () => {
      this.#underWay--;
      this.#resume();
    });
  }

  /** Resolves when the transport has taken everything. */
  drained(): Promise<void> {
    return this.#until(1);
  }

  /** Resolves when fewer messages than this are on their way. */
  async #until(bound: number): Promise<void> {
    while (this.#underWay >= bound && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
    }
    if (this.#signal.aborted) {
      throw MetaStoreError.of('ContextCanceled');
    }
  }
}

export class Backups {
  readonly #core: BackupCore;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(core: BackupCore, clock: Clock, log: Logger) {
    this.#core = core;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Sends a backup of the state as it is now; ends with the stream's signal.
   *
   * @param version of the stored data, as messages and, where the state does not say it, file name
   *   it
   * @throws MetaStoreError TooManyRequests, Stopped, ContextCanceled; Error of native code (Io)
   */
  async serve(stream: ServerStream, signal: AbortSignal, version: string): Promise<void> {
    const startMs = this.#clock.nowMs();
    const { id, sizeBytes } = await this.#opened(version);
    const facts = { 'total-bytes': sizeBytes, size: humanBytes(sizeBytes) };
    const patienceMs = Math.max(LEAST_PATIENCE_MS, (sizeBytes / SLOW_BYTES_PER_SECOND) * 1000);
    const stopWarning = this.#clock.every(patienceMs, () => {
      const taking = `${((this.#clock.nowMs() - startMs) / 1000).toFixed(3)}s`;
      this.#log.warn('snapshotting taking too long to transfer', { taking, ...facts });
    });
    try {
      this.#log.info('sending database snapshot to client', {
        ...facts,
        'storage-version': version,
      });
      await this.#send(id, sizeBytes, version, new BoundedSender(stream, signal));
      this.#log.info('successfully sent database snapshot to client', {
        ...facts,
        took: `${(this.#clock.nowMs() - startMs).toFixed(3)}ms`,
        'storage-version': version,
      });
    } catch (error) {
      this.#log.info('database snapshot was not sent to its end', {
        ...facts,
        took: `${(this.#clock.nowMs() - startMs).toFixed(3)}ms`,
        error: error instanceof Error ? error.message : String(error),
      });
      throw error;
    } finally {
      stopWarning();
      this.#core.closeBackup(id);
    }
  }

  async #opened(version: string): Promise<{ id: number; sizeBytes: number }> {
    try {
      return await this.#core.openBackup(encodeBackupRows([['meta', 'storageVersion', version]]));
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : null;
      if (code === 'TooManyRequests' || code === 'Stopped') {
        throw MetaStoreError.of(code);
      }
      throw error;
    }
  }

  async #send(
    id: number,
    sizeBytes: number,
    version: string,
    sender: BoundedSender,
  ): Promise<void> {
    const digest = createHash('sha256');
    let remaining = sizeBytes;
    for (;;) {
      const piece = await this.#core.readBackup(id, PIECE_BYTES);
      if (piece === null) {
        break;
      }
      digest.update(bytesOf(piece));
      for (let at = 0; at < piece.length; at += BLOB_BYTES) {
        const blob = piece.subarray(at, at + BLOB_BYTES);
        remaining -= blob.length;
        const remaining_bytes = BigInt(remaining);
        await sender.send(snapshotResponse.encode({ remaining_bytes, blob, version }));
      }
    }
    if (remaining !== 0) {
      throw MetaStoreError.of('Internal', `${remaining} bytes are missing from a backup`);
    }
    const blob = digest.digest();
    await sender.send(snapshotResponse.encode({ remaining_bytes: 0n, blob, version }));
    await sender.drained();
  }
}
