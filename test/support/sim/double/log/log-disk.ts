// The disk under a simulated log. What is appended is first queued, then written (the operating
// system has it), then synced. A power cut loses what is queued, keeps what is synced, and of the
// rest keeps any first part, so that it may end within one append. Survives its member's crashes.

import { assert } from '../../../../../src/base/assert.js';
import type { HardStateRecord } from '../../../../../src/storage/native.js';
import type { Random } from '../../world/random.js';
import type { LogEntry } from './runs.js';

export type LogRecord =
  | { readonly kind: 'entry'; readonly entry: LogEntry }
  | { readonly kind: 'state'; readonly state: HardStateRecord }
  | { readonly kind: 'cut'; readonly index: number };

/** The log that a run of records makes. */
export class LogImage {
  // Invariant: entries[i].index === startIndex + 1 + i.
  startIndex = 0;
  startTerm = 0;
  entries: LogEntry[] = [];
  state: HardStateRecord = { term: 0, vote: 0n, commit: 0 };

  get lastIndex(): number {
    return this.startIndex + this.entries.length;
  }

  clone(): LogImage {
    const copy = new LogImage();
    copy.startIndex = this.startIndex;
    copy.startTerm = this.startTerm;
    copy.entries = [...this.entries];
    copy.state = this.state;
    return copy;
  }

  at(index: number): LogEntry | undefined {
    return this.entries[index - this.startIndex - 1];
  }

  /** The term of an entry, or of the one that the log starts behind; null when neither. */
  termAt(index: number): number | null {
    return index === this.startIndex ? this.startTerm : (this.at(index)?.term ?? null);
  }

  apply(record: LogRecord): void {
    if (record.kind === 'state') {
      this.state = record.state;
    } else if (record.kind === 'cut') {
      this.cut(record.index);
    } else {
      const { entry } = record;
      assert(entry.index > this.startIndex, 'no entry behind the start of the log is written');
      assert(entry.index <= this.lastIndex + 1, 'the log has no gaps');
      this.entries.length = entry.index - this.startIndex - 1;
      this.entries.push(entry);
    }
  }

  cut(index: number): void {
    if (index <= this.startIndex) {
      return;
    }
    this.startTerm = this.termAt(index) ?? 0;
    this.entries.splice(0, index - this.startIndex);
    this.startIndex = index;
  }

  /** Empties the log, which starts behind the entry then. */
  reset(index: number, term: number, state: HardStateRecord): void {
    this.startIndex = index;
    this.startTerm = term;
    this.entries = [];
    this.state = state;
  }
}

export class LogDisk {
  /** What a power cut cannot take away. */
  readonly synced = new LogImage();
  #queued: LogRecord[] = [];
  #written: LogRecord[] = [];

  queue(records: readonly LogRecord[]): void {
    for (const record of records) {
      this.#queued.push(record);
    }
  }

  /** The operating system takes what is queued. */
  write(): void {
    this.#written.push(...this.#queued);
    this.#queued = [];
  }

  /** What is written becomes durable. */
  sync(): void {
    for (const record of this.#written) {
      this.synced.apply(record);
    }
    this.#written = [];
  }

  /** Replaces everything, durably. */
  reset(index: number, term: number, state: HardStateRecord): void {
    assert(this.#queued.length === 0, 'nothing is on its way when the log is replaced');
    this.#written = [];
    this.synced.reset(index, term, state);
  }

  /** As a power cut. Returns how many written records got lost. */
  crash(random: Random): number {
    const kept = random.between(0, this.#written.length);
    for (const record of this.#written.slice(0, kept)) {
      this.synced.apply(record);
    }
    const lost = this.#written.length - kept;
    this.#written = [];
    this.#queued = [];
    return lost;
  }
}
