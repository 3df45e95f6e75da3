// The stable log as the Raft core reads it: index, term, type and size of each entry, while
// payloads stay in native memory. Recent entries are kept here; older ones are asked of the native
// log. Fed by the replica loop as it hands entries to the log; owned by one member.

import { assert } from '../../../base/assert.js';
import { bytesOf } from '../../../base/bytes.js';
import {
  type ConfState,
  type Entry,
  EntryType,
  type HardState,
  limitSize,
  makeEntry,
  type Payload,
  RaftStorageError,
  type Snapshot,
  type Storage,
} from '../../../raft/index.js';
import { NativePayload, ReceivedPayload } from '../../../storage/entry-run.js';
import type { MemberCore, Recovered } from '../../../storage/native.js';

type LogReader = Pick<MemberCore, 'entryInfos' | 'entryData'>;

/** Numbers per entry that entryInfos() gives: term, type, size. */
const INFO_FIELDS = 3;
/** Entries whose bookkeeping is forgotten at once. */
const DROP_MIN = 4096;
/** Entries read from the native log at once when the core asks for old ones. */
const PAGE_ENTRIES = 1024;

export class LogStorage implements Storage {
  readonly #core: LogReader;
  // Invariant: #recent holds the entries of indexes #recentFirst ... #recentFirst + length - 1, and
  // that last index is the log's last one.
  #recent: Entry[] = [];
  #recentFirst: number;
  // The entry before the first one held, which is covered by the state.
  #startIndex: number;
  #startTerm: number;
  #hardState: HardState;
  #confState: ConfState;
  #applied: number;

  constructor(core: LogReader, recovered: Recovered, confState: ConfState) {
    this.#core = core;
    this.#startIndex = recovered.startIndex;
    this.#startTerm = recovered.startTerm;
    this.#recentFirst = recovered.lastIndex + 1;
    this.#hardState = {
      term: recovered.term,
      vote: recovered.vote,
      commit: recovered.commit,
    };
    this.#confState = confState;
    this.#applied = recovered.appliedIndex;
    assert(recovered.lastIndex >= recovered.startIndex, 'a log ends at or after its start');
  }

  initialState(): { hardState: HardState; confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#confState };
  }

  firstIndex(): number {
    return this.#startIndex + 1;
  }

  lastIndex(): number {
    return this.#recentFirst + this.#recent.length - 1;
  }

  term(index: number): number {
    if (index === this.#startIndex) {
      return this.#startTerm;
    }
    this.#checkHeld(index);
    const entry = this.#recent[index - this.#recentFirst];
    return entry === undefined ? (this.#core.entryInfos(index, index)[0] ?? 0) : entry.term;
  }

  entries(lo: number, hi: number, maxBytes: number): Entry[] {
    this.#checkHeld(lo);
    if (hi > this.lastIndex() + 1) {
      throw new RaftStorageError('unavailable');
    }
    if (lo >= this.#recentFirst) {
      const from = lo - this.#recentFirst;
      return limitSize(this.#recent.slice(from, from + hi - lo), maxBytes);
    }
    // Old entries come in pages: the core asks again for what follows.
    const end = Math.min(hi, lo + PAGE_ENTRIES, this.#recentFirst);
    return limitSize(this.#read(lo, end), maxBytes);
  }

  /**
   * The state that is applied now, by its position: a snapshot is exported when it is sent, and is
   * of that moment then.
   */
  snapshot(): Snapshot {
    if (this.#applied === 0) {
      throw new RaftStorageError('snapshot-temporarily-unavailable');
    }
    const metadata = {
      confState: this.#confState,
      index: this.#applied,
      term: this.term(this.#applied),
    };
    return { data: null, metadata };
  }

  /** State holds everything up to the index. */
  setApplied(index: number): void {
    assert(index >= this.#startIndex, 'the log is cut behind what is applied');
    this.#applied = index;
  }

  /** A snapshot has replaced state and log: both begin behind this entry. */
  reset(index: number, term: number, confState: ConfState): void {
    assert(index >= this.#applied, 'a snapshot never goes back');
    this.#startIndex = index;
    this.#startTerm = term;
    this.#recent = [];
    this.#recentFirst = index + 1;
    this.#applied = index;
    this.#confState = confState;
  }

  /** Takes entries over as they are handed to the log; the first may replace what follows it. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) {
      return;
    }
    const last = this.lastIndex();
    assert(first.index > this.#startIndex, 'entries covered by the state are never replaced');
    assert(first.index <= last + 1, 'the log has no gaps');
    if (first.index <= this.#recentFirst) {
      this.#recent = entries.map(withoutBytes);
      this.#recentFirst = first.index;
      return;
    }
    if (first.index <= last) {
      this.#recent.length = first.index - this.#recentFirst;
    }
    for (const entry of entries) {
      this.#recent.push(withoutBytes(entry));
    }
  }

  /**
   * The native log has appended entries by itself. It is asked when somebody wants to know of
   * them, or of older ones: as long as it appends, hardly anybody does.
   */
  adopt(first: number, count: number): void {
    assert(first === this.lastIndex() + 1, 'the log has no gaps');
    this.#recent = [];
    this.#recentFirst = first + count;
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  setConfState(confState: ConfState): void {
    this.#confState = confState;
  }

  /**
   * The native log is about to forget everything up to `index`. From now on it is not asked for
   * any of it, and the term of the last one, which no entry of the log tells afterwards, is kept.
   */
  truncate(index: number): void {
    if (index <= this.#startIndex) {
      return;
    }
    this.#startTerm = this.term(index);
    this.#startIndex = index;
    this.#dropRecent(Math.min(index + 1 - this.#recentFirst, this.#recent.length));
  }

  /**
   * Forgets the bookkeeping of entries before `index`; they can still be read, more slowly. Some
   * may stay for a while: what is left moves when others go, which is not worth it for a few.
   */
  keepRecent(index: number): void {
    const drop = Math.min(index - this.#recentFirst, this.#recent.length);
    if (drop >= DROP_MIN) {
      this.#dropRecent(drop);
    }
  }

  #dropRecent(drop: number): void {
    if (drop > 0) {
      this.#recent.splice(0, drop);
      this.#recentFirst += drop;
    }
  }

  #checkHeld(index: number): void {
    if (index <= this.#startIndex) {
      throw new RaftStorageError('compacted');
    }
    if (index > this.lastIndex()) {
      throw new RaftStorageError('unavailable');
    }
  }

  #read(lo: number, hi: number): Entry[] {
    const infos = this.#core.entryInfos(lo, hi - 1);
    assert(infos.length === (hi - lo) * INFO_FIELDS, 'the log knows every entry that it holds');
    const entries: Entry[] = [];
    for (let at = 0; at < infos.length; at += INFO_FIELDS) {
      const index = lo + at / INFO_FIELDS;
      const term = infos[at] ?? 0;
      const type = (infos[at + 1] ?? 0) as EntryType;
      entries.push(makeEntry(type, term, index, this.#payload(index, type, infos[at + 2] ?? -1)));
    }
    return entries;
  }

  #payload(index: number, type: EntryType, sizeBytes: number): Payload | null {
    if (sizeBytes < 0) {
      return null;
    }
    if (type === EntryType.Normal) {
      return new NativePayload(sizeBytes);
    }
    // The core reads what configuration changes say.
    const data = this.#core.entryData(index);
    return data === null ? null : bytesOf(data);
  }
}

/** The log has its bytes, and the message that brought it is not to stay in memory for them. */
function withoutBytes(entry: Entry): Entry {
  const { type, term, index, data } = entry;
  if (!(data instanceof ReceivedPayload)) {
    return entry;
  }
  return makeEntry(type, term, index, new NativePayload(data.byteLength));
}
