// A whole simulated cluster: its members, network and checks. Runs one event after the other, lets
// every promise that it settled go on, and looks at all members again: so each property is checked
// after every step.

import type { Logger } from '../../../../src/base/log/logger.js';
import { bootstrapMemberId, clusterId } from '../../../../src/cluster/ids.js';
import type { MemberInfo } from '../../../../src/cluster/membership.js';
import type { JoinPlan, NewClusterPlan } from '../../../../src/server/bootstrap/plan.js';
import { History } from '../checks/history.js';
import { Model } from '../checks/model.js';
import { Safety } from '../checks/safety.js';
import type { Pace } from '../double/executor.js';
import { Network } from '../net/network.js';
import { Random } from '../world/random.js';
import { Scheduler } from '../world/scheduler.js';
import { type Process, type Settings, SimNode } from './node.js';
import type { Store, StoreParts } from './store.js';

const TOKEN = 'simulated';
/** Chained promises that one step may set off. */
const SETTLE_HOPS = 8;
/** Steps between two turns of the event loop. */
const YIELD_STEPS = 1000;

export interface ClusterOptions {
  readonly seed: number;
  readonly members: number;
  readonly settings: Settings;
  /** Largest share by which a clock runs fast or slow. */
  readonly skew: number;
  readonly pace: Pace;
  readonly log: Logger;
  readonly makeStore: (parts: StoreParts) => Store;
}

function peerUrlOf(ordinal: number): string {
  return `http://m${ordinal}:2380`;
}

export class Cluster {
  readonly scheduler = new Scheduler();
  readonly random: Random;
  readonly network: Network;
  readonly safety = new Safety();
  readonly history = new History();
  readonly model = new Model(this.history);
  readonly nodes: SimNode[] = [];
  readonly options: ClusterOptions;
  /** Told when a member's process ends, however it does. */
  onEnded: (node: SimNode, process: Process) => void = () => undefined;
  /** Told of each new leader of a higher term than any before. */
  onLeader: (node: SimNode, term: number) => void = () => undefined;
  #failure: unknown = null;
  readonly #opening: (() => Promise<void>)[] = [];
  #highestTerm = 0;
  readonly #clusterId: bigint;

  constructor(options: ClusterOptions) {
    this.options = options;
    this.random = new Random(options.seed);
    this.network = new Network(this.scheduler, this.random);
    const members = Array.from({ length: options.members }, (_, i) => ({
      name: `m${i + 1}`,
      peerUrls: [peerUrlOf(i + 1)],
    }));
    const ids = members.map(({ peerUrls }) => bootstrapMemberId(peerUrls, TOKEN));
    this.#clusterId = clusterId(ids);
    for (const id of ids) {
      this.#add(id, { kind: 'new', members, token: TOKEN }).start();
    }
  }

  /** A member that has been added to the cluster, and is to be started. */
  join(id: bigint, members: readonly MemberInfo[]): SimNode {
    return this.#add(id, { kind: 'join', members });
  }

  /** The address that the next member will have. */
  get nextPeerUrl(): string {
    return peerUrlOf(this.nodes.length + 1);
  }

  /** The leader of the highest term, as far as it knows; null when there is none. */
  get leader(): SimNode | null {
    let best: SimNode | null = null;
    for (const node of this.nodes) {
      const { member } = node;
      if (member?.isLeader && member.raftTerm > (best?.member?.raftTerm ?? 0)) {
        best = node;
      }
    }
    return best;
  }

  crash(node: SimNode): void {
    const { process } = node;
    if (process !== null) {
      node.crash();
      this.onEnded(node, process);
    }
  }

  /** Does something whose failure ends the run at the next check. */
  guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  /** Runs until the time. Throws the first violation of a property. */
  async runUntil(untilMs: number, enough: () => boolean = () => false): Promise<void> {
    while (this.scheduler.step(untilMs) !== false) {
      await this.#settle();
      this.#check();
      if (enough()) {
        return;
      }
    }
  }

  #add(id: bigint, plan: NewClusterPlan | JoinPlan): SimNode {
    const { scheduler, network, random, safety, model } = this;
    const { skew, settings, pace, log, makeStore } = this.options;
    const ordinal = this.nodes.length + 1;
    const store = makeStore({
      name: `m${ordinal}`,
      scheduler,
      random,
      safety,
      model,
      normalPace: pace,
    });
    const node = new SimNode({
      ordinal,
      id,
      clusterId: this.#clusterId,
      peerUrl: peerUrlOf(ordinal),
      plan,
      settings,
      skew: { offsetMs: random.between(0, 1_000_000), rate: 1 + random.range(-skew, skew) },
      scheduler,
      network,
      random,
      log,
      store,
      open: (work) => this.#opening.push(work),
      violation: (error) => {
        this.#failure ??= error;
      },
      ended: (ended, how) => this.#ended(ended, how),
    });
    this.nodes.push(node);
    return node;
  }

  /** Lets promises that the last step settled go on; now and then, the process's own timers too. */
  async #settle(): Promise<void> {
    for (let hop = 0; hop < SETTLE_HOPS; hop++) {
      await null;
    }
    // The native core is opened by another thread, so one at a time, and nothing happens meanwhile.
    for (let open = this.#opening.shift(); open !== undefined; open = this.#opening.shift()) {
      await open();
    }
    if (this.scheduler.steps % YIELD_STEPS === 0) {
      await new Promise(setImmediate);
    }
  }

  /** The process is told within a turn of its own, and dies when that is over. */
  #ended(node: SimNode, how: 'removed' | 'disk'): void {
    const { process } = node;
    this.scheduler.after(0, null, () => {
      if (node.process === process) {
        node.gone = node.gone || how === 'removed';
        this.crash(node);
      }
    });
  }

  #check(): void {
    if (this.#failure !== null) {
      throw this.#failure;
    }
    for (const node of this.nodes) {
      const { process } = node;
      const { log } = node.store;
      if (process === null || process.member === null || log === null) {
        continue;
      }
      const { member } = process;
      const { raftTerm } = member;
      if (member.isLeader && process.checkedTerm !== raftTerm) {
        process.checkedTerm = raftTerm;
        this.safety.leads(node.name, raftTerm, log);
        if (raftTerm > this.#highestTerm) {
          this.#highestTerm = raftTerm;
          this.onLeader(node, raftTerm);
        }
      }
      while (process.checkedCommit < log.applyTarget) {
        const index = ++process.checkedCommit;
        const term = log.termAt(index);
        if (term !== null) {
          this.safety.committed(node.name, index, term, raftTerm);
        }
      }
    }
  }
}
