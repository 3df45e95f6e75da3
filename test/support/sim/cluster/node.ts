// One member of a simulated cluster over all its lives: the real Member over a store and a network
// of the simulation. A life ends by a crash at any moment, never in order.

import type { Logger } from '../../../../src/base/log/logger.js';
import type { PeersFactory } from '../../../../src/cluster/peers/types.js';
import type {
  BootstrapPlan,
  JoinPlan,
  NewClusterPlan,
} from '../../../../src/server/bootstrap/plan.js';
import { Member } from '../../../../src/server/member.js';
import type { MemberOptions } from '../../../../src/server/options.js';
import type { OpenOptions } from '../../../../src/storage/native.js';
import type { Endpoint, Network } from '../net/network.js';
import { SimTransport } from '../net/transport.js';
import { SimClock, type Skew } from '../world/clock.js';
import type { Random } from '../world/random.js';
import type { Owner, Scheduler } from '../world/scheduler.js';
import type { Store } from './store.js';

export const HEARTBEAT_MS = 100;

/** What every member of a run has in common. */
export interface Settings {
  readonly electionTicks: number;
  readonly preVote: boolean;
  readonly requestTimeoutMs: number;
  readonly snapshotCount: number;
  readonly catchupEntries: number;
  readonly initialElectionTickAdvance: boolean;
}

export interface NodeParts {
  readonly ordinal: number;
  readonly id: bigint;
  readonly clusterId: bigint;
  readonly peerUrl: string;
  readonly plan: NewClusterPlan | JoinPlan;
  readonly settings: Settings;
  readonly skew: Skew;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly random: Random;
  readonly log: Logger;
  readonly store: Store;
  /** Opens the member when those before it are open. */
  readonly open: (work: () => Promise<void>) => void;
  /** Something happened that never may. */
  readonly violation: (error: unknown) => void;
  /** The member ends by itself: it has been removed, or its disk fails. */
  readonly ended: (node: SimNode, how: 'removed' | 'disk') => void;
}

/** One life of a member. */
export class Process implements Owner {
  alive = true;
  paused = false;
  /** Commit index up to which the checks have looked. */
  checkedCommit = 0;
  checkedTerm = 0;
  member: Member | null = null;
  endpoint: Endpoint | null = null;
}

/** Request numbers of one member, and of one life. */
const MEMBER_SPAN = 2 ** 40;
const LIFE_SPAN = 2 ** 24;

export class SimNode {
  readonly name: string;
  readonly id: bigint;
  readonly peerUrl: string;
  readonly store: Store;
  readonly #parts: NodeParts;
  #lives = 0;
  #process: Process | null = null;
  #failing = false;
  /** It was removed from the cluster: it is never started again. */
  gone = false;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.id = parts.id;
    this.name = `m${parts.ordinal}`;
    this.peerUrl = parts.peerUrl;
    this.store = parts.store;
  }

  get process(): Process | null {
    return this.#process;
  }
  get member(): Member | null {
    return this.#process?.member ?? null;
  }
  /** A process that could answer now. */
  get runs(): boolean {
    return this.member !== null && this.#process?.paused === false;
  }

  start(): void {
    const { scheduler, random, skew, store, violation, log, ordinal } = this.#parts;
    const process = new Process();
    const clock = new SimClock(scheduler, process, random, skew);
    const firstRequest = ordinal * MEMBER_SPAN + this.#lives * LIFE_SPAN;
    this.#lives++;
    this.#failing = false;
    this.#process = process;
    const makePeers: PeersFactory = (identity, core, events) => {
      const { network } = this.#parts;
      const self = { id: identity.memberId, owner: process, core, events };
      const transport = new SimTransport({ network, scheduler, random, clock, violation }, self);
      process.endpoint = transport.endpoint;
      return transport;
    };
    this.#parts.open(async () => {
      if (process.alive) {
        const addon = store.addon({ owner: process, firstRequest });
        const member = await Member.open(addon, this.#options(), clock, log, makePeers);
        this.#opened(process, member);
      }
    });
  }

  crash(): void {
    const process = this.#process;
    if (process === null) {
      return;
    }
    process.alive = false;
    if (process.endpoint !== null) {
      this.#parts.network.detach(process.endpoint);
    }
    this.#process = null;
    this.store.crash();
  }

  pause(): void {
    if (this.#process !== null) {
      this.#process.paused = true;
    }
  }

  resume(): void {
    const process = this.#process;
    if (process?.paused === true) {
      process.paused = false;
      this.#parts.scheduler.resume(process);
    }
  }

  /** Its disk reports an error, by which the process must end. */
  failDisk(): void {
    if (this.member !== null) {
      this.#failing = this.store.fail();
    }
  }

  #opened(process: Process, member: Member): void {
    if (!process.alive) {
      return;
    }
    process.member = member;
    process.checkedCommit = this.store.log?.startIndex ?? 0;
    if (process.endpoint !== null) {
      this.#parts.network.attach(process.endpoint);
    }
    member.start().catch(this.#parts.violation);
  }

  #plan(): BootstrapPlan {
    const { plan } = this.#parts;
    return this.#lives === 1 ? plan : { kind: 'restart', forceNewCluster: false, unfinished: plan };
  }

  #options(): MemberOptions {
    const { settings, id, clusterId, random, violation, ended } = this.#parts;
    return {
      name: this.name,
      clientUrls: [`http://${this.name}:2379`],
      peerUrls: [this.peerUrl],
      bootstrap: this.#plan(),
      core: { memberId: id, clusterId } as OpenOptions,
      heartbeatMs: HEARTBEAT_MS,
      electionTicks: settings.electionTicks,
      preVote: settings.preVote,
      initialElectionTickAdvance: settings.initialElectionTickAdvance,
      strictReconfigCheck: false,
      maxLearners: 2,
      snapshotTransferBytesPerSecond: 0,
      requestTimeoutMs: settings.requestTimeoutMs,
      checkpoints: {
        snapshotCount: settings.snapshotCount,
        catchupEntries: settings.catchupEntries,
        maxLogBytes: Number.POSITIVE_INFINITY,
        maxAgeMs: 60_000,
      },
      leaseCheckpointIntervalMs: null,
      clusterVersion: '3.7.0',
      seed: random.fork(),
      onFatal: (message) => {
        if (this.#failing) {
          ended(this, 'disk');
        } else {
          violation(new Error(message));
        }
      },
      onRemoved: () => ended(this, 'removed'),
    };
  }
}
