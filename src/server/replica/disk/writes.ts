// What Raft wants written, on its way to the native log: entries and hard states as they come, and
// snapshots, which replace state and log as a whole. A snapshot waits until nothing is on its way
// through apply, and what is to be written behind it waits for it. Driven by the replica loop; the
// duties are those of src/raft/README.md (asynchronous storage writes).

import { assert } from '../../../base/assert.js';
import type { Clock } from '../../../base/clock.js';
import { SECONDS } from '../../../base/metrics/definition.js';
import { Distribution } from '../../../base/metrics/family.js';
import type { Entry, HardState, Message, Snapshot } from '../../../raft/index.js';
import { NativePayload, ReceivedPayload } from '../../../storage/entry-run.js';
import type { AppendRun, InstalledSnapshot, MemberCore } from '../../../storage/native.js';
import type { LogStorage } from './log-storage.js';

/** One MsgStorageAppend of Raft. */
export interface Write {
  readonly entries: readonly Entry[];
  readonly hardState: HardState | null;
  readonly snapshot: Snapshot | null;
  readonly sync: boolean;
  /** What is durable here is committed: nobody else is asked, and nobody is woken. */
  readonly alone: boolean;
  /** Messages that are due once this and everything before it is durable. */
  readonly responses: readonly Message[];
}

/** How long the newest commit index may wait for a write that takes it along. */
const COMMIT_REST_MS = 5;

export interface WriteParts {
  readonly core: Pick<MemberCore, 'append' | 'installSnapshot' | 'closeImport'>;
  readonly storage: LogStorage;
  /** Whether apply has done all that it was given. */
  readonly applyIdle: () => boolean;
  readonly deliver: (responses: readonly Message[]) => void;
  /** A snapshot has replaced the state; called within a turn of the loop. */
  readonly installed: (snapshot: Snapshot, state: InstalledSnapshot) => void;
  readonly clock: Clock;
  /** Runs a turn of the loop, as something has changed outside of one. */
  readonly wake: () => void;
  readonly fatal: (message: string) => void;
}

export class Writes {
  readonly #parts: WriteParts;
  // What Raft gets when the log write of that sequence number is durable.
  readonly #underWay = new Map<number, readonly Message[]>();
  // A newer commit index than the log holds. Nothing relies on its being there: it goes along with
  // the next write, or by itself when none comes.
  #commit: HardState | null = null;
  #commitRests = false;
  // Invariant: empty unless the first one's snapshot waits for apply or is being installed.
  #held: Write[] = [];
  // Snapshots that have been received, by index: the number of the native import. Invariant:
  // between messages each is that of a write which is held.
  readonly #imports = new Map<number, number>();
  #installing = false;
  /** How long it takes to make received snapshots the durable state. */
  readonly installSeconds = new Distribution(SECONDS);
  #installed: InstalledSnapshot | null = null;
  #sequence = 0;

  constructor(parts: WriteParts) {
    this.#parts = parts;
  }

  /** Whether a snapshot waits or is being installed: the state is not to be read meanwhile. */
  get installing(): boolean {
    return this.#held.length > 0;
  }

  /** Whether a snapshot is still to be installed, behind which something may be committed. */
  get awaitsSnapshot(): boolean {
    return this.#held.some(({ snapshot }) => snapshot !== null);
  }

  /** Hands a write to the log, or keeps it behind a snapshot. */
  write(write: Write): void {
    if (write.snapshot === null && this.#held.length === 0) {
      this.#append(write);
      return;
    }
    this.#held.push(write);
    this.turn();
  }

  /** Goes on with a snapshot that waits; once per turn of the loop. */
  turn(): void {
    this.#finishInstall();
    const write = this.#held[0];
    const snapshot = write?.snapshot ?? null;
    if (write === undefined || snapshot === null || this.#installing) {
      return;
    }
    if (this.#parts.applyIdle()) {
      this.#install(write, snapshot);
    }
  }

  /** Completion: the write of this sequence number is durable. */
  durable(sequence: number): void {
    const responses = this.#underWay.get(sequence);
    assert(responses !== undefined, 'only writes that were asked for become durable');
    this.#underWay.delete(sequence);
    this.#parts.deliver(responses);
  }

  /** A snapshot has come from the leader; Raft decides next whether it is wanted. */
  received(index: number, importId: number): void {
    // The one that is here already is wanted, and may be being installed.
    if (this.#imports.has(index)) {
      this.#parts.core.closeImport(importId);
    } else {
      this.#imports.set(index, importId);
    }
  }

  /** Forgets received snapshots that Raft did not ask to be written. */
  dropUnwanted(): void {
    for (const [index, importId] of this.#imports) {
      if (!this.#held.some((write) => write.snapshot?.metadata.index === index)) {
        this.#imports.delete(index);
        this.#parts.core.closeImport(importId);
      }
    }
  }

  /** Hands the newest commit index to the log if nothing else has taken it there. */
  flush(): void {
    if (this.#commit !== null && this.#held.length === 0) {
      // Nobody waits for it, so nobody is woken.
      this.#hand([], null, false, true, []);
    }
  }

  /** What has no write of its own from now on waits for all that is in the log's queue. */
  barrier(): void {
    this.#hand([], null, true, false, []);
  }

  #append({ entries, hardState, sync, alone, responses }: Write): void {
    if (entries.length > 0 || sync) {
      this.#parts.storage.append(entries);
      this.#hand(entries, hardState, sync, alone, responses);
      return;
    }
    if (hardState !== null) {
      this.#commit = hardState;
      this.#restCommit();
    }
    // Everything before it is what the responses wait for, and this itself is no write.
    const before = this.#underWay.get(this.#sequence);
    if (before === undefined) {
      this.#parts.deliver(responses);
    } else {
      this.#underWay.set(this.#sequence, [...before, ...responses]);
    }
  }

  #hand(
    entries: readonly Entry[],
    hardState: HardState | null,
    sync: boolean,
    alone: boolean,
    responses: readonly Message[],
  ): void {
    const sequence = ++this.#sequence;
    const newest = hardState ?? this.#commit;
    this.#commit = null;
    this.#underWay.set(sequence, responses);
    this.#parts.core.append(sequence, appendRuns(entries), newest, sync, alone);
  }

  #restCommit(): void {
    if (this.#commitRests) {
      return;
    }
    this.#commitRests = true;
    const sequence = this.#sequence;
    this.#parts.clock.after(COMMIT_REST_MS, () => {
      this.#commitRests = false;
      if (this.#commit !== null && this.#sequence !== sequence) {
        // Writes go on: the next one takes it along.
        this.#restCommit();
      } else {
        this.flush();
      }
    });
  }

  #install(write: Write, snapshot: Snapshot): void {
    const { index, term } = snapshot.metadata;
    const importId = this.#imports.get(index);
    assert(importId !== undefined, 'a snapshot is installed after it has been received');
    this.#installing = true;
    // That of the snapshot takes its place.
    this.#commit = null;
    const startMs = performance.now();
    const { core, storage, wake, fatal } = this.#parts;
    const stored = write.hardState ?? storage.initialState().hardState;
    // Entries that the commit index may already cover are written behind the snapshot.
    const hardState = { term: stored.term, vote: stored.vote, commit: index };
    core.installSnapshot(importId, index, term, hardState).then(
      (state) => {
        this.#imports.delete(index);
        this.#installed = state;
        this.installSeconds.observe((performance.now() - startMs) / 1000);
        wake();
      },
      (error: unknown) => fatal(`a received snapshot could not be installed: ${String(error)}`),
    );
  }

  #finishInstall(): void {
    const state = this.#installed;
    const write = this.#held[0];
    if (state === null || write === undefined || write.snapshot === null) {
      return;
    }
    this.#installed = null;
    this.#installing = false;
    this.#held.shift();
    const { storage, installed } = this.#parts;
    const { index, term, confState } = write.snapshot.metadata;
    storage.reset(index, term, confState);
    installed(write.snapshot, state);
    this.#append({ ...write, snapshot: null, sync: true, alone: false });
    while (this.#held[0] !== undefined && this.#held[0].snapshot === null) {
      this.#append(this.#held.shift() as Write);
    }
  }
}

/**
 * Entries as the native log takes them: runs out of the proposal queue, runs that another member
 * sent, others with their bytes.
 */
export function appendRuns(entries: readonly Entry[]): AppendRun[] {
  const runs: AppendRun[] = [];
  for (let at = 0; at < entries.length; ) {
    const entry = entries[at] as Entry;
    const { index, term, type, data } = entry;
    let count = 1;
    while (continues(entry, entries[at + count])) {
      count++;
    }
    if (data instanceof NativePayload) {
      runs.push({ kind: 'queued', firstIndex: index, term, count });
    } else if (data instanceof ReceivedPayload) {
      const { run, offset } = data;
      runs.push({ kind: 'received', firstIndex: index, count, run, offset });
    } else {
      runs.push({ kind: 'inline', index, term, type, data: data as Uint8Array | null });
    }
    at += count;
  }
  return runs;
}

/** Whether the entry belongs to the run that `first` begins. */
function continues(first: Entry, entry: Entry | undefined): boolean {
  if (entry === undefined) {
    return false;
  }
  if (first.data instanceof NativePayload) {
    return entry.data instanceof NativePayload && entry.term === first.term;
  }
  // Records of a run lie one behind the other, and a message's entries stay in their order.
  return (
    first.data instanceof ReceivedPayload &&
    entry.data instanceof ReceivedPayload &&
    entry.data.run === first.data.run
  );
}
