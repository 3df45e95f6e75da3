// Maintenance, Cluster and Health of a real process over gRPC: what each says of a single member,
// and the way into a full database and back, on both engines.

import t from 'tap';

import * as rpc from '../../../src/base/proto/messages.js';
import { type CallError, EtcdClient } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';
import { waitFor } from '../../support/wait.js';

const view = (buffer: Buffer): Uint8Array => buffer as unknown as Uint8Array;
const FINISHED = 'finished scheduled compaction';
const NO_SPACE = { code: 8, details: 'etcdserver: mvcc: database space exceeded' };

t.jobs = 3; // Members of their own, which mostly wait.
for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: a physical compaction takes as long as it takes`, async (t) => {
    const flags = ['--compaction-batch-limit=1', '--compaction-sleep-interval=1s'];
    const member = await MemberProcess.start({ engine, flags });
    const client = new EtcdClient(member.endpoint);
    t.teardown(async () => {
      client.close();
      await member.stop();
    });
    for (let i = 0; i < 10; i++) {
      await client.put('a', `${i}`);
    }
    const startedMs = Date.now();
    await client.compact(10n, true, { timeoutMs: 60_000 });
    t.ok(Date.now() - startedMs > 7000, 'longer than the request timeout');
    const finished = () => member.process.logLines().find((line) => line.msg === FINISHED);
    await waitFor('the log line', () => finished() !== undefined);
    t.match(finished(), { level: 'info', 'compact-revision': 10, took: /ms$/ });
  });

  t.test(`${engine}: status, hashes, members, health`, async (t) => {
    const member = await MemberProcess.start({ engine });
    const client = new EtcdClient(member.endpoint);
    t.teardown(async () => {
      client.close();
      await member.stop();
    });
    const ask = async (path: string, request: Buffer) =>
      view(await client.raw(path, view(request)));
    const maintenance = (method: string, request: Buffer) =>
      ask(`/etcdserverpb.Maintenance/${method}`, request);

    t.test('status', async (t) => {
      const put = await client.put('a', '1');
      const status = await client.status();
      t.match(status, {
        version: '3.7.1',
        storageVersion: '3.7.0',
        errors: [],
        isLearner: false,
        dbSizeQuota: 2n ** 31n,
        downgradeInfo: { enabled: false, targetVersion: '' },
      });
      t.same(status.header, put.header);
      t.equal(status.leader, status.header?.member_id);
      t.ok(status.dbSize > 0n && status.dbSize < 53_248n);
      t.ok(status.dbSizeInUse > 0n && status.dbSizeInUse <= status.dbSize);
      t.ok(status.raftAppliedIndex > 0n && status.raftAppliedIndex <= status.raftIndex);
      t.equal(status.raftTerm, status.header?.raft_term);
    });

    t.test('hashes', async (t) => {
      const hash = await client.hashKv();
      t.equal(hash.hash_revision, hash.header?.revision);
      t.equal(hash.compact_revision, -1n);
      t.same((await client.hashKv(hash.hash_revision)).hash, hash.hash);
      await client.put('a', '2');
      t.not((await client.hashKv()).hash, hash.hash);
      await t.rejects(client.hashKv(1000n), { code: 11 });
      const whole = rpc.hashResponse.decode(await maintenance('Hash', Buffer.alloc(0)));
      t.ok(whole.hash > 0);
    });

    t.test('members, without a revision in the header', async (t) => {
      const list = await client.memberList();
      const url = `http://${member.endpoint}`;
      t.match(list.members, [{ name: 'm1', clientURLs: [url], isLearner: false }]);
      t.equal(list.members[0]?.peerURLs.length, 1);
      t.equal(list.header?.revision, 0n);
      t.equal(list.header?.member_id, list.members[0]?.ID);
      t.same((await client.memberList(false)).members, list.members);
    });

    t.test('moving the leader of one', async (t) => {
      const { leader } = await client.status();
      const self = rpc.moveLeaderRequest.encode({ targetID: leader });
      t.equal((await maintenance('MoveLeader', self)).length, 0, 'no header');
      const other = rpc.moveLeaderRequest.encode({ targetID: 1n });
      await t.rejects(maintenance('MoveLeader', other), {
        code: 9,
        details: 'etcdserver: bad leader transferee',
      });
    });

    t.test('downgrades', async (t) => {
      const downgrade = (action: number, version: string) =>
        maintenance('Downgrade', rpc.downgradeRequest.encode({ action, version }));
      t.equal(rpc.downgradeResponse.decode(await downgrade(0, '3.6')).version, '3.7');
      t.equal(rpc.downgradeResponse.decode(await downgrade(2, '')).version, '3.7');
      await t.rejects(downgrade(0, 'x'), {
        code: 3,
        details: 'etcdserver: wrong downgrade target version format',
      });
      await t.rejects(downgrade(0, '3.5.0'), {
        code: 3,
        details: 'etcdserver: invalid downgrade target version',
      });
      await t.rejects(downgrade(9, '3.6'), { code: 2, details: 'etcdserver: unknown method' });
    });

    t.test('health', async (t) => {
      const path = '/grpc.health.v1.Health/';
      const check = (service: string) =>
        ask(`${path}Check`, rpc.healthCheckRequest.encode({ service }));
      t.same(rpc.healthCheckResponse.decode(await check('')), { status: 1 });
      await t.rejects(check('x'), { code: 5, details: 'unknown service' });
      const list = rpc.healthListResponse.decode(await ask(`${path}List`, Buffer.alloc(0)));
      t.same(list, { statuses: { '': { status: 1 } } });
      const watch = client.stream(`${path}Watch`);
      watch.send(rpc.healthCheckRequest.encode({ service: 'x' }));
      watch.end();
      t.same(rpc.healthCheckResponse.decode(view(await watch.next())), { status: 3 });
      watch.cancel();
    });
  });

  t.test(`${engine}: a full database, and back`, async (t) => {
    const member = await MemberProcess.start({ engine, flags: ['--quota-backend-bytes=53248'] });
    const client = new EtcdClient(member.endpoint);
    t.teardown(async () => {
      client.close();
      await member.stop();
    });
    await client.put('small', '1');
    const value = Buffer.alloc(4096, 7) as unknown as Uint8Array;
    const refused = await waitFor('the quota', async () => {
      try {
        await client.put('k', value);
        return false;
      } catch (error) {
        return error as CallError;
      }
    });
    t.match(refused, NO_SPACE);
    await waitFor('the alarm', async () => (await client.status()).errors.length > 0);
    const { leader, errors } = await client.status();
    t.same(errors, [`memberID:${leader} alarm:NOSPACE`]);
    t.same((await client.alarm({ action: 0 })).alarms, [{ memberID: leader, alarm: 1 }]);
    const deleted = await client.deleteRange({ key: Buffer.from('k') as unknown as Uint8Array });
    t.equal(deleted.deleted, 1n, 'deleting works');
    await client.compact(deleted.header?.revision ?? 0n, true);
    await t.rejects(client.put('small', '2'), NO_SPACE, 'still refused');
    await client.raw('/etcdserverpb.Maintenance/Defragment', new Uint8Array(0));
    await t.rejects(client.leaseGrant(10n), NO_SPACE, 'until the alarm is taken back');
    const disarmed = await client.alarm({ action: 2, memberID: leader, alarm: 1 });
    t.same(disarmed.alarms, [{ memberID: leader, alarm: 1 }]);
    t.ok((await client.put('small', '3')).header);
    t.same((await client.status()).errors, []);
  });
}
