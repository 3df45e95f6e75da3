// The Lock and Election services on one member and on three: whose turn it is across members, what
// a cancelled call leaves behind, and that a waiting call does not hold up a stop.

import t, { type Test } from 'tap';

import type { Codec, Partially } from '../../../src/base/proto/codec.js';
import * as messages from '../../../src/base/proto/concurrency-messages.js';
import { Cluster } from '../../support/cluster/cluster.js';
import { bytes, type CallError, EtcdClient, prefixEnd } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';
import { sleep, waitFor, within } from '../../support/wait.js';

t.setTimeout(300_000);

const view = (buffer: Buffer): Uint8Array => buffer as unknown as Uint8Array;
const arriveMs = 200;

async function call<A, B>(
  client: EtcdClient,
  path: string,
  [requests, answers]: readonly [Codec<A>, Codec<B>],
  request: Partially<A>,
  timeoutMs = 10_000,
): Promise<B> {
  const answer = await client.raw(path, view(requests.encode(request)), { timeoutMs });
  return answers.decode(view(answer));
}

const lock = (client: EtcdClient, name: string, lease: bigint, timeoutMs?: number) =>
  call(
    client,
    '/v3lockpb.Lock/Lock',
    [messages.lockRequest, messages.lockResponse],
    { name: Buffer.from(name), lease },
    timeoutMs,
  );
const unlock = (client: EtcdClient, key: Buffer) =>
  call(client, '/v3lockpb.Lock/Unlock', [messages.unlockRequest, messages.unlockResponse], { key });
const campaign = (client: EtcdClient, name: string, lease: bigint, value: string) =>
  call(
    client,
    '/v3electionpb.Election/Campaign',
    [messages.campaignRequest, messages.campaignResponse],
    { name: Buffer.from(name), lease, value: Buffer.from(value) },
  );

async function keysBelow(client: EtcdClient, prefix: string): Promise<string[]> {
  const { kvs } = await client.range({ key: bytes(prefix), range_end: prefixEnd(prefix) });
  return kvs.map(({ key }) => key.toString());
}

/** Nothing is left of calls that were given up, however they ended. */
async function cancelled(t: Test, client: EtcdClient): Promise<void> {
  const first = (await client.leaseGrant(60n)).ID;
  const second = (await client.leaseGrant(60n)).ID;
  const held = await lock(client, 'c', first);
  await t.rejects(lock(client, 'c', second, 500), { code: 4 });
  const stream = client.stream('/v3lockpb.Lock/Lock');
  stream.send(messages.lockRequest.encode({ name: Buffer.from('c'), lease: second }));
  stream.end();
  await waitFor('the second key', async () => (await keysBelow(client, 'c/')).length === 2);
  stream.cancel();
  await waitFor('the second key to go', async () => (await keysBelow(client, 'c/')).length === 1);
  t.same(await keysBelow(client, 'c/'), [held.key.toString()]);
  await unlock(client, held.key);
  t.same(await keysBelow(client, 'c/'), []);
}

/** A lease of the server's own: sixty seconds, and not renewed. */
async function ownLease(t: Test, client: EtcdClient): Promise<void> {
  const { key } = await lock(client, 'own', 0n);
  const kv = await client.get(key.toString());
  t.ok(kv !== undefined && kv.lease !== 0n, 'the key hangs on a lease');
  t.equal(key.toString(), `own/${(kv?.lease ?? 0n).toString(16)}`);
  const { grantedTTL } = await client.leaseTimeToLive(kv?.lease ?? 0n);
  t.equal(grantedTTL, 60n);
}

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: one member`, async (t) => {
    const member = await MemberProcess.start({ engine });
    const client = new EtcdClient(member.endpoint);
    t.teardown(async () => {
      client.close();
      if (member.process.alive) await member.kill();
    });
    await cancelled(t, client);
    await ownLease(t, client);

    await t.test('a compaction does not disturb who waits', async (t) => {
      const [a, b] = [(await client.leaseGrant(60n)).ID, (await client.leaseGrant(60n)).ID];
      const held = await lock(client, 'k', a);
      const waiting = lock(client, 'k', b);
      await waitFor('the second key', async () => (await keysBelow(client, 'k/')).length === 2);
      const { header } = await client.put('x', 'y');
      await client.compact(header?.revision ?? 0n, true);
      await unlock(client, held.key);
      t.equal((await waiting).key.toString(), `k/${b.toString(16)}`);
    });

    await t.test('whoever waits is told of the end at once', async (t) => {
      const [a, b] = [(await client.leaseGrant(60n)).ID, (await client.leaseGrant(60n)).ID];
      await lock(client, 's', a);
      const waiting = lock(client, 's', b, 60_000);
      waiting.catch(() => undefined);
      await waitFor('the second key', async () => (await keysBelow(client, 's/')).length === 2);
      const startedMs = Date.now();
      const stopped = member.stop();
      await t.rejects(waiting, { code: 14 } as CallError);
      await stopped;
      t.ok(Date.now() - startedMs < 5000, 'the stop does not wait for the lock');
    });
  });
}

t.test('three members', async (t) => {
  const cluster = await Cluster.start({ size: 3, engines: ['memory', 'rocksdb'] });
  t.teardown(() => cluster.stop());
  const clients = cluster.members.map(({ client }) => client);
  const leases = await Promise.all(clients.map(async (one) => (await one.leaseGrant(60n)).ID));

  await t.test('a lock goes from member to member, in turn', async (t) => {
    const order: number[] = [];
    const waits: Promise<void>[] = [];
    for (const [i, client] of clients.entries()) {
      const wait = lock(client, 'turn', leases[i] ?? 0n, 30_000).then(async ({ key, header }) => {
        order.push(i);
        t.ok((header?.revision ?? 0n) > 0n);
        await sleep(arriveMs);
        t.equal(order.at(-1), i, 'nobody else has it meanwhile');
        await unlock(client, key);
      });
      waits.push(wait);
      await waitFor('the key', async () => {
        const keys = await keysBelow(client, 'turn/');
        return keys.includes(`turn/${(leases[i] ?? 0n).toString(16)}`) || order.includes(i);
      });
    }
    await Promise.all(waits);
    t.same(order, [0, 1, 2]);
  });

  await t.test('an election goes on when the elected one is revoked', async (t) => {
    const [one, two] = clients as [EtcdClient, EtcdClient];
    const elected = await campaign(one, 'el', leases[0] ?? 0n, 'one');
    t.equal(elected.leader?.lease, leases[0]);
    const next = campaign(two, 'el', leases[1] ?? 0n, 'two');
    const observing = two.stream('/v3electionpb.Election/Observe');
    t.teardown(() => observing.cancel());
    observing.send(messages.leaderRequest.encode({ name: Buffer.from('el') }));
    observing.end();
    const seen = async () => {
      const { kv } = messages.leaderResponse.decode(view(await observing.next()));
      return kv?.value.toString();
    };
    t.equal(await seen(), 'one');
    await sleep(arriveMs);
    await one.leaseRevoke(leases[0] ?? 0n);
    t.equal((await within('the next one', next)).leader?.lease, leases[1]);
    t.equal(await seen(), 'two');
  });
});
