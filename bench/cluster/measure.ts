// One measurement of one cluster: the generator runs against the members that the placement names,
// and what the members counted meanwhile is read from their metrics. Called by main.ts.

import { get } from 'node:http';
import type { Cluster } from '../../test/support/cluster/cluster.js';
import type { ClusterMember } from '../../test/support/cluster/member.js';
import {
  answeredInAll,
  failuresText,
  runWorkload,
  type Workload,
  warmUpSeconds,
} from '../load/measure/generator.js';
import { cpuMicroseconds } from '../load/servers.js';

/** `all`: clients spread over all members; `leader`: all of them at the leader. */
export type Placement = 'all' | 'leader';

export interface Sample {
  readonly requests: number;
  readonly perSecond: number;
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
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

interface Counters {
  readonly cpuMicros: number | null;
  readonly syncs: number | null;
  readonly turns: number | null;
  readonly term: bigint;
  readonly leader: bigint;
}

async function countersOf(cluster: Cluster, leader: ClusterMember): Promise<Counters> {
  const cpu = cluster.members.map((member) => cpuMicroseconds(member.process.pid));
  const text = await scrape(leader.endpoint);
  const status = await leader.client.status();
  return {
    cpuMicros: cpu.reduce((sum, one) => (sum === null || one === null ? null : sum + one), 0),
    syncs: metricOf(text, 'etcd_disk_wal_fsync_duration_seconds_count'),
    turns: metricOf(text, 'metastore_replica_turns_total'),
    term: status.raftTerm,
    leader: status.leader,
  };
}

const rise = (from: number | null, to: number | null): number | null =>
  from === null || to === null ? null : to - from;

const over = (value: number | null, by: number): number | null =>
  value === null ? null : value / by;

/**
 * Measures one workload on one cluster.
 *
 * @throws Error when a request failed or was answered wrongly
 */
export async function measure(
  cluster: Cluster,
  placement: Placement,
  workload: Workload,
  seconds: number,
): Promise<Omit<Sample, 'server' | 'round'>> {
  const leader = await cluster.leader();
  const targets = placement === 'leader' ? [leader] : cluster.members;
  const before = await countersOf(cluster, leader);
  const endpoints = targets.map(({ endpoint }) => endpoint);
  const result = await runWorkload(endpoints, workload, seconds);
  if (result.failed > 0) throw new Error(`${workload.name}: ${failuresText(result)}`);
  const after = await countersOf(cluster, leader);
  const { count, per_second, mean_us, p99_us, max_us } = result.requests;
  // The counters run over the warm-up as well.
  const wholeSeconds = seconds + warmUpSeconds(seconds);
  const answered = Math.max(1, answeredInAll(result));
  return {
    requests: count,
    perSecond: per_second,
    meanMs: mean_us / 1000,
    p99Ms: p99_us / 1000,
    maxMs: max_us / 1000,
    placement,
    workload: workload.name,
    cpuMicrosPerRequest: over(rise(before.cpuMicros, after.cpuMicros), answered),
    leaderSyncsPerSecond: over(rise(before.syncs, after.syncs), wholeSeconds),
    leaderTurnsPerSecond: over(rise(before.turns, after.turns), wholeSeconds),
    isDisturbed: before.term !== after.term || before.leader !== after.leader,
  };
}
