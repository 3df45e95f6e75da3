// One simulated run from one seed: a cluster, its clients and what goes wrong, then everything is
// healed and must agree. Throws the first property that does not hold. Called by the tests of
// test/sim and by the mutations.

import type { Logger } from '../../../../src/base/log/logger.js';
import { Violation, violated } from '../checks/violation.js';
import { Chaos, type Profile } from '../cluster/chaos.js';
import { Clients } from '../cluster/clients.js';
import { Cluster } from '../cluster/cluster.js';
import type { Dialect } from '../cluster/dialect.js';
import { HEARTBEAT_MS, type Process, type Settings, type SimNode } from '../cluster/node.js';
import type { Store, StoreParts } from '../cluster/store.js';
import type { Pace } from '../double/executor.js';
import { Random } from '../world/random.js';

export interface RunOptions {
  readonly makeStore: (parts: StoreParts) => Store;
  readonly makeDialect: (cluster: Cluster) => Dialect;
  readonly log: Logger;
  /** Simulated time during which things go wrong. */
  readonly chaosMs: number;
  /** Members that a cluster begins with, of which the seed picks. */
  readonly sizes?: readonly number[];
}

export interface RunResult {
  readonly steps: number;
  readonly acknowledged: number;
  readonly reads: number;
  readonly unknown: number;
  readonly terms: number;
  readonly applied: number;
  readonly crashes: number;
  readonly joined: number;
}

const light: Profile = {
  name: 'light',
  downMax: 1,
  intervalMs: 1500,
  calm: 0.6,
  membershipChanges: true,
};
const heavy: Profile = {
  name: 'heavy',
  downMax: 9,
  intervalMs: 500,
  calm: 0.25,
  membershipChanges: true,
};

const normalPace: Pace = {
  write: [0.02, 0.3],
  sync: [0.2, 4],
  apply: [0.02, 1],
  read: [0.02, 0.5],
  upkeep: [0.1, 10],
};

/** Simulated time in which a healed cluster must agree. */
const HEAL_MS = 60_000;
const REGISTERS = 3;

function settingsOf(random: Random): Settings {
  return {
    electionTicks: random.pick([5, 10]),
    preVote: random.chance(0.7),
    requestTimeoutMs: random.pick([1500, 5000]),
    snapshotCount: random.pick([5, 20, 100]),
    catchupEntries: random.pick([0, 2, 20]),
    initialElectionTickAdvance: random.chance(0.5),
  };
}

/** How many snapshots the member that was asked has begun to install. */
function installs({ process }: { readonly process: Process }): number {
  const writes = process.member?.counts.parts.writes;
  return writes === undefined ? 0 : writes.installSeconds.count + (writes.installing ? 1 : 0);
}

/** A proposal that is in flight when a leader is lost ends soon after there is another one. */
class Promptness {
  readonly #cluster: Cluster;
  readonly #clients: Clients;
  readonly #chaos: Chaos;

  constructor(cluster: Cluster, clients: Clients, chaos: Chaos) {
    this.#cluster = cluster;
    this.#clients = clients;
    this.#chaos = chaos;
    cluster.onLeader = (node, term) => this.#elected(node, term);
  }

  #elected(leader: SimNode, term: number): void {
    const { scheduler, options } = this.#cluster;
    const electedMs = scheduler.nowMs;
    const { crashes } = this.#chaos.counts;
    const limitMs = 2 * options.settings.electionTicks * HEARTBEAT_MS;
    const open = [...this.#clients.pending].map((one) => ({ one, installs: installs(one) }));
    scheduler.after(limitMs * (1 + options.skew), null, () => {
      const since = this.#chaos.calmSinceMs;
      const calm = since !== null && since <= electedMs && this.#chaos.counts.crashes === crashes;
      const { member } = leader;
      if (!calm || member?.isLeader !== true || member.raftTerm !== term) {
        return;
      }
      // What a snapshot covers is not applied here, so that nobody tells how it went.
      const late = open.find(({ one, installs: before }) => {
        return this.#clients.pending.has(one) && one.process.alive && installs(one) === before;
      });
      if (late !== undefined) {
        const { number, member: asked } = late.one.operation;
        const what = `operation ${number} through ${asked} outlived term ${term}'s start`;
        violated('prompt end', what);
      }
    });
  }
}

/** What must be true of a cluster when everything has been healed. */
class Agreement {
  readonly #cluster: Cluster;
  readonly #clients: Clients;
  readonly #chaos: Chaos;

  constructor(cluster: Cluster, clients: Clients, chaos: Chaos) {
    this.#cluster = cluster;
    this.#clients = clients;
    this.#chaos = chaos;
  }

  async reach(): Promise<void> {
    const { scheduler } = this.#cluster;
    const endMs = scheduler.nowMs + HEAL_MS;
    while (scheduler.nowMs < endMs) {
      await this.#cluster.runUntil(scheduler.nowMs + 300);
      this.#chaos.startAll();
      if (this.#agrees() && (await this.#works(endMs))) {
        return;
      }
    }
    violated('progress', `the healed cluster does not agree: ${this.#describe()}`);
  }

  /** Members of the cluster, as its leader knows them, and their processes. */
  #members(): (SimNode | undefined)[] {
    const { leader, nodes } = this.#cluster;
    const members = leader?.member?.membership.list() ?? [];
    return members.map(({ id }) => nodes.find((node) => node.id === id));
  }

  #agrees(): boolean {
    const { leader, safety } = this.#cluster;
    const members = this.#members();
    const { committedIndex } = safety;
    return (
      leader !== null &&
      members.every(
        (node) => node?.member?.appliedIndex === committedIndex && node.member.leader === leader.id,
      )
    );
  }

  /** Every register can be written and read through every member, and then all agree again. */
  async #works(endMs: number): Promise<boolean> {
    const { scheduler } = this.#cluster;
    for (const node of this.#members()) {
      if (node === undefined) {
        return false;
      }
      for (const kind of ['put', 'read'] as const) {
        let result: boolean | null = null;
        this.#clients.probe(node, this.#cluster.random.below(REGISTERS), kind).then((ok) => {
          result = ok;
        });
        await this.#cluster.runUntil(endMs, () => result !== null);
        if (result !== true) {
          return false;
        }
      }
    }
    await this.#cluster.runUntil(Math.min(endMs, scheduler.nowMs + 500));
    return this.#agrees();
  }

  #describe(): string {
    return this.#cluster.nodes
      .map(({ name, member, gone }) => {
        const at = `${member?.appliedIndex}/${member?.committedIndex} term ${member?.raftTerm}`;
        return `${name}${gone ? ' removed' : ''}${member === null ? ' down' : ` ${at}`}`;
      })
      .join(', ');
  }
}

/** Runs a seed to its end. Throws what it finds, with the seed and the simulated time. */
export async function runSeed(seed: number, options: RunOptions): Promise<RunResult> {
  const random = new Random(seed);
  const profile = random.chance(0.5) ? light : heavy;
  const cluster = new Cluster({
    seed: random.fork(),
    members: random.pick(options.sizes ?? [3, 3, 5]),
    settings: settingsOf(random),
    skew: random.pick([0, 0.01, 0.1]),
    pace: normalPace,
    log: options.log,
    makeStore: options.makeStore,
  });
  const dialect = options.makeDialect(cluster);
  const clients = new Clients(cluster, dialect, {
    clients: random.between(2, 6),
    registers: REGISTERS,
    think: [1, random.pick([15, 50, 200])],
    patienceMs: random.pick([1000, 10_000]),
  });
  const chaos = new Chaos(cluster, profile);
  new Promptness(cluster, clients, chaos);
  cluster.onEnded = (node, process) => {
    clients.processEnded(process);
    chaos.processEnded(node);
  };
  try {
    await cluster.runUntil(options.chaosMs);
    chaos.heal();
    clients.stop();
    await new Agreement(cluster, clients, chaos).reach();
    await dialect.compare(cluster);
  } catch (error) {
    const at = `seed ${seed}, ${profile.name}, ${cluster.scheduler.nowMs.toFixed(3)} ms`;
    const text = error instanceof Error ? `${error.message}` : String(error);
    throw new Violation(`${at}: ${text}`, { cause: error });
  } finally {
    for (const node of cluster.nodes) {
      node.crash();
    }
  }
  const { history, safety, scheduler, nodes } = cluster;
  return {
    steps: scheduler.steps,
    acknowledged: history.acknowledged,
    reads: history.reads,
    unknown: history.unknown,
    terms: safety.terms,
    applied: cluster.safety.committedIndex,
    crashes: chaos.counts.crashes,
    joined: nodes.length - cluster.options.members,
  };
}
