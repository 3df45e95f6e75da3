// The part of the log that storage does not hold durably yet: perhaps a snapshot, and the
// entries after it or after the stable log. Part of a RaftLog, which alone calls it. Entries are
// handed out to be written, and leave once that write is reported durable.

import { assert } from '../base/assert.js';
import type { Entry, Logger, Snapshot } from '../base/types.js';

export class Unstable {
  // The incoming snapshot, until it is durable and applied.
  snapshot: Snapshot | null = null;
  // Invariant: entries[i].index === offset + i.
  entries: Entry[] = [];
  // The index of the first unstable entry, whether there is one or not. Entries below are in
  // storage, although storage may still hold replaced ones at or above it.
  offset: number;
  // Whether the snapshot was handed out. False without one.
  snapshotInProgress = false;
  // Entries below were handed out. Invariant: offset <= offsetInProgress <= offset + length.
  offsetInProgress: number;
  readonly #logger: Logger;

  constructor(offset: number, logger: Logger) {
    this.offset = offset;
    this.offsetInProgress = offset;
    this.#logger = logger;
  }

  /** The last index, if this part knows it. */
  lastIndex(): number | undefined {
    if (this.entries.length > 0) {
      return this.offset + this.entries.length - 1;
    }
    return this.snapshot?.metadata.index;
  }

  /** The term of index i, if this part knows it. */
  term(i: number): number | undefined {
    if (i < this.offset) {
      const metadata = this.snapshot?.metadata;
      return metadata !== undefined && metadata.index === i ? metadata.term : undefined;
    }
    return this.entries[i - this.offset]?.term;
  }

  /** Entries that nobody was given yet. */
  nextEntries(): Entry[] {
    return this.entries.slice(this.offsetInProgress - this.offset);
  }

  hasNextEntries(): boolean {
    return this.offset + this.entries.length > this.offsetInProgress;
  }

  /** The snapshot that nobody was given yet. */
  nextSnapshot(): Snapshot | null {
    return this.snapshotInProgress ? null : this.snapshot;
  }

  /** Marks everything as handed out; it stays here until it is reported durable. */
  acceptInProgress(): void {
    this.offsetInProgress = this.offset + this.entries.length;
    this.snapshotInProgress = this.snapshot !== null;
  }

  /**
   * Takes note that entries up to this index, with this term at it, are durable. A report about
   * an entry that was replaced meanwhile is told by the term and ignored.
   */
  stableTo(index: number, term: number): void {
    const own = this.term(index);
    if (own === undefined) {
      this.#logger.info(() => `entry at index ${index} missing from unstable log; ignoring`);
      return;
    }
    if (index < this.offset) {
      this.#logger.info(() => `entry at index ${index} matched unstable snapshot; ignoring`);
      return;
    }
    if (own !== term) {
      this.#logger.info(
        () =>
          `entry at (index,term)=(${index},${term}) mismatched with entry at ` +
          `(${index},${own}) in unstable log; ignoring`,
      );
      return;
    }
    const count = index + 1 - this.offset;
    this.entries = count === this.entries.length ? [] : this.entries.slice(count);
    this.offset = index + 1;
    this.offsetInProgress = Math.max(this.offsetInProgress, this.offset);
    this.#check();
  }

  /**
   * Storage holds entries from `first` to `last` that it has appended behind these. All of it is
   * storage's now: reports of writes that are still to come find nothing to do.
   */
  adopt(first: number, last: number): void {
    const end = this.offset + this.entries.length;
    assert(this.offsetInProgress === end && this.snapshot === null, 'all was handed out before');
    assert(first === end && last >= first, 'the log has no gap');
    this.entries = [];
    this.offset = last + 1;
    this.offsetInProgress = this.offset;
  }

  stableSnapshotTo(index: number): void {
    if (this.snapshot !== null && this.snapshot.metadata.index === index) {
      this.snapshot = null;
      this.snapshotInProgress = false;
    }
  }

  /** Replaces everything by a snapshot. */
  restore(snapshot: Snapshot): void {
    this.offset = snapshot.metadata.index + 1;
    this.offsetInProgress = this.offset;
    this.entries = [];
    this.snapshot = snapshot;
    this.snapshotInProgress = false;
  }

  /** Adds entries, dropping those from the first one's index on. */
  truncateAndAppend(entries: readonly Entry[]): void {
    const from = (entries[0] as Entry).index;
    const end = this.offset + this.entries.length;
    assert(from <= end, 'the log has no gap');
    if (from === end) {
      this.#push(entries);
    } else if (from <= this.offset) {
      this.#logger.info(() => `replace the unstable entries from index ${from}`);
      this.entries = [...entries];
      this.offset = from;
      this.offsetInProgress = from;
    } else {
      this.#logger.info(() => `truncate the unstable entries before index ${from}`);
      this.entries = this.entries.slice(0, from - this.offset);
      this.#push(entries);
      this.offsetInProgress = Math.min(this.offsetInProgress, from);
    }
    this.#check();
  }

  /** Entries lo (inclusive) to hi (exclusive), all of which are here. */
  slice(lo: number, hi: number): Entry[] {
    assert(lo <= hi, 'a range does not end before it starts');
    assert(lo >= this.offset && hi <= this.offset + this.entries.length, 'the range is unstable');
    return this.entries.slice(lo - this.offset, hi - this.offset);
  }

  #push(entries: readonly Entry[]): void {
    for (let i = 0; i < entries.length; i++) {
      this.entries.push(entries[i] as Entry);
    }
  }

  #check(): void {
    const end = this.offset + this.entries.length;
    assert(this.offset <= this.offsetInProgress, 'nothing stable is in progress');
    assert(this.offsetInProgress <= end, 'only entries of the log are in progress');
    const first = this.entries[0];
    assert(first === undefined || first.index === this.offset, 'entries start at the offset');
  }
}
