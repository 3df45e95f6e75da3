// Links between members that fail: cut one way and both ways, silently and by resets, slow, late
// and flapping. Whoever can reach a majority goes on; whoever cannot must neither acknowledge a
// write nor answer a read from the past; and a member that comes back must not disturb a working
// leader.

import t, { type Test } from 'tap';

import type { Cluster } from '../../support/cluster/cluster.js';
import type { ClusterMember } from '../../support/cluster/member.js';
import { canFindDialler } from '../../support/cluster/proxy/dialler.js';
import type { Mode } from '../../support/cluster/proxy/links.js';
import { sleep } from '../../support/wait.js';
import { clusterFor, isFull, ms, Scenario, shapes } from './scenario.js';

t.setTimeout(3600_000);
const repeats = isFull ? 3 : 1;

type Direction = 'to the others' | 'from the others' | 'both ways';

function cutOff(cluster: Cluster, member: ClusterMember, direction: Direction, mode: Mode): void {
  for (const other of cluster.others(member)) {
    if (direction !== 'from the others') cluster.links.set(member.name, other.name, { mode });
    if (direction !== 'to the others') cluster.links.set(other.name, member.name, { mode });
  }
}

async function termOf(cluster: Cluster): Promise<number> {
  const statuses = await cluster.statuses();
  return Math.max(...statuses.map(({ status }) => Number(status.raftTerm)));
}

/** The leader loses the others: they elect another and go on; then the link comes back. */
async function cutLeader(t: Test, cluster: Cluster, direction: Direction, mode: Mode) {
  const scenario = await Scenario.start(t, cluster, 'cut-leader');
  for (let i = 0; i < repeats; i += 1) {
    const leader = await cluster.leader();
    const from = performance.now();
    cutOff(cluster, leader, direction, mode);
    await cluster.leader(20_000, leader);
    await scenario.load.writes(30);
    t.comment(`without writes: ${ms(scenario.load.history.longestGapMs(from, performance.now()))}`);
    await sleep(300);
    cluster.links.heal();
    await scenario.load.writes(30);
  }
  await scenario.judge();
}

/** A follower loses the others: the leader stays, and it stays when the follower is back. */
async function cutFollower(t: Test, cluster: Cluster, direction: Direction, mode: Mode) {
  const scenario = await Scenario.start(t, cluster, 'cut-follower');
  const leader = await cluster.leader();
  const term = await termOf(cluster);
  for (let i = 0; i < repeats; i += 1) {
    const follower = await cluster.follower();
    cutOff(cluster, follower, direction, mode);
    await scenario.load.writes(30);
    await sleep(2.5 * cluster.electionMs);
    cluster.links.heal();
    await scenario.load.writes(30);
    await cluster.healthy();
  }
  await scenario.judge();
  t.equal(await cluster.leader(), leader, 'the same leader');
  t.equal(await termOf(cluster), term, 'in the same term');
}

/** Only the link between the leader and one follower is cut; both reach everybody else. */
async function cutOneLink(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'cut-one');
  const leader = await cluster.leader();
  const term = await termOf(cluster);
  const follower = await cluster.follower();
  cluster.links.setBoth(leader.name, follower.name, { mode: 'hold' });
  await scenario.load.writes(30);
  await sleep(2.5 * cluster.electionMs);
  t.equal(await termOf(cluster), term, 'no election');
  cluster.links.heal();
  await scenario.load.writes(30);
  await scenario.judge();
  t.equal(await cluster.leader(), leader, 'the same leader');
}

/** A majority is cut off from one another: nobody can write, until the links are back. */
async function noMajority(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'no-majority');
  const { links, members } = cluster;
  for (const a of members) {
    for (const b of cluster.others(a)) links.set(a.name, b.name, { mode: 'hold' });
  }
  await sleep(2 * cluster.electionMs);
  const before = scenario.load.history.acknowledgedWrites().length;
  await sleep(cluster.electionMs);
  t.equal(scenario.load.history.acknowledgedWrites().length, before, 'nothing is acknowledged');
  const from = performance.now();
  links.heal();
  await scenario.load.writes(30);
  t.comment(`writes again after ${ms(performance.now() - from)}`);
  await scenario.judge();
}

async function slow(t: Test, cluster: Cluster): Promise<void> {
  const { links, members } = cluster;
  for (const a of members) {
    for (const b of cluster.others(a)) {
      links.set(a.name, b.name, { delayMs: 30, bytesPerSecond: 500_000 });
    }
  }
  const term = await termOf(cluster);
  const options = { valueBytes: 4000, callTimeoutMs: 5000 };
  const scenario = await Scenario.start(t, cluster, 'slow', options);
  await sleep(isFull ? 15_000 : 3000);
  await scenario.load.writes(50);
  t.equal(await termOf(cluster), term, 'no election');
  links.heal();
  await scenario.judge();
}

async function flapping(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'flapping');
  const { links } = cluster;
  for (let i = 0; i < 12 * repeats; i += 1) {
    const leader = await cluster.leaderNow();
    const member = leader ?? cluster.members[i % cluster.members.length];
    if (member === undefined) break;
    const directions: Direction[] = ['to the others', 'from the others', 'both ways'];
    cutOff(cluster, member, directions[i % 3] ?? 'both ways', i % 4 === 3 ? 'refuse' : 'hold');
    await sleep(150 + 60 * (i % 5));
    links.heal();
    await sleep(100);
  }
  await scenario.load.writes(30);
  await scenario.judge();
}

const skip = canFindDialler ? false : 'who dials cannot be told here (no /proc)';

for (const shape of shapes([4])) {
  t.test(shape.name, { skip }, async (t) => {
    const cluster = await clusterFor(t, shape, { isProxied: true });
    await t.test('the leader is cut off both ways', (t) =>
      cutLeader(t, cluster, 'both ways', 'hold'),
    );
    await t.test('the leader is not heard', (t) => cutLeader(t, cluster, 'to the others', 'hold'));
    await t.test('the leader hears nobody', (t) =>
      cutLeader(t, cluster, 'from the others', 'hold'),
    );
    await t.test('the connections of the leader are reset', (t) =>
      cutLeader(t, cluster, 'both ways', 'refuse'),
    );
    await t.test('a follower is cut off both ways', (t) =>
      cutFollower(t, cluster, 'both ways', 'hold'),
    );
    // In reduced runs the leader alone is cut off in one direction.
    if (isFull) {
      await t.test('a follower is not heard', (t) =>
        cutFollower(t, cluster, 'to the others', 'hold'),
      );
      await t.test('a follower hears nobody', (t) =>
        cutFollower(t, cluster, 'from the others', 'hold'),
      );
    }
    await t.test('the connections of a follower are reset', (t) =>
      cutFollower(t, cluster, 'both ways', 'refuse'),
    );
    await t.test('one link is cut', (t) => cutOneLink(t, cluster));
    await t.test('nobody has a majority', (t) => noMajority(t, cluster));
    await t.test('slow and late links', (t) => slow(t, cluster));
    await t.test('links that come and go', (t) => flapping(t, cluster));
  });
}
