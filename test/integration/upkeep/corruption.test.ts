// One member of three whose data is really another: it applies an entry that was changed in its log
// while it did not run. Each of the three checks finds it, and the alarm names the right member.

import t from 'tap';

import { Cluster } from '../../support/cluster/cluster.js';
import { rewriteLog } from '../../support/cluster/damage/rewrite-log.js';
import type { ClusterMember, Engine } from '../../support/cluster/member.js';
import { sleep, waitFor } from '../../support/wait.js';

t.setTimeout(300_000);
t.jobs = 2; // Clusters of their own, which mostly wait.

const CORRUPT = 2;
const CORRUPT_ERROR = { code: 15, details: 'etcdserver: corrupt cluster' };

interface Damaged {
  readonly cluster: Cluster;
  readonly victim: ClusterMember;
}

/** Three members, of which one is stopped and has something else in its log. */
async function damaged(engine: Engine, flags: readonly string[]): Promise<Damaged> {
  const cluster = await Cluster.start({ size: 3, engines: [engine], flags });
  const { client } = await cluster.leader();
  for (let i = 0; i < 10; i++) {
    await client.put('before', `${i}`);
  }
  await client.put('damaged', 'good value');
  await cluster.hashes();
  const victim = await cluster.follower();
  await victim.kill();
  if (rewriteLog(victim.settings.dataDir, 'good value', 'evil value') === 0) {
    throw new Error('the entry was not found');
  }
  return { cluster, victim };
}

async function alarmOf(cluster: Cluster): Promise<bigint> {
  const { client } = await cluster.leader();
  const alarms = await waitFor(
    'the alarm',
    async () => {
      const { alarms: raised } = await client.alarm({ alarm: CORRUPT });
      return raised.length > 0 ? raised : undefined;
    },
    30_000,
    100,
  );
  return alarms[0]?.memberID ?? 0n;
}

const said = (member: ClusterMember, text: string) =>
  member.process.logLines().filter(({ msg }) => msg === text);

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: the leader compares current data`, async (t) => {
    const { cluster, victim } = await damaged(engine, ['--corrupt-check-time=1s']);
    t.teardown(() => cluster.stop());
    await victim.start();
    const { kvs } = await victim.client.range({ key: Buffer.from('damaged'), serializable: true });
    t.equal(kvs[0]?.value.toString(), 'evil value', 'it is really damaged');
    t.equal(await alarmOf(cluster), victim.id);
    const leader = await cluster.leader();
    t.match(said(leader, 'same compact revision then hashes must match')[0], { level: 'warn' });
    t.ok(said(leader, 'found data inconsistency with peers').length > 0);
    await t.rejects(leader.client.put('a', 'b'), CORRUPT_ERROR);
    await t.rejects(leader.client.compact(3n), CORRUPT_ERROR);
    t.match((await leader.client.status()).errors, [/^memberID:\d+ alarm:CORRUPT$/]);
    await leader.client.range({ key: Buffer.from('a') });

    await t.test('disarmed, it is found again', async (t) => {
      await leader.client.alarm({ action: 2, alarm: CORRUPT, memberID: victim.id });
      t.equal(await alarmOf(cluster), victim.id);
    });
  });

  t.test(`${engine}: the leader compares what a compaction left behind`, async (t) => {
    const flags = ['--feature-gates=CompactHashCheck=true', '--compact-hash-check-time=1s'];
    const { cluster, victim } = await damaged(engine, flags);
    t.teardown(() => cluster.stop());
    await victim.start();
    const leader = await cluster.leader();
    await waitFor('a check', () => said(leader, 'finished compaction hash check').length > 0);
    t.same((await leader.client.alarm({})).alarms, [], 'nothing has been compacted yet');
    const { header } = await leader.client.put('after', 'x');
    await leader.client.compact(header?.revision ?? 0n, true);
    t.equal(await alarmOf(cluster), victim.id);
    t.match(said(leader, 'Detected compaction hash mismatch')[0], {
      level: 'error',
      'quorum-exist': true,
      'peer-ids': [victim.id.toString(16)],
    });
    for (const member of cluster.members) {
      await waitFor('the hash', () => said(member, 'storing new hash').length > 0);
    }
    const [own] = said(leader, 'storing new hash');
    const [its] = said(victim, 'storing new hash');
    t.equal(own?.revision, its?.revision);
    t.not(own?.hash, its?.hash);
  });

  t.test(`${engine}: a member compares before it serves`, async (t) => {
    const { cluster, victim } = await damaged(engine, ['--feature-gates=InitialCorruptCheck=true']);
    t.teardown(() => cluster.stop());
    for (const member of cluster.running) {
      t.equal(said(member, 'initial corruption checking passed; no corruption').length, 1);
    }
    const { exited } = victim.launch();
    const { code } = await exited;
    t.equal(code, 1);
    const lines = victim.process.logLines();
    t.match(lines.at(-1), {
      level: 'fatal',
      error: `${victim.id.toString(16)} found data inconsistency with peers`,
    });
    t.ok(said(victim, 'found different hash values from remote peer').length > 0);
    t.notOk(lines.some(({ msg }) => msg === 'ready to serve client requests'));
  });
}

t.test('sound members are found sound, whatever they are at', async (t) => {
  const flags = [
    '--feature-gates=CompactHashCheck=true,InitialCorruptCheck=true',
    '--compact-hash-check-time=300ms',
    '--corrupt-check-time=300ms',
    '--auto-compaction-mode=periodic',
    '--auto-compaction-retention=1s',
  ];
  const cluster = await Cluster.start({ size: 3, engines: ['memory', 'rocksdb'], flags });
  t.teardown(() => cluster.stop());
  const leader = await cluster.leader();
  const writing = Array.from({ length: 8 }, async (_, writer) => {
    const until = Date.now() + 6000;
    for (let i = 0; Date.now() < until; i++) {
      await leader.client.put(`k${writer}-${i % 20}`, `${i}`);
      if (i % 7 === 0) await leader.client.deleteRange({ key: Buffer.from(`k${writer}-3`) });
    }
  });
  const restarted = await cluster.follower();
  await sleep(2000);
  await restarted.stop();
  await restarted.start();
  await Promise.all(writing);
  await waitFor(
    'all of a compaction to be compared',
    () => said(leader, 'successfully checked hash on whole cluster').length > 0,
    20_000,
  );
  t.same((await leader.client.alarm({})).alarms, []);
  const { newest, remembered } = await waitFor('a hash before the next compaction', async () => {
    const newest = said(leader, 'storing new hash').at(-1);
    const asked = leader.client.hashKv(BigInt(Number(newest?.revision)));
    const remembered = await asked.catch(() => undefined);
    return remembered === undefined ? undefined : { newest, remembered };
  });
  t.equal(remembered.hash, newest?.hash, 'HashKV at a compaction says what was remembered');
  t.equal(Number(remembered.compact_revision), newest?.['compact-revision']);
  const checks = said(leader, 'finished peer corruption check');
  t.ok(checks.some((line) => line['number-of-peers-checked'] === 2));
});
