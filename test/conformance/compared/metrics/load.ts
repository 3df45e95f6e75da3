// One scripted load, the same for every server: each kind of request once or a few times, with
// known outcomes, so that what was counted afterwards can be compared.

import { bytes, type EtcdClient, prefixEnd } from '../../../support/etcd/client.js';
import { calls } from '../../support/calls.js';

/** Refusals are part of the load. */
async function refused(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch {
    return;
  }
  throw new Error('was not refused');
}

async function writes(client: EtcdClient): Promise<void> {
  await client.put('a', '1');
  await client.put('a', '22', { prev_kv: true });
  await client.put('b', '333');
  await refused(client.put('c', '1', { lease: 77n }));
  await refused(client.put('nothing', '', { ignore_value: true }));
  await client.put('b', '', { ignore_value: true });
  for (let i = 0; i < 10; i++) {
    await client.put(`many/${i}`, 'value');
  }
  await client.deleteRange({ key: bytes('many/0') });
  await client.deleteRange({ key: bytes('many/'), range_end: prefixEnd('many/'), prev_kv: true });
  await client.deleteRange({ key: bytes('nobody') });
}

async function reads(client: EtcdClient): Promise<void> {
  await client.range({ key: bytes('a') });
  await client.range({ key: bytes('a'), serializable: true });
  await client.range({ key: bytes('\0'), range_end: bytes('\0'), count_only: true });
  await refused(client.range({ key: bytes('a'), revision: 10_000n }));
}

async function transactions(client: EtcdClient): Promise<void> {
  const compare = { key: bytes('a'), target: 3, value: bytes('22') };
  const put = (key: string) => ({ request_put: { key: bytes(key), value: bytes('t') } });
  const get = (key: string) => ({ request_range: { key: bytes(key) } });
  await client.txn({ compare: [compare], success: [put('t1'), put('t2')] });
  await client.txn({ compare: [compare, compare], success: [put('t1')], failure: [] });
  await client.txn({ compare: [compare], success: [get('a')], failure: [] });
  await client.txn({ success: [get('a'), get('b')] });
  await client.txn({ success: [get('a')] });
  await client.txn({ success: [put('t3'), get('t3'), put('t4')] });
  await client.txn({
    success: [
      {
        request_put: {
          key: bytes('t3'),
          value: bytes('u'),
          prev_kv: true,
        },
      },
    ],
  });
  await refused(client.txn({ success: [put('same'), put('same')] }));
}

async function leases(client: EtcdClient): Promise<void> {
  await client.leaseGrant(30n, 1001n);
  await client.leaseGrant(600n, 1002n);
  await refused(client.leaseGrant(30n, 1001n));
  await client.put('leased/1', 'x', { lease: 1001n });
  await client.put('leased/2', 'x', { lease: 1001n });
  const renewals = client.stream(calls.keepAlive.path);
  for (let i = 0; i < 2; i++) {
    renewals.send(calls.keepAlive.encode({ ID: 1001n }));
    await renewals.next();
  }
  // In order, so that it is no question who ended it.
  renewals.end();
  await renewals.ended;
  await client.leaseTimeToLive(1001n, true);
  await client.leases();
  await client.leaseRevoke(1001n);
  await refused(client.leaseRevoke(1001n));
}

async function watches(client: EtcdClient): Promise<void> {
  const stream = client.watch();
  stream.create({ key: bytes('w/'), range_end: prefixEnd('w/') });
  await stream.next();
  stream.create({ key: bytes('w/1'), watch_id: 7n });
  await stream.next();
  await client.put('w/1', 'x');
  await stream.events(2);
  await client.put('w/2', 'x');
  await stream.events(1);
  stream.send({ cancel_request: { watch_id: 7n } });
  await stream.next();
  // Ended by the client in order.
  stream.stream.end();
  stream.cancel();
  await stream.stream.ended;
}

async function upkeep(client: EtcdClient): Promise<void> {
  const status = await client.status();
  const revision = status.header?.revision ?? 0n;
  await client.compact(revision - 3n, true);
  await refused(client.compact(revision - 3n));
  await refused(client.compact(revision + 100n));
  await client.hashKv();
  await client.hashKv();
  await client.alarm({ action: 0 });
  await client.memberList();
  await client.raw(calls.defragment.path, calls.defragment.encode({}));
  await client.raw(calls.healthCheck.path, calls.healthCheck.encode({}));
  await refused(client.raw('/etcdserverpb.KV/Unknown', bytes('')));
  await refused(client.raw('/etcdserverpb.KV/Put', bytes('\xff\xff')));
}

/** Runs all of it against one server. */
export async function runLoad(client: EtcdClient): Promise<void> {
  await writes(client);
  await reads(client);
  await transactions(client);
  await leases(client);
  await watches(client);
  await upkeep(client);
}
