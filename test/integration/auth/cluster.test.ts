// Authentication of a cluster of real processes: tokens that any member gave are good on all of
// them at once, users and permissions reach a member by a snapshot too, and a promotion is held to
// who asks, whichever member is asked.

import t from 'tap';

import { authCalls, calls } from '../../conformance/support/calls.js';
import { Cluster } from '../../support/cluster/cluster.js';
import type { ClusterMember } from '../../support/cluster/member.js';
import { waitFor } from '../../support/wait.js';
import { DENIED, INVALID_TOKEN, ROOT_PASSWORD, Session, Type } from './session.js';

t.setTimeout(240_000);

const flags = ['--bcrypt-cost=4', '--snapshot-count=50', '--snapshot-catchup-entries=10'];

t.test('three members and a learner', async (t) => {
  const cluster = await Cluster.start({
    size: 3,
    engines: ['memory', 'rocksdb', 'rocksdb'],
    flags,
  });
  const sessions: Session[] = [];
  const on = (member: ClusterMember, token = '') => {
    const session = new Session(member.endpoint, token);
    sessions.push(session);
    return session;
  };
  t.teardown(async () => {
    for (const session of sessions) session.close();
    await cluster.stop();
  });
  // Asked for while anybody may ask.
  const leader = await cluster.leader();
  const [first, second] = cluster.others(leader) as [ClusterMember, ClusterMember];
  const learner = await cluster.add(true);
  const voters = [leader, first, second];
  // The first session stays open to the end.
  const root = on(first);
  await root.enable();
  await root.addUser('ann', Type.ReadWrite, 'a', 'm');

  t.test('a token is good on every member as soon as it is given', async (t) => {
    for (let i = 0; i < 30; i++) {
      const giver = voters[i % 3] as ClusterMember;
      const token = await on(giver).login('ann', 'ann');
      const ends = await Promise.all(
        voters.map((member) => on(member, token).get('b', '', i % 2 === 0)),
      );
      t.same(ends, ['ok', 'ok', 'ok'], `given by ${giver.name}`);
      t.equal(await on(voters[(i + 1) % 3] as ClusterMember, token).put('z'), DENIED);
      for (const session of sessions.splice(1)) session.close();
    }
  });

  t.test('a promotion wants root, through a follower too', async (t) => {
    const ann = on(second);
    await ann.login('ann', 'ann');
    t.equal(await ann.try(calls.memberPromote, { ID: learner.id }), DENIED);
    t.match(await on(second).try(calls.memberPromote, { ID: learner.id }), /user name is empty/);
    const token = await root.login('root', ROOT_PASSWORD);
    await waitFor(
      'the learner to be promoted',
      async () => (await on(second, token).try(calls.memberPromote, { ID: learner.id })) === 'ok',
      30_000,
      300,
    );
  });

  t.test('a member that was away', async (t) => {
    const token = await root.login('root', ROOT_PASSWORD);
    await second.kill();
    await root.addUser('bob', Type.Read, 'a', 'b');
    await root.revoke('ann', 'a', 'm');
    for (let i = 0; i < 300; i++) await root.put(`k${i}`);
    const bob = on(first);
    const missed = await bob.login('bob', 'bob');
    for (let i = 0; i < 100; i++) await root.put(`l${i}`);
    await second.start();
    await waitFor(
      'a snapshot to be installed',
      async () => second.process.stderr.includes('"applied snapshot"'),
      30_000,
    );
    t.equal(await on(second, token).get('b'), INVALID_TOKEN, 'tokens went with its process');
    t.equal(await on(second, missed).get('a'), INVALID_TOKEN, 'no entry of it came here');
    t.equal(await on(first, missed).get('a'), 'ok');
    const ann = on(second);
    await ann.login('ann', 'ann');
    t.equal(await ann.get('b', '', true), DENIED, 'revoked while it was away');
    const again = on(second);
    await again.login('bob', 'bob');
    t.equal(await again.get('a', '', true), 'ok', 'granted while it was away');
    t.equal(await again.put('a'), DENIED);
    const there = on(second, await root.login('root', ROOT_PASSWORD));
    t.same((await there.must(authCalls.userList, {})).users, ['ann', 'bob', 'root']);
  });

  t.test('the leader is lost', async (t) => {
    const token = await root.login('root', ROOT_PASSWORD);
    await leader.kill();
    await waitFor('another leader', async () => (await root.put('after')) === 'ok', 30_000, 200);
    t.equal(await on(learner, token).get('after'), 'ok');
    await root.must(calls.leaseGrant, { ID: 5n, TTL: 2n });
    t.equal(await root.put('leased', 'v', 5n), 'ok');
    await waitFor('the new leader to revoke a lease', async () => {
      const { count } = await root.must(calls.range, { key: Buffer.from('leased') });
      return count === 0n;
    });
  });
});
