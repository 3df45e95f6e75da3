// What every scenario of the cluster tests shares: a cluster that stays for several scenarios, load
// beside the fault, and afterwards the same judgement: nothing acknowledged is lost, the history is
// linearizable, all members hold the same.

import type { Test } from 'tap';

import { Cluster, type ClusterOptions } from '../../support/cluster/cluster.js';
import {
  checkEvents,
  checkKeys,
  checkRevisions,
  type StoreEvent,
  type Summary,
  Violation,
} from '../../support/cluster/linearizability/checks.js';
import type { History } from '../../support/cluster/linearizability/history.js';
import { Load, type LoadOptions } from '../../support/cluster/load.js';
import { type Engine, program } from '../../support/cluster/member.js';
import { bytes, prefixEnd } from '../../support/etcd/client.js';

export const isFull = process.env.METASTORE_TEST_FULL === '1';
const seed = Number(process.env.METASTORE_CLUSTER_SEED ?? 42);
/** Bounds that only our server promises are not asked of a reference. */
export const isReference = program === 'etcd';

export interface Shape {
  readonly name: string;
  readonly size: number;
  readonly engines: readonly Engine[];
}

const mixed: Shape = { name: '3 members, mixed', size: 3, engines: ['memory', 'rocksdb'] };
const alike: Shape[] = [3, 5].flatMap((size) =>
  (['memory', 'rocksdb'] as const).map((engine) => {
    return { name: `${size} members, ${engine}`, size, engines: [engine] };
  }),
);

/** The shapes of a full run; METASTORE_CLUSTER_SHAPE picks those whose name holds the text. */
export function shapes(reduced: readonly number[]): Shape[] {
  const all = [...alike, mixed];
  const wanted = process.env.METASTORE_CLUSTER_SHAPE;
  if (wanted !== undefined) return all.filter(({ name }) => name.includes(wanted));
  if (isReference) return all.filter(({ name }) => name.includes('memory'));
  return isFull ? all : all.filter((_shape, i) => reduced.includes(i));
}

export interface Outcome {
  readonly history: History;
  readonly summary: Summary;
}

/** Name, below a scenario's prefix, of the key that ends its history. */
const END_MARK = '~end';

/** One scenario: its load, its judgement. */
export class Scenario {
  readonly cluster: Cluster;
  readonly load: Load;
  readonly #t: Test;
  readonly #prefix: string;
  readonly #firstRevision: bigint;

  private constructor(t: Test, cluster: Cluster, load: Load, prefix: string, revision: bigint) {
    this.#t = t;
    this.cluster = cluster;
    this.load = load;
    this.#prefix = prefix;
    this.#firstRevision = revision;
  }

  /** Starts load on a healthy cluster. */
  static async start(
    t: Test,
    cluster: Cluster,
    name: string,
    options: Partial<LoadOptions> = {},
  ): Promise<Scenario> {
    await cluster.healthy();
    const { client } = await cluster.leader();
    const revision = (await client.range({ key: bytes('x') })).header?.revision ?? 1n;
    const prefix = `${name}/${revision}/`;
    const load = Load.start(cluster, { seed, prefix, clients: 8, ...options });
    const scenario = new Scenario(t, cluster, load, prefix, revision + 1n);
    // A scenario that fails before its judgement must not go on beside the next one.
    t.teardown(async () => {
      await load.stop().catch(() => undefined);
      cluster.links.heal();
      for (const member of cluster.members) if (member.isPaused) member.resume();
    });
    await load.writes(20);
    return scenario;
  }

  /** Stops the load and judges. Every member has to run, and every link to be open. */
  async judge(): Promise<Outcome> {
    try {
      return await this.judgement();
    } catch (error) {
      this.#t.comment(this.cluster.describe());
      throw error;
    }
  }

  /** @throws Violation */
  async judgement(): Promise<Outcome> {
    const t = this.#t;
    const history = await this.load.stop();
    await this.cluster.healthy();
    const hashes = [...(await this.cluster.hashes()).values()];
    const differing = hashes.filter((hash) => hash !== hashes[0]);
    if (differing.length > 0) throw new Violation(`members differ: ${hashes.join('; ')}`);
    const events = await this.#events();
    checkEvents(history.entries, events);
    checkRevisions(history.entries);
    const summary = checkKeys(history.entries);
    const { operations, unknown, failed, keys } = summary;
    t.pass(`all members hold the same: ${hashes[0]}`);
    t.pass(`${events.length} events: nothing acknowledged was lost, nothing happened twice`);
    t.pass(
      `linearizable: ${operations} operations on ${keys} keys, ` +
        `${unknown} unknown, ${failed} failed`,
    );
    return { history, summary };
  }

  /**
   * Every change of the scenario's keys that the store remembers, as a member's watcher sees it.
   */
  async #events(): Promise<StoreEvent[]> {
    const { client } = await this.cluster.follower();
    const key = bytes(this.#prefix);
    // The last change of all, behind which nothing is looked for. Revisions are not counted: a
    // write of the scenario before, whose outcome nobody knew, may still have come through.
    const endKey = `${this.#prefix}${END_MARK}`;
    await client.put(endKey, 'end');
    const watch = client.watch({ timeoutMs: 60_000 });
    const events: StoreEvent[] = [];
    try {
      watch.create({
        key,
        range_end: prefixEnd(this.#prefix),
        start_revision: this.#firstRevision,
      });
      for (;;) {
        for (const event of (await watch.next(30_000)).events) {
          const found = event.kv?.key.toString('latin1') ?? '';
          if (found === endKey) {
            return events;
          }
          const value = event.kv?.value.toString('latin1').split(' ', 1)[0] ?? null;
          events.push({
            revision: Number(event.kv?.mod_revision ?? 0n),
            key: found,
            value: event.type === 1 ? null : value,
          });
        }
      }
    } finally {
      watch.cancel();
    }
  }
}

/** Starts a cluster for a test, which stops it at its end. */
export async function clusterFor(
  t: Test,
  shape: Shape,
  options: Partial<ClusterOptions> = {},
): Promise<Cluster> {
  const cluster = await Cluster.start({ size: shape.size, engines: shape.engines, ...options });
  t.teardown(() => cluster.stop());
  return cluster;
}

/** Milliseconds in words, for measured gaps. */
export function ms(value: number): string {
  return `${value.toFixed(0)} ms`;
}

/**
 * Prints measured gaps and holds their median to a bound: one of them may fall to a machine that
 * did something else for a while, or to an election that two members began at one moment.
 */
export function checkGaps(t: Test, when: string, gaps: readonly number[], limitMs: number): void {
  const median = [...gaps].sort((a, b) => a - b)[Math.floor((gaps.length - 1) / 2)] ?? 0;
  t.comment(`without acknowledged writes ${when}: ${gaps.map(ms).join(', ')}`);
  t.ok(median < limitMs, `${ms(median)} in the middle, under ${ms(limitMs)}`);
}
