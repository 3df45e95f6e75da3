// One measurement of one cluster: the generators run against the members that the placement names,
// and what the members counted meanwhile is read from their metrics. Called by main.ts.

import { get } from 'node:http';
import type { Cluster } from '../../test/support/cluster/cluster.js';
import type { ClusterMember } from '../../test/support/cluster/member.js';
import { sleep } from '../../test/support/wait.js';
import { type Generator, type Measured, warmUpSeconds } from '../load/generators.js';
import { benchKey, type Workload } from '../load/messages.js';
import { cpuMicroseconds } from '../load/servers.js';

/** `all`: clients spread over all members; `leader`: all of them at the leader. */
export type Placement = 'all' | 'leader';

export interface Sample extends Measured {
  readonly server: string;
  readonly placement: Placement;
  readonly workload: string;
  readonly round: number;
  /** CPU time of all members together, for each request. */
  readonly cpuMicrosPerRequest: number | null;
  /** Syncs of the leader's log in a second. */
  readonly leaderSyncsPerSecond: number | null;
  /** Turns of the leader's replica loop in a second; etcd has none. */
  readonly leaderTurnsPerSecond: number | null;
  /** Whether the leader or its term changed meanwhile: the figure then means little. */
  readonly isDisturbed: boolean;
}

const getTimeoutMs = 10_000;

/** The text of `/metrics`. */
export function scrape(endpoint: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(`http://${endpoint}/metrics`, { timeout: getTimeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error(`${endpoint} did not answer`)));
    request.on('error', reject);
  });
}

/** One metric without labels; null where it is missing. */
export function metricOf(text: string, name: string): number | null {
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? null : Number(line.slice(name.length + 1));
}

/**
 * How many of the requests in flight each member gets. Multiples, so that a generator can spread
 * its share evenly over several connections.
 */
export function shares(inFlight: number, members: number): number[] {
  const unit = [10, 4, 2, 1].find((size) => inFlight % size === 0 && inFlight >= size * 8) ?? 1;
  const units = inFlight / unit;
  return Array.from({ length: members }, (_, index) => {
    return unit * (Math.floor(units / members) + (index < units % members ? 1 : 0));
  }).filter((share) => share > 0);
}

interface Counters {
  readonly cpuMicros: number | null;
  readonly syncs: number | null;
  readonly turns: number | null;
  readonly revision: number;
  readonly term: bigint;
  readonly leader: bigint;
}

async function countersOf(cluster: Cluster, leader: ClusterMember): Promise<Counters> {
  const cpu = cluster.members.map((member) => cpuMicroseconds(member.process.pid));
  const text = await scrape(leader.endpoint);
  const status = await leader.client.status();
  const reply = await leader.client.range({ key: benchKey });
  return {
    cpuMicros: cpu.reduce((sum, one) => (sum === null || one === null ? null : sum + one), 0),
    syncs: metricOf(text, 'etcd_disk_wal_fsync_duration_seconds_count'),
    turns: metricOf(text, 'metastore_replica_turns_total'),
    revision: Number(reply.header?.revision ?? 0n),
    term: status.raftTerm,
    leader: status.leader,
  };
}

function together(parts: readonly Measured[]): Measured {
  const requests = parts.reduce((sum, part) => sum + part.requests, 0);
  const weighted = parts.reduce((sum, part) => sum + part.meanMs * part.requests, 0);
  return {
    requests,
    failed: parts.reduce((sum, part) => sum + part.failed, 0),
    perSecond: parts.reduce((sum, part) => sum + part.perSecond, 0),
    meanMs: weighted / Math.max(1, requests),
    maxMs: Math.max(...parts.map((part) => part.maxMs)),
  };
}

const rise = (from: number | null, to: number | null): number | null =>
  from === null || to === null ? null : to - from;

const over = (value: number | null, by: number): number | null =>
  value === null ? null : value / by;

const checkEveryMs = 100;

/**
 * Reads the key through each member until it is told to end: a generator takes any answer of HTTP
 * for a success, also one whose trailers say that the call has failed.
 */
function checkAnswers(targets: readonly ClusterMember[]): () => Promise<number> {
  let isOver = false;
  const check = async (member: ClusterMember): Promise<number> => {
    let answers = 0;
    while (!isOver) {
      const reply = await member.client.range({ key: benchKey });
      if (reply.kvs.length !== 1) throw new Error(`${member.name} does not have the key`);
      answers += 1;
      await sleep(checkEveryMs);
    }
    return answers;
  };
  const checks = targets.map(check);
  // Told of at the end, when they are waited for.
  for (const one of checks) one.catch(() => undefined);
  return async () => {
    isOver = true;
    const answers = await Promise.all(checks);
    return Math.min(...answers);
  };
}

/**
 * Measures one workload on one cluster.
 *
 * @throws Error when fewer puts took place than were counted, or a read of the key failed meanwhile
 */
export async function measure(
  generator: Generator,
  cluster: Cluster,
  placement: Placement,
  workload: Workload,
  seconds: number,
): Promise<Omit<Sample, 'server' | 'round'>> {
  const leader = await cluster.leader();
  const targets = placement === 'leader' ? [leader] : cluster.members;
  const before = await countersOf(cluster, leader);
  const endChecks = checkAnswers(targets);
  const split = shares(workload.inFlight, targets.length);
  const parts = await Promise.all(
    split.map((inFlight, index) => {
      const target = targets[index] ?? leader;
      return generator.run(target.endpoint, { ...workload, inFlight }, seconds);
    }),
  );
  if ((await endChecks()) === 0) throw new Error('a member answered no read meanwhile');
  const after = await countersOf(cluster, leader);
  const measured = together(parts);
  const isPut = workload.name.startsWith('Put');
  const written = after.revision - before.revision;
  if (isPut && written < measured.requests) {
    throw new Error(`${measured.requests} puts were counted, ${written} took place`);
  }
  // The counters run over the warm-up as well, which the generator does not count.
  const wholeSeconds = seconds + warmUpSeconds(seconds);
  const requests = isPut ? written : measured.perSecond * wholeSeconds;
  return {
    ...measured,
    placement,
    workload: workload.name,
    cpuMicrosPerRequest: over(rise(before.cpuMicros, after.cpuMicros), requests),
    leaderSyncsPerSecond: over(rise(before.syncs, after.syncs), wholeSeconds),
    leaderTurnsPerSecond: over(rise(before.turns, after.turns), wholeSeconds),
    isDisturbed: before.term !== after.term || before.leader !== after.leader,
  };
}
