// The phases of the heartbeat benchmark: what disturbs the leader in each, and what the members
// noted meanwhile. Called by main.ts.

import { connect } from 'node:net';
import { join } from 'node:path';
import type { Cluster } from '../../test/support/cluster/cluster.js';
import type { ClusterMember } from '../../test/support/cluster/member.js';
import { sleep } from '../../test/support/wait.js';
import { runWorkload, type Workload } from '../load/measure/generator.js';
import { type GatewayWork, loadGateway } from './gateway.js';
import type { Beat, Order, Probed } from './probe.js';

export interface Phase extends Order {
  readonly name: string;
  readonly isUnderPuts: boolean;
  readonly gateway: readonly GatewayWork[];
}

const quiet = { isHashing: false, isUnderPuts: false, gateway: [] };

export const phases: readonly Phase[] = [
  { ...quiet, name: 'idle' },
  { ...quiet, name: 'puts', isUnderPuts: true },
  { ...quiet, name: 'gateway: bodies of 5 MB', gateway: ['bodies'] },
  { ...quiet, name: 'gateway: answers of 5 MB', gateway: ['answers'] },
  { ...quiet, name: 'password hashing', isHashing: true },
  { name: 'all of these', isHashing: true, isUnderPuts: true, gateway: ['bodies', 'answers'] },
];

export interface PhaseResult {
  readonly name: string;
  /** Milliseconds between heartbeats to one peer, as Raft handed them out on the leader. */
  readonly sentMs: readonly number[];
  /** The same as the followers took them in. */
  readonly receivedMs: readonly number[];
  /** The longest time that the leader's event loop was late by. */
  readonly stallMs: number;
  /** The longest that it worked in one go, in processor time. */
  readonly workMs: number;
  readonly putsPerSecond: number;
  /** Answers of the gateway. */
  readonly answersPerSecond: number;
  readonly hashedPerSecond: number;
  /** Changes of the term meanwhile: elections. */
  readonly elections: number;
}

/** Gives a member's probe an order and takes what it noted since the last one. */
export function tell(folder: string, member: ClusterMember, order: Order): Promise<Probed> {
  return new Promise((resolve, reject) => {
    const socket = connect(join(folder, `${member.process.pid}.sock`));
    let text = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    socket.on('end', () => resolve(JSON.parse(text) as Probed));
    socket.on('error', reject);
    socket.end(JSON.stringify(order));
  });
}

/** The same without telling the peers apart: the pause of an election counts as an interval. */
export function anyIntervalsMs(beats: readonly Beat[]): number[] {
  return intervalsMs(beats.map(([, ns]) => ['any', ns]));
}

/** Intervals between heartbeats, peer by peer. */
export function intervalsMs(beats: readonly Beat[]): number[] {
  const last = new Map<string, bigint>();
  const result: number[] = [];
  for (const [peer, ns] of beats) {
    const now = BigInt(ns);
    const before = last.get(peer);
    if (before !== undefined) result.push(Number(now - before) / 1e6);
    last.set(peer, now);
  }
  return result;
}

async function termOf(cluster: Cluster): Promise<number> {
  const statuses = await cluster.statuses();
  return Math.max(...statuses.map(({ status }) => Number(status.raftTerm)));
}

export interface PhaseRun {
  readonly cluster: Cluster;
  readonly folder: string;
  readonly put: Workload;
  readonly seconds: number;
}

/** Runs one phase. */
export async function runPhase(run: PhaseRun, phase: Phase): Promise<PhaseResult> {
  const { cluster, folder, put, seconds } = run;
  const leader = await cluster.leader();
  const followers = cluster.others(leader);
  const termBefore = await termOf(cluster);
  for (const member of followers) await tell(folder, member, quiet);
  await tell(folder, leader, phase);
  const started = performance.now();
  const load = phase.isUnderPuts
    ? runWorkload([leader.endpoint], put, seconds).then((result) => result.requests.per_second)
    : sleep(seconds * 1000).then(() => 0);
  const answering = phase.gateway.map((work) => loadGateway(leader, work, load));
  const putsPerSecond = await load;
  const answers = await Promise.all(answering);
  const tookSeconds = (performance.now() - started) / 1000;
  const atLeader = await tell(folder, leader, quiet);
  const atFollowers = await Promise.all(followers.map((one) => tell(folder, one, quiet)));
  return {
    name: phase.name,
    sentMs: intervalsMs(atLeader.sent),
    receivedMs: atFollowers.flatMap(({ received }) => anyIntervalsMs(received)),
    stallMs: atLeader.stallMs,
    workMs: atLeader.workMs,
    putsPerSecond,
    answersPerSecond: answers.reduce((sum, one) => sum + one, 0) / tookSeconds,
    hashedPerSecond: atLeader.hashed / tookSeconds,
    elections: (await termOf(cluster)) - termBefore,
  };
}
