// A Storage in plain memory: for tests, simulators and as the model of what a real one has to
// do. The caller writes to it (append, applySnapshot, compact) as its storage thread would.

import { panic } from '../base/assert.js';
import { RaftStorageError } from '../base/errors.js';
import type {
  ConfState,
  Entry,
  HardState,
  Logger,
  Payload,
  Snapshot,
  Storage,
} from '../base/types.js';
import { EntryType } from '../base/types.js';
import { emptyHardState, emptySnapshot, limitSize, makeEntry } from '../wire/messages.js';

export class MemoryStorage implements Storage {
  readonly #logger: Logger;
  #hardState: HardState = emptyHardState;
  #snapshot: Snapshot = emptySnapshot;
  // Invariant: position 0 is a dummy with the index and term of what precedes the log, and
  // entries[i].index === entries[0].index + i.
  #entries: Entry[] = [makeEntry(EntryType.Normal, 0, 0, null)];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  initialState(): { hardState: HardState; confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#snapshot.metadata.confState };
  }

  setHardState(state: HardState): void {
    this.#hardState = state;
  }

  entries(lo: number, hi: number, maxBytes: number): Entry[] {
    const offset = this.#offset;
    if (lo <= offset) {
      throw new RaftStorageError('compacted');
    }
    if (hi > this.lastIndex() + 1) {
      const last = this.lastIndex();
      panic(this.#logger, `entries' hi(${hi}) is out of bound lastindex(${last})`);
    }
    if (this.#entries.length === 1) {
      throw new RaftStorageError('unavailable');
    }
    return limitSize(this.#entries.slice(lo - offset, hi - offset), maxBytes);
  }

  term(i: number): number {
    const offset = this.#offset;
    if (i < offset) {
      throw new RaftStorageError('compacted');
    }
    const entry = this.#entries[i - offset];
    if (entry === undefined) {
      throw new RaftStorageError('unavailable');
    }
    return entry.term;
  }

  lastIndex(): number {
    return this.#offset + this.#entries.length - 1;
  }

  firstIndex(): number {
    return this.#offset + 1;
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  /**
   * Replaces everything by a snapshot.
   *
   * @throws RaftStorageError 'snapshot-out-of-date' if the present one is at least as new
   */
  applySnapshot(snapshot: Snapshot): void {
    const { index, term } = snapshot.metadata;
    const present = this.#snapshot.metadata.index;
    if (present !== 0 && present >= index) {
      throw new RaftStorageError('snapshot-out-of-date');
    }
    this.#snapshot = snapshot;
    this.#entries = [makeEntry(EntryType.Normal, term, index, null)];
  }

  /**
   * Keeps an image of the state machine at index i, which the log must contain.
   *
   * @throws RaftStorageError 'snapshot-out-of-date'
   */
  createSnapshot(i: number, confState: ConfState | null, data: Payload | null): Snapshot {
    if (i <= this.#snapshot.metadata.index) {
      throw new RaftStorageError('snapshot-out-of-date');
    }
    if (i > this.lastIndex()) {
      panic(this.#logger, `snapshot ${i} is out of bound lastindex(${this.lastIndex()})`);
    }
    const metadata = {
      confState: confState ?? this.#snapshot.metadata.confState,
      index: i,
      term: this.term(i),
    };
    this.#snapshot = { data, metadata };
    return this.#snapshot;
  }

  /**
   * Drops the entries up to i, which must be applied.
   *
   * @throws RaftStorageError 'compacted' if that was done before
   */
  compact(i: number): void {
    const offset = this.#offset;
    if (i <= offset) {
      throw new RaftStorageError('compacted');
    }
    if (i > this.lastIndex()) {
      panic(this.#logger, `compact ${i} is out of bound lastindex(${this.lastIndex()})`);
    }
    const dummy = makeEntry(EntryType.Normal, this.term(i), i, null);
    this.#entries = [dummy, ...this.#entries.slice(i - offset + 1)];
  }

  /** Adds entries, dropping those from the first one's index on; compacted ones are skipped. */
  append(entries: readonly Entry[]): void {
    const first = this.firstIndex();
    const fresh = entries.filter((entry) => entry.index >= first);
    const start = fresh[0];
    if (start === undefined) {
      return;
    }
    if (start.index > this.lastIndex() + 1) {
      const last = this.lastIndex();
      panic(this.#logger, `missing log entry [last: ${last}, append at: ${start.index}]`);
    }
    this.#entries.length = start.index - this.#offset;
    for (const entry of fresh) {
      this.#entries.push(entry);
    }
  }

  get #offset(): number {
    return (this.#entries[0] as Entry).index;
  }
}
