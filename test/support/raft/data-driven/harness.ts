// The interaction harness: several nodes, a list of messages in flight, and the commands of the
// data files that act on them. One instance per file; `handle` answers one directive.

import type { Message, NodeId } from '../../../../src/raft/index.js';
import { isStorageThread, MessageType, makeMessage } from '../../../../src/raft/index.js';
import { describeEntries, describeMessage, describeReady } from './describe.js';
import type { HarnessNode } from './node.js';
import { Output } from './output.js';

export interface HarnessOptions {
  /** What randomised election timeouts add to the election timeout. */
  readonly random: (n: number) => number;
  /** Whether the project's own commands and options exist, besides the inherited ones. */
  readonly extended?: boolean;
}

/** Rounds after which `stabilize` gives up: nodes with contradictory logs never come to rest. */
const MAX_ROUNDS = 10_000;

export interface Recipient {
  readonly id: NodeId;
  readonly drop: boolean;
}

export class Harness {
  readonly output = new Output();
  readonly options: HarnessOptions;
  readonly nodes: HarnessNode[] = [];
  // Messages in flight, oldest first.
  #messages: Message[] = [];

  constructor(options: HarnessOptions) {
    this.options = options;
  }

  node(id: NodeId | number): HarnessNode {
    const node = this.nodes[Number(id) - 1];
    if (node === undefined) {
      throw new Error(`no node ${id}`);
    }
    return node;
  }

  idOf(node: HarnessNode): number {
    return this.nodes.indexOf(node) + 1;
  }

  queue(messages: readonly Message[]): void {
    this.#messages.push(...messages);
  }

  /** Takes a recipient's messages out of the list. */
  #take(recipient: Recipient, type: MessageType | null): Message[] {
    const taken: Message[] = [];
    const kept: Message[] = [];
    for (const m of this.#messages) {
      const local = m.from === m.to || isStorageThread(m.from) || isStorageThread(m.to);
      const matches =
        m.to === recipient.id && !(recipient.drop && local) && (type === null || m.type === type);
      (matches ? taken : kept).push(m);
    }
    this.#messages = kept;
    return taken;
  }

  /** @returns how many messages were delivered or dropped */
  deliver(recipients: readonly Recipient[], type: MessageType | null): number {
    let count = 0;
    for (const recipient of recipients) {
      for (const m of this.#take(recipient, type)) {
        count++;
        this.output.write(`${recipient.drop ? 'dropped: ' : ''}${describeMessage(m)}\n`);
        if (!recipient.drop) {
          this.#step(m);
        }
      }
    }
    return count;
  }

  /**
   * Lets the network misbehave: what is on its way to a recipient arrives twice, or in reverse.
   *
   * @returns how many messages that concerns
   */
  disturb(how: 'duplicate' | 'reverse', to: NodeId, type: MessageType | null): number {
    // Dropping spares what a node sends to itself and its storage threads; so do these.
    const taken = this.#take({ id: to, drop: true }, type);
    const lines = taken.map((m) => `${describeMessage(m)}\n`);
    this.#messages.push(...(how === 'duplicate' ? [...taken, ...taken] : taken.reverse()));
    this.output.write(lines.join(''));
    return taken.length;
  }

  #step(m: Message): void {
    try {
      this.node(m.to).rawNode.step(m);
    } catch (error) {
      if (error instanceof Error && error.name === 'RaftError') {
        this.output.write(`${error.message}\n`);
        return;
      }
      throw error;
    }
  }

  processReady(node: HarnessNode): void {
    const ready = node.rawNode.ready();
    this.output.write(describeReady(ready));
    if (!node.asyncStorageWrites) {
      const hardState = ready.hardState ?? { term: 0, vote: 0n, commit: 0 };
      node.persist(hardState, ready.entries, ready.snapshot);
      node.apply(ready.committedEntries);
    }
    for (const m of ready.messages) {
      if (!isStorageThread(m.to)) {
        this.#messages.push(m);
      } else if (m.type === MessageType.StorageAppend) {
        node.appendWork.push(m);
      } else {
        node.applyWork.push(m);
      }
    }
    if (!node.asyncStorageWrites) {
      node.rawNode.advance();
    }
  }

  processAppend(node: HarnessNode): void {
    const work = node.appendWork.shift();
    if (work === undefined) {
      this.output.write('no append work to perform');
      return;
    }
    const { term, vote, commit } = work;
    this.#processThread(work, () => {
      node.persist({ term, vote, commit }, work.entries, work.snapshot);
    });
  }

  processApply(node: HarnessNode): void {
    const work = node.applyWork.shift();
    if (work === undefined) {
      this.output.write('no apply work to perform');
      return;
    }
    this.#processThread(work, () => node.apply(work.entries));
  }

  #processThread(work: Message, action: () => void): void {
    this.output.write(`Processing:\n${describeMessage({ ...work, responses: [] })}\n`);
    action();
    const lines = work.responses.map((response) => `${describeMessage(response)}\n`);
    this.output.write(`Responses:\n${lines.join('')}`);
    this.#messages.push(...work.responses);
  }

  /** Lets the nodes work until a whole round does nothing. */
  stabilize(nodes: readonly HarnessNode[]): void {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if (!this.#stabilizeRound(nodes)) {
        return;
      }
    }
    throw new Error('the nodes do not come to rest');
  }

  #stabilizeRound(nodes: readonly HarnessNode[]): boolean {
    let worked = false;
    for (const node of nodes) {
      if (node.rawNode.hasReady()) {
        worked = true;
        this.output.write(`> ${this.idOf(node)} handling Ready\n`);
        this.output.indented(() => this.processReady(node));
      }
    }
    for (const node of nodes) {
      const id = BigInt(this.idOf(node));
      if (this.#messages.some((m) => m.to === id)) {
        worked = true;
        this.output.write(`> ${id} receiving messages\n`);
        this.output.indented(() => this.deliver([{ id, drop: false }], null));
      }
    }
    for (const node of nodes) {
      if (node.appendWork.length > 0) {
        worked = true;
        this.output.write(`> ${this.idOf(node)} processing append thread\n`);
        while (node.appendWork.length > 0) {
          this.output.indented(() => this.processAppend(node));
        }
      }
    }
    for (const node of nodes) {
      if (node.applyWork.length > 0) {
        worked = true;
        this.output.write(`> ${this.idOf(node)} processing apply thread\n`);
        while (node.applyWork.length > 0) {
          this.output.indented(() => this.processApply(node));
        }
      }
    }
    return worked;
  }

  writeLog(node: HarnessNode): void {
    const { storage } = node;
    const first = storage.firstIndex();
    const last = storage.lastIndex();
    if (last < first) {
      this.output.write(`log is empty: first index=${first}, last index=${last}`);
      return;
    }
    this.output.write(describeEntries(storage.entries(first, last + 1, Infinity)));
  }

  sendSnapshot(from: NodeId, to: NodeId): void {
    const node = this.node(from);
    const m = makeMessage(MessageType.Snap, to, {
      from,
      term: node.rawNode.basicStatus().hardState.term,
      snapshot: node.newestSnapshot,
    });
    this.#messages.push(m);
    this.output.write(describeMessage(m));
  }
}
