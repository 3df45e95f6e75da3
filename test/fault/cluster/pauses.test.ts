// Members that stand still (SIGSTOP) and go on: to the others they are gone, to themselves no time
// has passed. A leader that comes back must not answer from the past, a follower catches up.

import t, { type Test } from 'tap';

import type { Cluster } from '../../support/cluster/cluster.js';
import { sleep } from '../../support/wait.js';
import { checkGaps, clusterFor, isFull, Scenario, shapes } from './scenario.js';

t.setTimeout(3600_000);
const repeats = isFull ? 5 : 1;

/** The leader stands still until another leads, and a while longer. */
async function pauseLeader(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'pause-leader');
  const gaps: number[] = [];
  for (let i = 0; i < Math.max(3, repeats); i += 1) {
    const leader = await cluster.leader();
    const from = performance.now();
    leader.pause();
    await cluster.leader(15_000, leader);
    await scenario.load.writes(20);
    gaps.push(scenario.load.history.longestGapMs(from, performance.now()));
    await sleep(500);
    leader.resume();
    await scenario.load.writes(40);
  }
  await scenario.judge();
  checkGaps(t, 'while the leader stood still', gaps, 2 * cluster.electionMs);
}

/** The leader stands still again and again, for less and for more than an election timeout. */
async function stutter(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'stutter');
  const { electionMs } = cluster;
  for (const pauseMs of [electionMs / 4, electionMs, electionMs / 2, 1.5 * electionMs]) {
    const leader = await cluster.leader();
    leader.pause();
    await sleep(pauseMs);
    leader.resume();
    await sleep(200);
  }
  await scenario.load.writes(20);
  await scenario.judge();
}

async function pauseFollower(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'pause-follower');
  const leader = await cluster.leader();
  const { status } = (await cluster.statuses()).find((one) => one.member === leader) ?? {};
  for (let i = 0; i < repeats; i += 1) {
    const follower = await cluster.follower();
    follower.pause();
    await scenario.load.writes(50);
    await sleep(2 * cluster.electionMs);
    follower.resume();
    await scenario.load.writes(50);
  }
  await scenario.judge();
  const after = (await cluster.statuses()).find((one) => one.member === leader)?.status;
  t.equal(after?.raftTerm, status?.raftTerm, 'a follower that comes back starts no election');
}

/** Every member stands still at once, as on a machine that was suspended. */
async function pauseAll(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'pause-all');
  for (const member of cluster.members) member.pause();
  await sleep(2 * cluster.electionMs);
  for (const member of cluster.members) member.resume();
  await scenario.load.writes(50);
  await scenario.judge();
}

for (const shape of shapes([2])) {
  t.test(shape.name, async (t) => {
    const cluster = await clusterFor(t, shape);
    await t.test('the leader stands still', (t) => pauseLeader(t, cluster));
    await t.test('a follower stands still', (t) => pauseFollower(t, cluster));
    await t.test('the leader stutters', (t) => stutter(t, cluster));
    await t.test('all stand still', (t) => pauseAll(t, cluster));
  });
}
