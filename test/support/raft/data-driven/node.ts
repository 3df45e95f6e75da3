// One node of the interaction harness: a RawNode with its storage, storage threads' queues and
// the snapshots it can offer. Does for it what the replica loop does in production.

import type {
  Config,
  Entry,
  HardState,
  Logger,
  Message,
  Snapshot,
  Storage,
} from '../../../../src/raft/index.js';
import {
  confChangeOfEntry,
  decodeConfChange,
  decodeConfChangeV2,
  emptySnapshot,
  isEmptyHardState,
  MemoryStorage,
  RawNode,
} from '../../../../src/raft/index.js';

/** An error that the harness reports as a command's output. */
export class HarnessError extends Error {
  override readonly name = 'HarnessError';
}

/** The node's storage, with the newest applied state as its snapshot. */
class HistoryStorage implements Storage {
  readonly memory: MemoryStorage;
  readonly #history: readonly Snapshot[];

  constructor(memory: MemoryStorage, history: readonly Snapshot[]) {
    this.memory = memory;
    this.#history = history;
  }

  initialState(): ReturnType<Storage['initialState']> {
    return this.memory.initialState();
  }

  entries(lo: number, hi: number, maxBytes: number): Entry[] {
    return this.memory.entries(lo, hi, maxBytes);
  }

  term(i: number): number {
    return this.memory.term(i);
  }

  lastIndex(): number {
    return this.memory.lastIndex();
  }

  firstIndex(): number {
    return this.memory.firstIndex();
  }

  snapshot(): Snapshot {
    return this.#history[this.#history.length - 1] as Snapshot;
  }
}

function bytesOf(data: unknown): Uint8Array {
  return data instanceof Uint8Array ? data : new Uint8Array(0);
}

function contextOf(entry: Entry): Uint8Array {
  const bytes = bytesOf(entry.data);
  const change = entry.type === 1 ? decodeConfChange(bytes) : decodeConfChangeV2(bytes);
  return change.context ?? new Uint8Array(0);
}

export class HarnessNode {
  readonly rawNode: RawNode;
  readonly storage: MemoryStorage;
  readonly asyncStorageWrites: boolean;
  readonly appendWork: Message[] = [];
  readonly applyWork: Message[] = [];
  // States of the application, one per applied entry after the first.
  readonly #history: Snapshot[];

  constructor(config: Omit<Config, 'storage'>, snapshot: Snapshot | null, logger: Logger) {
    this.storage = new MemoryStorage(logger);
    this.#history = [snapshot ?? emptySnapshot];
    if (snapshot !== null) {
      this.storage.applySnapshot(snapshot);
    }
    this.asyncStorageWrites = config.asyncStorageWrites ?? false;
    this.rawNode = new RawNode({
      ...config,
      applied: snapshot?.metadata.index ?? 0,
      storage: new HistoryStorage(this.storage, this.#history),
    });
  }

  get newestSnapshot(): Snapshot {
    return this.#history[this.#history.length - 1] as Snapshot;
  }

  /** Does a storage write. */
  persist(hardState: HardState, entries: readonly Entry[], snapshot: Snapshot | null): void {
    if (!isEmptyHardState(hardState)) {
      this.storage.setHardState(hardState);
    }
    if (snapshot !== null && snapshot.metadata.index !== 0) {
      if (entries.length > 0) {
        throw new HarnessError("can't apply snapshot and entries at the same time");
      }
      this.storage.applySnapshot(snapshot);
      return;
    }
    this.storage.append(entries);
  }

  /** Applies committed entries to the application, which concatenates their data. */
  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const previous = this.newestSnapshot;
      let update = bytesOf(entry.data);
      let { confState } = previous.metadata;
      if (entry.type !== 0) {
        update = contextOf(entry);
        confState = this.rawNode.applyConfChange(confChangeOfEntry(entry));
      }
      const before = bytesOf(previous.data);
      const data = new Uint8Array(before.length + update.length);
      data.set(before);
      data.set(update, before.length);
      const metadata = { index: entry.index, term: entry.term, confState };
      this.#history.push({ data, metadata });
    }
  }
}
