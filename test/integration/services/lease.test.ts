// The Lease service of a real process over gRPC, on both engines: granting, renewing, expiry, and
// what a restart does to the time that is left.

import t from 'tap';

import * as rpc from '../../../src/base/proto/messages.js';
import { EtcdClient } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';
import { sleep, waitFor } from '../../support/wait.js';

const NOT_FOUND = { code: 5, details: 'etcdserver: requested lease not found' };

t.jobs = 2; // Leases are waited for, with either engine.
for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(engine, async (t) => {
    const member = await MemberProcess.start({ engine });
    let client = new EtcdClient(member.endpoint);
    t.teardown(async () => {
      client.close();
      await member.stop();
    });

    t.test('grant, attach, look, revoke', async (t) => {
      const granted = await client.leaseGrant(100n, 0x77n);
      t.match(granted, { ID: 0x77n, TTL: 100n, error: '' });
      await client.put('a', '1', { lease: 0x77n });
      await client.put('b', '1', { lease: 0x77n });
      const look = await client.leaseTimeToLive(0x77n, true);
      t.equal(look.grantedTTL, 100n);
      t.ok(look.TTL === 99n || look.TTL === 100n);
      t.same(look.keys.map(String).sort(), ['a', 'b']);
      t.same((await client.leaseTimeToLive(0x77n)).keys, []);
      const before = await client.get('a');
      t.equal(before?.lease, 0x77n);
      const revoked = await client.leaseRevoke(0x77n);
      const after = await client.range({ key: before?.key as unknown as Uint8Array });
      t.equal(after.count, 0n);
      t.equal(revoked.header?.revision, after.header?.revision);
      t.equal(revoked.header?.revision, (before?.mod_revision ?? 0n) + 2n, 'one revision for both');
    });

    t.test('grants: chosen ids, minimum, errors', async (t) => {
      const chosen = await client.leaseGrant(0n);
      t.ok(chosen.ID > 0n);
      t.equal(chosen.TTL, 2n, 'raised to the minimum');
      const negative = await client.leaseGrant(100n, -5n);
      t.equal(negative.ID, -5n);
      await t.rejects(client.leaseGrant(10n, -5n), {
        code: 9,
        details: 'etcdserver: lease already exists',
      });
      await t.rejects(client.leaseGrant(9_000_000_001n), {
        code: 11,
        details: 'etcdserver: too large lease TTL',
      });
      await t.rejects(client.leaseRevoke(424242n), NOT_FOUND);
      await client.leaseRevoke(-5n);
    });

    t.test('what is said of leases that do not exist', async (t) => {
      const look = await client.leaseTimeToLive(4242n);
      t.match(look, { ID: 4242n, TTL: -1n, grantedTTL: 0n });
      t.match(await client.keepAliveOnce(4242n), { ID: 4242n, TTL: 0n });
    });

    t.test('keep-alive holds a lease beyond its time; then it ends with its keys', async (t) => {
      const { ID } = await client.leaseGrant(4n);
      await client.put('kept', '1', { lease: ID });
      const stream = client.stream('/etcdserverpb.Lease/LeaseKeepAlive');
      let since = 0;
      for (let i = 0; i < 5; i++) {
        await sleep(900);
        since = performance.now();
        stream.send(rpc.leaseKeepAliveRequest.encode({ ID }));
        const answer = rpc.leaseKeepAliveResponse.decode(
          (await stream.next()) as unknown as Uint8Array,
        );
        t.match(answer, { ID, TTL: 4n });
      }
      t.ok(await client.get('kept'));
      await waitFor('expiry', async () => (await client.get('kept')) === undefined, 20_000, 50);
      const tookMs = performance.now() - since;
      t.ok(tookMs > 3900, `${tookMs} ms`);
      stream.send(rpc.leaseKeepAliveRequest.encode({ ID }));
      const late = await stream.next();
      t.equal(rpc.leaseKeepAliveResponse.decode(late as unknown as Uint8Array).TTL, 0n);
      stream.end();
      t.equal((await stream.ended).code, 0);
    });

    t.test('a watcher sees keys go', async (t) => {
      const { ID } = await client.leaseGrant(2n);
      const watch = client.watch();
      watch.create({ key: Buffer.from('gone') as unknown as Uint8Array, prev_kv: true });
      await watch.next();
      await client.put('gone', '1', { lease: ID });
      const [put, deleted] = await watch.events(2);
      t.equal(put?.kv?.lease, ID);
      t.equal(deleted?.type, 1);
      t.equal(deleted?.prev_kv?.value.toString(), '1');
      watch.cancel();
    });

    t.test('leases are listed by the time that is left', async (t) => {
      await client.leaseGrant(3000n, 31n);
      await client.leaseGrant(1000n, 32n);
      await client.leaseGrant(2000n, 33n);
      const { leases } = await client.leases();
      const own = leases.map(({ ID }) => ID).filter((ID) => ID >= 31n && ID <= 33n);
      t.same(own, [32n, 33n, 31n]);
    });

    t.test('a restart keeps leases and their keys, and gives the time again', async (t) => {
      await client.leaseGrant(500n, 41n);
      await client.put('leased', '1', { lease: 41n });
      await client.leaseGrant(2n, 42n);
      await client.put('short', '1', { lease: 42n });
      await client.leaseRevoke(33n);
      client.close();
      await member.kill();
      await member.restart();
      client = new EtcdClient(member.endpoint);
      const look = await client.leaseTimeToLive(41n, true);
      t.equal(look.grantedTTL, 500n);
      t.ok(look.TTL >= 490n && look.TTL <= 501n, 'from the start on, which may be slow');
      t.same(look.keys.map(String), ['leased']);
      const { leases } = await client.leases();
      t.notOk(leases.some(({ ID }) => ID === 33n));
      t.ok(leases.some(({ ID }) => ID === 31n));
      await waitFor('expiry', async () => (await client.get('short')) === undefined, 8000, 100);
    });
  });
}
