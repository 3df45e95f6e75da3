// Members that end: the leader by kill -9 and by SIGTERM, a minority at once, and all of them one
// after the other as in an upgrade. Writes have to go on within the promised time, and nothing that
// was acknowledged may be lost.

import t, { type Test } from 'tap';

import type { Cluster } from '../../support/cluster/cluster.js';
import { sleep } from '../../support/wait.js';
import { checkGaps, clusterFor, isFull, ms, Scenario, shapes } from './scenario.js';

t.setTimeout(3600_000);
const repeats = isFull ? 5 : 3;

/** kill -9 of the leader: writes go on in less than two election timeouts. */
async function killLeader(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'kill-leader');
  const gaps: number[] = [];
  for (let i = 0; i < repeats; i += 1) {
    const leader = await cluster.leader();
    const from = performance.now();
    await leader.kill();
    await cluster.leader(15_000, leader);
    await scenario.load.writes(20);
    gaps.push(scenario.load.history.longestGapMs(from, performance.now()));
    await leader.start();
    await sleep(300);
  }
  await scenario.judge();
  checkGaps(t, 'after kill -9 of the leader', gaps, 2 * cluster.electionMs);
}

/** As many members as may be missing, at once and with the leader among them every other time. */
async function killMinority(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'kill-minority');
  const count = Math.floor((cluster.members.length - 1) / 2);
  const gaps: number[] = [];
  for (let i = 0; i < repeats; i += 1) {
    const leader = await cluster.leader();
    const others = cluster.others(leader);
    const victims = i % 2 === 0 ? others.slice(0, count) : [leader, ...others].slice(0, count);
    const from = performance.now();
    await Promise.all(victims.map((member) => member.kill()));
    await scenario.load.writes(20);
    gaps.push(scenario.load.history.longestGapMs(from, performance.now()));
    await Promise.all(victims.map((member) => member.start()));
  }
  await scenario.judge();
  checkGaps(t, `after kill -9 of ${count}`, gaps, 2 * cluster.electionMs);
}

/** SIGTERM: the leader hands over first. */
async function stopLeader(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'stop-leader', { pauseMsMax: 5 });
  const gaps: number[] = [];
  for (let i = 0; i < repeats; i += 1) {
    const leader = await cluster.leader();
    const from = performance.now();
    const exit = await leader.stop();
    const tookMs = performance.now() - from;
    const isClean = exit.code === 0 || exit.signal === 'SIGTERM' || exit.code === 143;
    t.ok(isClean, `a stop ends in order: ${JSON.stringify(exit)} after ${ms(tookMs)}`);
    await scenario.load.writes(50);
    gaps.push(scenario.load.history.longestGapMs(from, performance.now()));
    await leader.start();
    await sleep(300);
  }
  await scenario.judge();
  checkGaps(t, 'after SIGTERM of the leader', gaps, 500);
}

/** Every member is stopped and started again, under load. */
async function rollingRestart(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'rolling');
  const from = performance.now();
  for (const member of cluster.members) {
    await member.stop();
    await member.start();
    await cluster.healthy();
  }
  const gap = scenario.load.history.longestGapMs(from, performance.now());
  await scenario.judge();
  checkGaps(t, 'in a rolling restart', [gap], 2 * cluster.electionMs);
}

/** Every member at once: the cluster comes back by itself with everything. */
async function killAll(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'kill-all');
  await Promise.all(cluster.members.map((member) => member.kill()));
  await sleep(200);
  for (const member of cluster.members) member.launch();
  await Promise.all(cluster.members.map((member) => member.ready()));
  await scenario.load.writes(20);
  await scenario.judge();
}

for (const shape of shapes([3])) {
  t.test(shape.name, async (t) => {
    const cluster = await clusterFor(t, shape);
    await t.test('kill -9 of the leader', (t) => killLeader(t, cluster));
    await t.test('kill -9 of a minority', (t) => killMinority(t, cluster));
    await t.test('SIGTERM of the leader', (t) => stopLeader(t, cluster));
    await t.test('rolling restart', (t) => rollingRestart(t, cluster));
    await t.test('kill -9 of everybody', (t) => killAll(t, cluster));
  });
}
