// The replicated log as one sequence: storage below, the unstable part above, with the marks of
// what is committed, being applied and applied. Owned by one Raft. Raft paper §5.3.

import { assert, panic } from '../base/assert.js';
import { RaftStorageError } from '../base/errors.js';
import type { Entry, Logger, Snapshot, Storage } from '../base/types.js';
import { entriesSize, entrySize, limitSize } from '../wire/messages.js';
import { Unstable } from './unstable.js';

/** An error that says a part of the log is gone or not there, as opposed to a failure. */
function isMissing(error: unknown): error is RaftStorageError {
  return (
    error instanceof RaftStorageError &&
    (error.code === 'compacted' || error.code === 'unavailable')
  );
}

export class RaftLog {
  readonly storage: Storage;
  readonly unstable: Unstable;
  // The highest index known to be durable on a quorum. Only grows.
  committed: number;
  // The highest index handed out to be applied. Invariant: applied <= applying <= committed.
  applying: number;
  // The highest index that the application has applied. Only grows.
  applied: number;
  readonly #logger: Logger;
  // Limit on the encoded bytes handed out and not yet applied.
  readonly #maxApplyingBytes: number;
  // Encoded bytes handed out and not yet applied.
  #applyingBytes = 0;
  // Whether handing out waits until something is applied.
  #applyingPaused = false;

  constructor(storage: Storage, logger: Logger, maxApplyingBytes: number) {
    const first = storage.firstIndex();
    const last = storage.lastIndex();
    assert(first >= 1 && last >= first - 1, 'storage gives a log, possibly empty');
    this.storage = storage;
    this.#logger = logger;
    // Never 0, so that one entry at a time always goes through.
    this.#maxApplyingBytes = Math.max(1, maxApplyingBytes);
    this.unstable = new Unstable(last + 1, logger);
    this.committed = first - 1;
    this.applying = first - 1;
    this.applied = first - 1;
  }

  toString(): string {
    const { offset, offsetInProgress, entries } = this.unstable;
    return (
      `committed=${this.committed}, applied=${this.applied}, applying=${this.applying}, ` +
      `unstable.offset=${offset}, unstable.offsetInProgress=${offsetInProgress}, ` +
      `len(unstable.Entries)=${entries.length}`
    );
  }

  firstIndex(): number {
    const snapshot = this.unstable.snapshot;
    return snapshot === null ? this.storage.firstIndex() : snapshot.metadata.index + 1;
  }

  lastIndex(): number {
    return this.unstable.lastIndex() ?? this.storage.lastIndex();
  }

  lastTerm(): number {
    const term = this.term(this.lastIndex());
    assert(term !== undefined, 'the term of the last entry is always known');
    return term;
  }

  /** The term of index i; undefined if it is compacted away or beyond the end. */
  term(i: number): number | undefined {
    const unstable = this.unstable.term(i);
    if (unstable !== undefined) {
      return unstable;
    }
    if (i + 1 < this.firstIndex() || i > this.lastIndex()) {
      return undefined;
    }
    try {
      return this.storage.term(i);
    } catch (error) {
      if (isMissing(error)) {
        return undefined;
      }
      throw error;
    }
  }

  matchTerm(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  /** Whether a log that ends at (index, term) is at least as complete as this one, §5.4.1. */
  isUpToDate(index: number, term: number): boolean {
    const lastTerm = this.lastTerm();
    return term > lastTerm || (term === lastTerm && index >= this.lastIndex());
  }

  /**
   * Appends what follows (prevIndex, prevTerm) and commits up to `committed`.
   *
   * @returns the index of the last entry of the message, or undefined if the logs do not match
   *   at prevIndex
   */
  maybeAppend(
    prevIndex: number,
    prevTerm: number,
    entries: readonly Entry[],
    committed: number,
  ): number | undefined {
    if (!this.matchTerm(prevIndex, prevTerm)) {
      return undefined;
    }
    const last = prevIndex + entries.length;
    const conflict = this.#findConflict(entries);
    if (conflict !== 0) {
      if (conflict <= this.committed) {
        const text = `entry ${conflict} conflict with committed entry`;
        panic(this.#logger, `${text} [committed(${this.committed})]`);
      }
      const skip = conflict - (prevIndex + 1);
      assert(skip >= 0 && skip < entries.length, 'the conflict lies within the entries');
      this.append(skip === 0 ? entries : entries.slice(skip));
    }
    this.commitTo(Math.min(committed, last));
    return last;
  }

  append(entries: readonly Entry[]): number {
    const first = entries[0];
    if (first !== undefined) {
      if (first.index - 1 < this.committed) {
        const after = first.index - 1;
        panic(this.#logger, `after(${after}) is out of range [committed(${this.committed})]`);
      }
      this.unstable.truncateAndAppend(entries);
    }
    return this.lastIndex();
  }

  /**
   * The highest index at or below `index` whose term is at most `term`, with that term: the best
   * guess where a log that has `term` at `index` may agree with this one. The term is 0 if it is
   * not known.
   */
  findConflictByTerm(index: number, term: number): { index: number; term: number } {
    for (let i = index; i > 0; i--) {
      const own = this.term(i);
      if (own === undefined) {
        return { index: i, term: 0 };
      }
      if (own <= term) {
        return { index: i, term: own };
      }
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: number): void {
    if (index <= this.committed) {
      return;
    }
    const last = this.lastIndex();
    if (last < index) {
      const text = `tocommit(${index}) is out of range [lastIndex(${last})]`;
      panic(this.#logger, `${text}. Was the raft log corrupted, truncated, or lost?`);
    }
    this.committed = index;
  }

  /** Commits up to the index if it is new and has this term. */
  maybeCommit(index: number, term: number): boolean {
    if (term === 0 || index <= this.committed || !this.matchTerm(index, term)) {
      return false;
    }
    this.commitTo(index);
    return true;
  }

  /** Entries from lo on, as many as fit into maxBytes, at least one; undefined if compacted. */
  entriesFrom(lo: number, maxBytes: number): Entry[] | undefined {
    const last = this.lastIndex();
    if (lo > last) {
      return [];
    }
    try {
      return this.#slice(lo, last + 1, maxBytes);
    } catch (error) {
      if (isMissing(error)) {
        return undefined;
      }
      throw error;
    }
  }

  /** Whether any entry with lo <= index < hi passes the test; reads them page by page. */
  someEntry(lo: number, hi: number, test: (entry: Entry) => boolean): boolean {
    for (let next = lo; next < hi; ) {
      const page = this.#slice(next, hi, this.#maxApplyingBytes);
      assert(page.length > 0, 'a page makes progress');
      if (page.some(test)) {
        return true;
      }
      next += page.length;
    }
    return false;
  }

  /** Committed entries to hand out now. */
  nextCommittedEntries(allowUnstable: boolean): Entry[] {
    if (!this.hasNextCommittedEntries(allowUnstable)) {
      return [];
    }
    const room = this.#maxApplyingBytes - this.#applyingBytes;
    assert(room > 0, 'applying is paused when there is no room');
    try {
      return this.#slice(this.applying + 1, this.#maxAppliableIndex(allowUnstable) + 1, room);
    } catch (error) {
      if (isMissing(error)) {
        panic(this.#logger, `unexpected error when getting unapplied entries (${error.message})`);
      }
      throw error;
    }
  }

  hasNextCommittedEntries(allowUnstable: boolean): boolean {
    // A snapshot has to be applied before the entries that follow it.
    if (this.#applyingPaused || this.unstable.snapshot !== null) {
      return false;
    }
    return this.applying < this.#maxAppliableIndex(allowUnstable);
  }

  /** Marks entries up to the index, of this encoded size, as handed out. */
  acceptApplying(index: number, bytes: number, allowUnstable: boolean): void {
    assert(index > this.applying, 'entries are handed out once');
    assert(index <= this.committed, 'only committed entries are handed out');
    this.applying = index;
    this.#applyingBytes += bytes;
    this.#applyingPaused =
      this.#applyingBytes >= this.#maxApplyingBytes ||
      index < this.#maxAppliableIndex(allowUnstable);
  }

  /** Marks entries up to the index, of this encoded size, as applied. */
  appliedTo(index: number, bytes: number): void {
    if (index > this.committed || index < this.applied) {
      const range = `[prevApplied(${this.applied}), committed(${this.committed})]`;
      panic(this.#logger, `applied(${index}) is out of range ${range}`);
    }
    this.applied = index;
    this.applying = Math.max(this.applying, index);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#applyingPaused = this.#applyingBytes >= this.#maxApplyingBytes;
  }

  stableTo(index: number, term: number): void {
    this.unstable.stableTo(index, term);
  }

  /** Storage has appended entries by itself, behind all that it was handed. */
  adopt(first: number, last: number): void {
    assert(first > this.committed, 'what is committed is never replaced');
    this.unstable.adopt(first, last);
  }

  restore(snapshot: Snapshot): void {
    const { index, term } = snapshot.metadata;
    this.#logger.info(
      () => `log [${this}] starts to restore snapshot [index: ${index}, term: ${term}]`,
    );
    assert(index > this.committed, 'a snapshot never takes back what is committed');
    this.committed = index;
    this.unstable.restore(snapshot);
  }

  /** The snapshot to send to a peer: a received one that is not durable yet, or storage's. */
  snapshot(): Snapshot {
    return this.unstable.snapshot ?? this.storage.snapshot();
  }

  #findConflict(entries: readonly Entry[]): number {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as Entry;
      const own = this.term(entry.index);
      if (own === entry.term) {
        continue;
      }
      if (entry.index <= this.lastIndex()) {
        this.#logger.info(
          () =>
            `found conflict at index ${entry.index} ` +
            `[existing term: ${own ?? 0}, conflicting term: ${entry.term}]`,
        );
      }
      return entry.index;
    }
    return 0;
  }

  #maxAppliableIndex(allowUnstable: boolean): number {
    return allowUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1);
  }

  #slice(lo: number, hi: number, maxBytes: number): Entry[] {
    assert(lo <= hi, 'a range does not end before it starts');
    assert(hi <= this.lastIndex() + 1, 'a range ends within the log');
    if (lo < this.firstIndex()) {
      throw new RaftStorageError('compacted');
    }
    if (lo === hi) {
      return [];
    }
    const offset = this.unstable.offset;
    if (lo >= offset) {
      return limitSize(this.unstable.slice(lo, hi), maxBytes);
    }
    const cut = Math.min(hi, offset);
    const stable = this.storage.entries(lo, cut, maxBytes);
    if (hi <= offset || stable.length < cut - lo) {
      return stable;
    }
    const bytes = maxBytes === Number.POSITIVE_INFINITY ? 0 : entriesSize(stable);
    if (bytes >= maxBytes) {
      return stable;
    }
    const unstable = limitSize(this.unstable.slice(offset, hi), maxBytes - bytes);
    // The limit lets one entry through in any case; here that one would overflow the whole.
    if (unstable.length === 1 && bytes + entrySize(unstable[0] as Entry) > maxBytes) {
      return stable;
    }
    return stable.concat(unstable);
  }
}
