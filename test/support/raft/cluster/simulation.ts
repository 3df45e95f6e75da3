// A random run of a cluster from one seed: lost, repeated and reordered messages, slow disks,
// crashes, compaction, membership changes, transfers and reads. After every step the safety
// properties of the Raft paper (figure 3) are checked.

import type { ConfChangeSingle, Message } from '../../../../src/raft/index.js';
import {
  ConfChangeTransition,
  emptyConfState,
  ProgressState,
  StateType,
} from '../../../../src/raft/index.js';
import { type Random, seeded } from './prng.js';
import { SimNode, type SimOptions } from './sim-node.js';

export interface SimResult {
  readonly applied: number;
  readonly leaders: number;
  readonly changes: number;
  readonly reads: number;
  readonly snapshots: number;
}

const NODES = 5;
const INITIAL_VOTERS = [1n, 2n, 3n];

function optionsOf(random: Random): SimOptions {
  return {
    preVote: random(2) === 0,
    checkQuorum: random(2) === 0,
    stepDownOnRemoval: random(2) === 0,
    maxSizePerMsg: [0, 40, 1_000_000][random(3)] as number,
    maxCommittedSizePerReady: [20, 100, 1_000_000][random(3)] as number,
    maxInflightMsgs: [1, 3, 256][random(3)] as number,
  };
}

export class Simulation {
  readonly #random: Random;
  readonly #nodes: SimNode[] = [];
  #network: Message[] = [];
  // The leader of each term: election safety.
  readonly #leaders = new Map<number, bigint>();
  // The hash after each applied index: state machine safety.
  readonly #hashes = new Map<number, number>();
  // What each read must see at least.
  readonly #readFloors = new Map<number, number>();
  #nextRead = 1;
  #changes = 0;
  #reads = 0;
  #snapshots = 0;
  // Percent of messages that get lost; changes over time.
  #lossPercent = 0;

  constructor(seed: number) {
    this.#random = seeded(seed);
    const options = optionsOf(this.#random);
    for (let i = 1; i <= NODES; i++) {
      const node = new SimNode(BigInt(i), options, this.#random);
      if (i <= INITIAL_VOTERS.length) {
        const confState = { ...emptyConfState, voters: INITIAL_VOTERS };
        const data = new Uint8Array(4);
        node.storage.applySnapshot({ data, metadata: { confState, index: 1, term: 1 } });
        node.crash();
      }
      node.onApply = (index, hash) => this.#checkApplied(index, hash);
      this.#nodes.push(node);
    }
  }

  /** Runs this many random steps, then heals everything and waits for agreement. */
  run(steps: number): SimResult {
    for (let i = 0; i < steps; i++) {
      this.#randomStep();
      this.#checkLeaders();
    }
    this.#heal();
    return {
      applied: this.#hashes.size,
      leaders: this.#leaders.size,
      changes: this.#changes,
      reads: this.#reads,
      snapshots: this.#snapshots,
    };
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#random(items.length)] as T;
  }

  #randomStep(): void {
    const node = this.#pick(this.#nodes);
    const kind = this.#random(100);
    if (kind < 30) {
      this.#work(node);
    } else if (kind < 75) {
      this.#deliverOne();
    } else if (kind < 85) {
      node.node.tick();
    } else if (kind < 93) {
      this.#attempt(() => node.node.propose(this.#payloads()));
    } else {
      this.#rareStep(node);
    }
  }

  #rareStep(node: SimNode): void {
    switch (this.#random(14)) {
      case 0:
        node.crash();
        return;
      case 1:
      case 2:
        node.compact();
        return;
      case 3:
        node.node.transferLeader(this.#pick(this.#nodes).id);
        return;
      case 4:
        node.node.forgetLeader();
        return;
      case 5:
        this.#lossPercent = this.#pick([0, 0, 5, 30, 80]);
        return;
      case 6:
        node.node.reportUnreachable(this.#pick(this.#nodes).id);
        return;
      case 7:
        node.node.reportSnapshot(this.#pick(this.#nodes).id, this.#random(2) === 0);
        return;
      case 8:
        node.node.campaign();
        return;
      case 9:
      case 10:
        this.#changeMembers(node);
        return;
      default:
        this.#read(node);
    }
  }

  /** Some of the work that a node has: a Ready, a write, or applying. */
  #work(node: SimNode): void {
    const kind = this.#random(3);
    if (kind === 0 && node.node.hasReady()) {
      this.#send(node.takeReady());
      this.#checkReads(node);
    } else if (kind === 1) {
      this.#snapshots += node.appendWork[0]?.snapshot ? 1 : 0;
      this.#send(node.doAppend());
    } else {
      this.#send(node.doApply());
    }
  }

  #send(messages: readonly Message[]): void {
    for (const m of messages) {
      if (this.#random(100) >= this.#lossPercent) {
        this.#network.push(m);
        if (this.#random(50) === 0) {
          this.#network.push(m);
        }
      }
    }
  }

  /** Mostly in order, now and then any message. */
  #deliverOne(): void {
    if (this.#network.length === 0) {
      return;
    }
    const at = this.#random(5) === 0 ? this.#random(this.#network.length) : 0;
    const [m] = this.#network.splice(at, 1);
    this.#deliver(m as Message);
  }

  #deliver(m: Message): void {
    const node = this.#nodes[Number(m.to) - 1];
    if (node !== undefined) {
      this.#attempt(() => node.node.step(m));
    }
  }

  #attempt(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'RaftError') {
        throw error;
      }
    }
  }

  #payloads(): Uint8Array[] {
    const count = 1 + this.#random(3);
    return Array.from({ length: count }, () => {
      const bytes = new Uint8Array(this.#random(20));
      return bytes.map(() => this.#random(256));
    });
  }

  #changeMembers(node: SimNode): void {
    const count = 1 + this.#random(3);
    const changes: ConfChangeSingle[] = [];
    for (let i = 0; i < count; i++) {
      const type = this.#pick([0, 0, 1, 3] as const);
      changes.push({ type, nodeId: this.#pick(this.#nodes).id });
    }
    // Never without one of the initial voters, so that there are voters in the end.
    changes.push({ type: 0, nodeId: 1n });
    const transition = this.#pick([
      ConfChangeTransition.Auto,
      ConfChangeTransition.JointImplicit,
      ConfChangeTransition.JointExplicit,
    ]);
    const leave = node.node.raft.tracker.config.voters.isJoint;
    this.#attempt(() => {
      node.node.proposeConfChange(
        leave
          ? { transition: ConfChangeTransition.Auto, changes: [], context: null }
          : { transition, changes, context: null },
      );
      this.#changes++;
    });
  }

  #read(node: SimNode): void {
    const context = new Uint8Array(8);
    new DataView(context.buffer).setFloat64(0, this.#nextRead);
    // Everything that anybody has applied must be visible.
    this.#readFloors.set(this.#nextRead, Math.max(1, ...this.#hashes.keys()));
    this.#nextRead++;
    node.node.readIndex(context);
  }

  #checkReads(node: SimNode): void {
    for (const read of node.reads) {
      const { buffer, byteOffset } = read.requestCtx;
      const floor = this.#readFloors.get(new DataView(buffer, byteOffset, 8).getFloat64(0));
      if (floor === undefined || read.index < floor) {
        throw new Error(`a read at ${read.index} does not see ${floor}`);
      }
      this.#reads++;
    }
    node.reads = [];
  }

  #checkApplied(index: number, hash: number): void {
    const known = this.#hashes.get(index);
    if (known !== undefined && known !== hash) {
      throw new Error(`two replicas applied different entries at index ${index}`);
    }
    this.#hashes.set(index, hash);
  }

  #checkLeaders(): void {
    for (const node of this.#nodes) {
      const { softState, hardState } = node.node.basicStatus();
      if (softState.raftState !== StateType.Leader) {
        continue;
      }
      const known = this.#leaders.get(hardState.term);
      if (known !== undefined && known !== node.id) {
        throw new Error(`two leaders in term ${hardState.term}`);
      }
      this.#leaders.set(hardState.term, node.id);
    }
  }

  /** Log matching: logs with the same term at an index are the same up to there. */
  checkLogs(): void {
    for (const a of this.#nodes) {
      for (const b of this.#nodes) {
        const first = Math.max(a.storage.firstIndex(), b.storage.firstIndex());
        const last = Math.min(a.storage.lastIndex(), b.storage.lastIndex());
        let agrees = false;
        for (let i = last; i >= first; i--) {
          const same = a.storage.term(i) === b.storage.term(i);
          if (agrees && !same) {
            throw new Error(`logs of ${a.id} and ${b.id} differ at ${i}, but not above`);
          }
          agrees ||= same;
        }
      }
    }
  }

  /** Liveness: without faults, proposals get through and all members agree. */
  #heal(): void {
    this.#lossPercent = 0;
    this.checkLogs();
    const before = Math.max(1, ...this.#hashes.keys());
    for (let round = 0; round < 600; round++) {
      for (const node of this.#nodes) {
        node.node.tick();
        this.#retrySnapshots(node);
      }
      this.#settle();
      const leader = this.#leader();
      if (leader !== undefined && round % 50 === 49) {
        this.#attempt(() => leader.node.propose([Uint8Array.of(1)]));
        this.#settle();
        const members = this.#nodes.filter((n) => leader.node.raft.tracker.progress.has(n.id));
        const reached = members.every((n) => n.appliedIndex === leader.appliedIndex);
        if (leader.appliedIndex > before && reached) {
          this.checkLogs();
          return;
        }
      }
      this.#checkLeaders();
    }
    throw new Error('the healed cluster does not agree');
  }

  /** What a sender owes: a recent snapshot, and a report for those that did not help. */
  #retrySnapshots(node: SimNode): void {
    for (const [id, progress] of node.node.status().progress) {
      if (progress.state === ProgressState.Snapshot) {
        node.compact();
        node.node.reportSnapshot(id, false);
      }
    }
  }

  #leader(): SimNode | undefined {
    const leaders = this.#nodes.filter(
      (node) => node.node.basicStatus().softState.raftState === StateType.Leader,
    );
    const terms = leaders.map((node) => node.node.basicStatus().hardState.term);
    return leaders[terms.indexOf(Math.max(...terms))];
  }

  #settle(): void {
    for (let round = 0; round < 200; round++) {
      let worked = this.#network.length > 0;
      const messages = this.#network;
      this.#network = [];
      for (const m of messages) {
        this.#deliver(m);
      }
      for (const node of this.#nodes) {
        while (node.node.hasReady() || node.appendWork.length > 0 || node.applyWork.length > 0) {
          worked = true;
          if (node.node.hasReady()) {
            this.#send(node.takeReady());
            this.#checkReads(node);
          }
          this.#send(node.doAppend());
          this.#send(node.doApply());
        }
      }
      if (!worked) {
        return;
      }
    }
  }
}
