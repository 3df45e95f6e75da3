// The membership changes under load: a member is removed and ends by itself, a lost one is
// replaced, the leader itself is removed, a learner joins and is promoted. Nothing acknowledged may
// be lost, and what was removed stays out.

import t, { type Test } from 'tap';

import type { Cluster } from '../../support/cluster/cluster.js';
import type { ClusterMember } from '../../support/cluster/member.js';
import { memberPromote } from '../../support/cluster/membership-calls.js';
import { waitFor, within } from '../../support/wait.js';
import { clusterFor, isReference, Scenario, shapes } from './scenario.js';

t.setTimeout(3600_000);

async function removeWhenAllowed(cluster: Cluster, member: ClusterMember): Promise<void> {
  await cluster.statuses();
  // Refused while a started member has been connected for less than five seconds.
  await waitFor(
    `${member.name} to be removed`,
    () =>
      cluster.remove(member).then(
        () => true,
        () => false,
      ),
    30_000,
    300,
  );
}

/** A removed member ends by itself with status 0, and ends again when it is started again. */
async function endsByItself(t: Test, removed: ClusterMember): Promise<void> {
  const exit = await within(`${removed.name} ending`, removed.process.exited, 20_000);
  t.same(exit, { code: 0, signal: null }, 'a removed member ends by itself');
  removed.launch();
  const again = await within(`${removed.name} ending again`, removed.process.exited, 20_000);
  if (!isReference) t.same(again, { code: 0, signal: null }, 'and ends again');
  t.comment(`again: ${JSON.stringify(again)}`);
  removed.client.close();
}

async function replaceLost(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'replace');
  const lost = await cluster.follower();
  await lost.kill();
  await removeWhenAllowed(cluster, lost);
  const joined = await cluster.add(false, 60_000);
  t.pass(`${joined.name} has taken the place of ${lost.name}`);
  await scenario.load.writes(50);
  await scenario.judge();
}

async function removeLive(t: Test, cluster: Cluster, who: 'follower' | 'leader'): Promise<void> {
  const scenario = await Scenario.start(t, cluster, `remove-${who}`);
  const removed = await cluster[who]();
  await removeWhenAllowed(cluster, removed);
  await endsByItself(t, removed);
  await cluster.leader(15_000, removed);
  await scenario.load.writes(30);
  await cluster.add(false, 60_000);
  await scenario.load.writes(30);
  const { history } = await scenario.judge();
  t.comment(`longest time without writes: ${history.longestGapMs(0, history.endMs).toFixed(0)} ms`);
  const { client } = await cluster.leader();
  const { members } = await client.memberList();
  t.same(
    members.map(({ name }) => name).sort(),
    cluster.members.map(({ name }) => name).sort(),
    'the list is what the cluster is',
  );
}

async function learner(t: Test, cluster: Cluster): Promise<void> {
  const scenario = await Scenario.start(t, cluster, 'learner');
  const [voter] = cluster.members;
  const joined = await cluster.add(true, 60_000);
  const leader = await cluster.leader();
  const listed = (await leader.client.memberList()).members.find(({ ID }) => ID === joined.id);
  t.equal(listed?.isLearner, true, 'a learner');
  await waitFor(
    'the promotion',
    () =>
      memberPromote(leader.client, joined.id).then(
        () => true,
        () => false,
      ),
    30_000,
    200,
  );
  await scenario.load.writes(50);
  await scenario.judge();
  if (voter === undefined) return;
  await removeWhenAllowed(cluster, voter);
  await endsByItself(t, voter);
}

for (const shape of shapes([1])) {
  t.test(shape.name, async (t) => {
    const cluster = await clusterFor(t, shape);
    await t.test('a lost member is replaced', (t) => replaceLost(t, cluster));
    await t.test('a follower is removed', (t) => removeLive(t, cluster, 'follower'));
    await t.test('the leader is removed', (t) => removeLive(t, cluster, 'leader'));
    await t.test('a learner joins and is promoted', (t) => learner(t, cluster));
  });
}
