// One replica of the random simulation, in asynchronous storage mode: a disk that survives
// crashes, queues of storage work that do not, and a state machine that is a hash chain.

import type {
  ConfState,
  Entry,
  Logger,
  Message,
  ReadState,
  Ready,
} from '../../../../src/raft/index.js';
import {
  confChangeOfEntry,
  EntryType,
  emptyConfState,
  isStorageThread,
  MemoryStorage,
  MessageType,
  RaftError,
  RawNode,
} from '../../../../src/raft/index.js';
import type { Random } from './prng.js';

const silent: Logger = {
  debug: () => {},
  info: () => {},
  warning: () => {},
  error: () => {},
  fatal: () => {},
};

export interface SimOptions {
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly stepDownOnRemoval: boolean;
  readonly maxSizePerMsg: number;
  readonly maxCommittedSizePerReady: number;
  readonly maxInflightMsgs: number;
}

/** Mixes an entry into the hash of everything applied before it. */
export function chain(before: number, entry: Entry): number {
  let hash = Math.imul(before ^ entry.index, 0x01000193) ^ Math.imul(entry.term, 0x85ebca6b);
  const bytes = entry.data as Uint8Array | null;
  for (const byte of bytes ?? []) {
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  return hash >>> 0;
}

export class SimNode {
  readonly id: bigint;
  readonly storage = new MemoryStorage(silent);
  readonly options: SimOptions;
  readonly #random: Random;
  node: RawNode;
  appendWork: Message[] = [];
  applyWork: Message[] = [];
  reads: ReadState[] = [];
  appliedIndex = 0;
  appliedHash = 0;
  // The membership at appliedIndex; the core's own is ahead once it has a snapshot to restore.
  #confState: ConfState = emptyConfState;
  /** Called with every applied index and the hash after it. */
  onApply: (index: number, hash: number) => void = () => {};

  constructor(id: bigint, options: SimOptions, random: Random) {
    this.id = id;
    this.options = options;
    this.#random = random;
    this.node = this.#start();
  }

  /** Loses everything that is not on disk. */
  crash(): void {
    this.appendWork = [];
    this.applyWork = [];
    this.reads = [];
    const snapshot = this.storage.snapshot();
    this.appliedIndex = snapshot.metadata.index;
    this.appliedHash = hashIn(snapshot.data);
    this.#confState = snapshot.metadata.confState;
    // What was applied is committed, even if the write that says so was lost.
    const { hardState } = this.storage.initialState();
    const commit = Math.max(hardState.commit, this.appliedIndex);
    this.storage.setHardState({ ...hardState, commit });
    this.node = this.#start();
  }

  /** Takes one Ready, and returns the messages to peers. */
  takeReady(): Message[] {
    const ready: Ready = this.node.ready();
    const out = ready.messages.filter((m) => !isStorageThread(m.to));
    this.reads.push(...ready.readStates);
    for (const m of ready.messages) {
      if (m.type === MessageType.StorageAppend) {
        // A candidate that asked for votes and then forgot the term in a crash could ask again with
        // another log, and count answers to the first request: so votes are asked for once the
        // term is durable.
        const votes = out.filter((asked) => asked.type === MessageType.Vote);
        this.appendWork.push({ ...m, responses: [...votes, ...m.responses] });
      } else if (m.type === MessageType.StorageApply) {
        this.applyWork.push(m);
      }
    }
    return out.filter((m) => m.type !== MessageType.Vote);
  }

  /** Does the oldest write, and returns what may be sent then. */
  doAppend(): Message[] {
    const work = this.appendWork.shift();
    if (work === undefined) {
      return [];
    }
    const { term, vote, commit } = work;
    if (term !== 0 || vote !== 0n || commit !== 0) {
      this.storage.setHardState({ term, vote, commit });
    }
    const out: Message[] = [];
    if (work.snapshot !== null) {
      // What was handed out to be applied before belongs to the state that is replaced.
      while (this.applyWork.length > 0) {
        out.push(...this.doApply());
      }
      this.storage.applySnapshot(work.snapshot);
      this.appliedIndex = work.snapshot.metadata.index;
      this.appliedHash = hashIn(work.snapshot.data);
      this.#confState = work.snapshot.metadata.confState;
      this.onApply(this.appliedIndex, this.appliedHash);
    }
    this.storage.append(work.entries);
    return [...out, ...this.#release(work)];
  }

  /** Applies the oldest batch of committed entries. */
  doApply(): Message[] {
    const work = this.applyWork.shift();
    if (work === undefined) {
      return [];
    }
    for (const entry of work.entries) {
      if (entry.type !== EntryType.Normal) {
        this.#confState = this.node.applyConfChange(confChangeOfEntry(entry), entry.index);
      }
      this.appliedHash = chain(this.appliedHash, entry);
      this.appliedIndex = entry.index;
      this.onApply(entry.index, this.appliedHash);
    }
    return this.#release(work);
  }

  /** Makes a snapshot of what is applied and drops the log before it. */
  compact(): void {
    const index = this.appliedIndex;
    const durable = this.storage.lastIndex();
    // While a received snapshot is being written the membership is ahead of what is applied.
    const receiving = index < this.node.raft.configIndex;
    if (receiving || index <= this.storage.snapshot().metadata.index || index > durable) {
      return;
    }
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, this.appliedHash);
    this.storage.createSnapshot(index, this.#confState, data);
    const keep = this.#random(4);
    if (index - keep >= this.storage.firstIndex()) {
      this.storage.compact(index - keep);
    }
  }

  #release(work: Message): Message[] {
    const out: Message[] = [];
    for (const response of work.responses) {
      if (response.to === this.id) {
        this.#stepOwn(response);
      } else {
        out.push(response);
      }
    }
    return out;
  }

  /** A node that was removed meanwhile refuses its own answers. */
  #stepOwn(response: Message): void {
    try {
      this.node.step(response);
    } catch (error) {
      if (!(error instanceof RaftError) || error.code !== 'step-peer-not-found') {
        throw error;
      }
    }
  }

  #start(): RawNode {
    return new RawNode({
      ...this.options,
      id: this.id,
      electionTick: 6,
      heartbeatTick: 1,
      storage: this.storage,
      applied: this.appliedIndex,
      asyncStorageWrites: true,
      logger: silent,
      random: this.#random,
    });
  }
}

function hashIn(data: unknown): number {
  return data instanceof Uint8Array
    ? new DataView(data.buffer, data.byteOffset, 4).getUint32(0)
    : 0;
}
