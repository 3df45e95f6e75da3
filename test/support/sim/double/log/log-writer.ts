// The log of the simulator's core: what was appended, as memory knows it, and the thread that
// writes and syncs in groups. A write is reported durable when it is synced; one that needs no
// sync, when it and everything before it is written, or synced if something before it must be.

import { assert } from '../../../../../src/base/assert.js';
import type { HardStateRecord } from '../../../../../src/storage/native.js';
import type { Executor } from '../executor.js';
import type { LogDisk, LogImage, LogRecord } from './log-disk.js';
import type { LogEntry } from './runs.js';

/** What the checks want to know of a log. */
export interface LogObserver {
  wrote(entry: LogEntry, previousTerm: number): void;
  promised(state: HardStateRecord): void;
}

interface Job {
  readonly sequence: number;
  readonly sync: boolean;
}

export class LogWriter {
  /** All that was appended, durable or not. */
  readonly image: LogImage;
  readonly #disk: LogDisk;
  readonly #thread: Executor;
  readonly #observer: LogObserver;
  readonly #durable: (sequence: number) => void;
  #jobs: Job[] = [];
  #writing = false;
  // Invariant: what was reported to be durable ends here.
  #reportedState: HardStateRecord;

  constructor(
    disk: LogDisk,
    thread: Executor,
    observer: LogObserver,
    durable: (sequence: number) => void,
  ) {
    this.#disk = disk;
    this.image = disk.synced.clone();
    this.#thread = thread;
    this.#observer = observer;
    this.#durable = durable;
    this.#reportedState = disk.synced.state;
  }

  get idle(): boolean {
    return !this.#writing;
  }

  append(
    sequence: number,
    entries: readonly LogEntry[],
    state: HardStateRecord | null,
    sync: boolean,
  ): void {
    const records: LogRecord[] = [];
    for (const entry of entries) {
      const previous = this.image.termAt(entry.index - 1);
      assert(previous !== null, 'an entry follows another one');
      this.#observer.wrote(entry, previous);
      const record: LogRecord = { kind: 'entry', entry };
      this.image.apply(record);
      records.push(record);
    }
    if (state !== null) {
      this.image.state = state;
      records.push({ kind: 'state', state });
    }
    this.#disk.queue(records);
    this.#jobs.push({ sequence, sync });
    this.#start();
  }

  /** Forgets entries up to the index, for good once something after it is synced. */
  cut(index: number): void {
    this.image.cut(index);
    this.#disk.queue([{ kind: 'cut', index }]);
  }

  /** Replaces the log, durably and at once. Nothing may be on its way. */
  reset(index: number, term: number, state: HardStateRecord): void {
    assert(this.idle, 'the log is replaced when it is idle');
    this.#disk.write();
    this.#disk.reset(index, term, state);
    this.image.reset(index, term, state);
    this.#reported(state);
  }

  #start(): void {
    if (this.#writing || this.#jobs.length === 0) {
      return;
    }
    this.#writing = true;
    this.#thread.push('write', () => this.#write());
  }

  #write(): void {
    const group = this.#jobs;
    this.#jobs = [];
    const { state } = this.image;
    this.#disk.write();
    if (!group.some(({ sync }) => sync)) {
      this.#end(group);
      return;
    }
    this.#thread.push('sync', () => {
      this.#disk.sync();
      this.#reported(state);
      this.#end(group);
    });
  }

  #end(group: readonly Job[]): void {
    for (const { sequence } of group) {
      this.#durable(sequence);
    }
    this.#writing = false;
    this.#start();
  }

  #reported(state: HardStateRecord): void {
    if (state !== this.#reportedState) {
      this.#reportedState = state;
      this.#observer.promised(state);
    }
  }
}
