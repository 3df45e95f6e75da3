// Several replicas in plain synchronous mode with a network that can be cut, for the tests that
// follow the sections of the Raft paper. Deliveries happen only when a test asks for them.

import type {
  Config,
  Entry,
  Logger,
  Message,
  ReadState,
  Snapshot,
} from '../../../../src/raft/index.js';
import {
  confChangeOfEntry,
  EntryType,
  emptyConfState,
  MemoryStorage,
  RawNode,
  StateType,
} from '../../../../src/raft/index.js';

/** A logger that keeps the texts. */
export class TextLogger implements Logger {
  readonly lines: string[] = [];

  debug(text: () => string): void {
    this.lines.push(`DEBUG ${text()}`);
  }

  info(text: () => string): void {
    this.lines.push(`INFO ${text()}`);
  }

  warning(text: () => string): void {
    this.lines.push(`WARN ${text()}`);
  }

  error(text: () => string): void {
    this.lines.push(`ERROR ${text()}`);
  }

  fatal(text: () => string): void {
    this.lines.push(`FATAL ${text()}`);
  }
}

export type ConfigChoice = Partial<Omit<Config, 'id' | 'storage' | 'logger'>>;

/** Storage that offers the state applied now, with the membership that belongs to it. */
class AppliedStorage extends MemoryStorage {
  /** The state machine whose state is offered. */
  node: RawNode | null = null;

  override snapshot(): Snapshot {
    if (this.node === null) {
      return super.snapshot();
    }
    const { log, tracker } = this.node.raft;
    const index = log.applied;
    const term = log.term(index) ?? 0;
    return { data: null, metadata: { confState: tracker.confState(), index, term } };
  }
}

export class Replica {
  readonly logger = new TextLogger();
  readonly storage: AppliedStorage;
  readonly applied: Entry[] = [];
  readonly reads: ReadState[] = [];
  readonly id: bigint;
  readonly #choice: ConfigChoice;
  node: RawNode;

  constructor(id: bigint, voters: readonly bigint[], choice: ConfigChoice) {
    this.id = id;
    this.#choice = choice;
    this.storage = new AppliedStorage(this.logger);
    if (voters.length > 0) {
      const confState = { ...emptyConfState, voters };
      this.storage.applySnapshot({ data: null, metadata: { confState, index: 1, term: 1 } });
    }
    this.node = this.#start();
  }

  /** Starts again from what is durable. */
  restart(): void {
    this.applied.length = 0;
    this.node = this.#start();
  }

  get leads(): boolean {
    return this.node.basicStatus().softState.raftState === StateType.Leader;
  }

  get term(): number {
    return this.node.basicStatus().hardState.term;
  }

  get commit(): number {
    return this.node.basicStatus().hardState.commit;
  }

  /** Payload texts of the normal entries that were applied, without the leaders' empty ones. */
  get texts(): string[] {
    return this.applied.filter((e) => e.type === EntryType.Normal && e.data !== null).map(textOf);
  }

  /** Does all work that is ready, and returns what is to be sent. */
  drain(): Message[] {
    const messages: Message[] = [];
    for (let round = 0; this.node.hasReady(); round++) {
      if (round > 1000) {
        throw new Error('the replica does not come to rest');
      }
      const ready = this.node.ready();
      if (ready.hardState !== null) {
        this.storage.setHardState(ready.hardState);
      }
      if (ready.snapshot !== null) {
        this.storage.applySnapshot(ready.snapshot);
      }
      this.storage.append(ready.entries);
      messages.push(...ready.messages);
      this.reads.push(...ready.readStates);
      for (const entry of ready.committedEntries) {
        this.applied.push(entry);
        if (entry.type !== EntryType.Normal) {
          this.node.applyConfChange(confChangeOfEntry(entry));
        }
      }
      this.node.advance();
    }
    return messages;
  }

  #start(): RawNode {
    const node = new RawNode({
      electionTick: 10,
      heartbeatTick: 1,
      maxSizePerMsg: Number.POSITIVE_INFINITY,
      maxInflightMsgs: 256,
      random: () => 0,
      ...this.#choice,
      id: this.id,
      storage: this.storage,
      logger: this.logger,
    });
    this.storage.node = node;
    return node;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

export function textOf(entry: Entry): string {
  return decoder.decode(entry.data as Uint8Array);
}

export class Network {
  readonly replicas = new Map<bigint, Replica>();
  /** Decides which messages arrive; all by default. */
  passes: (m: Message) => boolean = () => true;

  constructor(count: number, choice: ConfigChoice = {}) {
    const ids = Array.from({ length: count }, (_, i) => BigInt(i + 1));
    for (const id of ids) {
      this.replicas.set(id, new Replica(id, ids, choice));
    }
  }

  /** A replica that is in nobody's configuration yet. */
  addEmpty(id: number, choice: ConfigChoice = {}): Replica {
    const replica = new Replica(BigInt(id), [], choice);
    this.replicas.set(replica.id, replica);
    return replica;
  }

  at(id: number): Replica {
    const replica = this.replicas.get(BigInt(id));
    if (replica === undefined) {
      throw new Error(`no replica ${id}`);
    }
    return replica;
  }

  /** Cuts the replicas off from all others; none: heals the network. */
  isolate(...ids: number[]): void {
    const cut = new Set(ids.map(BigInt));
    this.passes = (m) => cut.has(m.from) === cut.has(m.to);
  }

  /** Delivers until nothing is on its way. */
  settle(): void {
    for (let round = 0; round < 1000; round++) {
      const messages = [...this.replicas.values()].flatMap((replica) => replica.drain());
      if (messages.length === 0) {
        return;
      }
      for (const m of messages) {
        this.#deliver(m);
      }
    }
    throw new Error('the network does not come to rest');
  }

  elect(id: number): void {
    this.at(id).node.campaign();
    this.settle();
  }

  propose(id: number, ...texts: string[]): void {
    this.at(id).node.propose(texts.map(bytesOf));
    this.settle();
  }

  tick(id: number, count: number): void {
    for (let i = 0; i < count; i++) {
      this.at(id).node.tick();
    }
  }

  #deliver(m: Message): void {
    const target = this.replicas.get(m.to);
    if (target === undefined || !this.passes(m)) {
      return;
    }
    try {
      target.node.step(m);
    } catch (error) {
      // Lost proposals and answers of removed members are part of the protocol.
      if (!(error instanceof Error) || error.name !== 'RaftError') {
        throw error;
      }
    }
  }
}
