// Completion records as native code writes them (src/storage/completions.ts states the layout), and
// the exports of an addon that go with them. Used by the simulator's core.

import { bytesOf } from '../../../../src/base/bytes.js';
import type { CompletionKinds, Methods, Routes } from '../../../../src/storage/native.js';

export const kinds: CompletionKinds = {
  durable: 1,
  applied: 2,
  result: 3,
  control: 4,
  lease: 5,
  leaseCheckpoint: 6,
  watch: 7,
  checkpoint: 8,
  truncated: 9,
  log: 10,
  alarm: 11,
  quotaExceeded: 12,
  fatal: 13,
  held: 14,
  slow: 15,
  demand: 16,
};

export const routes: Routes = { Proposed: 0, ReadWaits: 1, Serving: 2 };

export const methods: Methods = {
  Range: 0,
  Put: 1,
  DeleteRange: 2,
  Txn: 3,
  Compact: 4,
  LeaseGrant: 5,
  LeaseRevoke: 6,
  LeaseCheckpoint: 7,
  Alarm: 8,
  Hash: 9,
  HashKv: 10,
  Defragment: 11,
};

function record(kind: number, bodyBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(5 + bodyBytes);
  bytes.writeUInt32LE(1 + bodyBytes, 0);
  bytes.writeUInt8(kind, 4);
  return bytes;
}

function numbers(kind: number, ...values: readonly number[]): Buffer {
  const bytes = record(kind, values.length * 8);
  for (let i = 0; i < values.length; i++) {
    bytes.writeDoubleLE(values[i] as number, 5 + i * 8);
  }
  return bytes;
}

export class Completions {
  readonly #wake: () => void;
  #records: Buffer[] = [];

  /** @param wake called when the first record waits */
  constructor(wake: () => void) {
    this.#wake = wake;
  }

  durable(sequence: number): void {
    this.#push(numbers(kinds.durable, sequence));
  }

  applied(index: number, revision: number): void {
    this.#push(numbers(kinds.applied, index, revision));
  }

  checkpoint(index: number): void {
    this.#push(numbers(kinds.checkpoint, index));
  }

  truncated(index: number): void {
    this.#push(numbers(kinds.truncated, index));
  }

  result(ticket: number, code: number, reply: Buffer | null): void {
    const bytes = record(kinds.result, 10 + (reply?.length ?? 0));
    bytes.writeDoubleLE(ticket, 5);
    bytes.writeUInt16LE(code, 13);
    reply?.copy(bytesOf(bytes), 15);
    this.#push(bytes);
  }

  control(index: number, term: number, type: number, request: Buffer): void {
    const bytes = record(kinds.control, 17 + request.length);
    bytes.writeDoubleLE(index, 5);
    bytes.writeDoubleLE(term, 13);
    bytes.writeUInt8(type, 21);
    request.copy(bytesOf(bytes), 22);
    this.#push(bytes);
  }

  fatal(message: string): void {
    const text = Buffer.from(message);
    const bytes = record(kinds.fatal, text.length);
    text.copy(bytesOf(bytes), 5);
    this.#push(bytes);
  }

  drain(): Buffer | null {
    const records = this.#records;
    if (records.length === 0) {
      return null;
    }
    this.#records = [];
    return records.length === 1
      ? (records[0] as Buffer)
      : Buffer.concat(records.map((bytes) => bytesOf(bytes)));
  }

  #push(bytes: Buffer): void {
    if (this.#records.push(bytes) === 1) {
      this.#wake();
    }
  }
}
