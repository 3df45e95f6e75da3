// The space that a member may use: no limit at all, a member that is over its own limit in a
// cluster whose others are not, and what a start frees by itself.

import t from 'tap';

import { Cluster } from '../../support/cluster/cluster.js';
import { type CallError, EtcdClient } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';
import { waitFor } from '../../support/wait.js';

t.setTimeout(300_000);

const NO_SPACE = { code: 8, details: 'etcdserver: mvcc: database space exceeded' };
const NO_SPACE_ALARM = 1;
const DEACTIVATE = 2;
const value = Buffer.alloc(100_000, 7) as unknown as Uint8Array;
const defragmentPath = '/etcdserverpb.Maintenance/Defragment';

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: no limit, and free space at the start`, async (t) => {
    const flags = ['--quota-backend-bytes=-1'];
    const member = await MemberProcess.start({ engine, flags });
    const client = new EtcdClient(member.endpoint);
    t.teardown(async () => {
      client.close();
      await member.kill();
    });
    t.equal((await client.status()).dbSizeQuota, -1n);
    for (let i = 0; i < 30; i++) {
      await client.put('k', value);
    }
    const { header } = await client.put('k', 'small');
    await client.compact(header?.revision ?? 0n, true);
    const full = await client.status();
    t.ok(full.dbSize - full.dbSizeInUse > 2n << 20n, 'there is something to free');
    await member.stop();

    const said = (text: string) => member.process.logLines().find(({ msg }) => msg === text);
    await member.restart(['--bootstrap-defrag-threshold-megabytes=100']);
    t.match(said('Skipping defragmentation'), {
      'bootstrap-defrag-threshold-bytes': 104857600,
      'bootstrap-defrag-threshold': '105 MB',
      'current-db-size-bytes': Number(full.dbSize),
    });
    t.notOk(said('finished defragment'));
    await member.stop();
    await member.restart(['--bootstrap-defrag-threshold-megabytes=2']);
    t.ok(said('finished defragment'));
    const now = await client.status();
    t.equal(now.dbSize, now.dbSizeInUse);
    t.ok(now.dbSize < 200_000n);
    t.equal((await client.get('k'))?.value.toString(), 'small');
  });
}

t.test('one member over its limit stops all of them; the way back', async (t) => {
  const cluster = await Cluster.start({ size: 3, engines: ['memory', 'rocksdb'] });
  t.teardown(() => cluster.stop());
  const small = await cluster.follower();
  await small.stop();
  small.launch(['--quota-backend-bytes=1000000']);
  await small.ready();
  await cluster.healthy();
  const { client } = await cluster.leader();
  const refused = await waitFor(
    'the alarm to stop writing',
    async () => {
      try {
        await client.put('k', value);
        return false;
      } catch (error) {
        return error as CallError;
      }
    },
    30_000,
  );
  t.match(refused, NO_SPACE);
  const { alarms } = await client.alarm({ alarm: NO_SPACE_ALARM });
  t.same(alarms, [{ memberID: small.id, alarm: NO_SPACE_ALARM }]);
  for (const member of cluster.members) {
    await t.rejects(member.client.put('k', 'v'), NO_SPACE, `${member.name} refuses`);
    await t.rejects(member.client.leaseGrant(60n), NO_SPACE);
    t.match((await member.client.status()).errors, [/^memberID:\d+ alarm:NOSPACE$/]);
  }
  const { header } = await client.deleteRange({ key: Buffer.from('none') });
  await client.compact(header?.revision ?? 0n, true);
  await t.rejects(client.put('k', 'v'), NO_SPACE, 'compacted');
  for (const member of cluster.members) {
    // Only the member that was asked has answered for its own compaction.
    await waitFor(`${member.name} to compact`, async () => {
      const { dbSizeInUse } = await member.client.status();
      return dbSizeInUse < 500_000n;
    });
    await member.client.raw(defragmentPath, new Uint8Array());
  }
  await t.rejects(client.put('k', 'v'), NO_SPACE, 'defragmented');
  await client.alarm({ action: DEACTIVATE, alarm: NO_SPACE_ALARM, memberID: small.id });
  for (const member of cluster.members) {
    await member.client.put('k', 'v');
    t.same((await member.client.status()).errors, []);
  }
});
