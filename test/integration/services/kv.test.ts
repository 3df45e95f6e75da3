// The KV service of a real process over gRPC, on both engines: what a client may ask, what it gets
// back, which errors with which texts.

import t from 'tap';

import { bytes, EtcdClient, prefixEnd } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';

const NONE = 0;
const DESCEND = 2;
const BY_VALUE = 4;

function texts(kvs: readonly { key: Buffer; value: Buffer }[]): string[] {
  return kvs.map(({ key, value }) => `${key}=${value}`);
}

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(engine, async (t) => {
    const member = await MemberProcess.start({ engine });
    const client = new EtcdClient(member.endpoint);
    t.teardown(async () => {
      client.close();
      await member.stop();
    });

    t.test('a fresh store is at revision 1, the first write at 2', async (t) => {
      const empty = await client.range({ key: bytes('a') });
      t.equal(empty.header?.revision, 1n);
      t.equal(empty.count, 0n);
      const put = await client.put('a', '1');
      t.equal(put.header?.revision, 2n);
      t.equal(put.prev_kv, null);
      t.ok((put.header?.cluster_id ?? 0n) > 0n);
      t.ok((put.header?.member_id ?? 0n) > 0n);
      t.ok((put.header?.raft_term ?? 0n) >= 2n);
      const kv = await client.get('a');
      t.match(kv, { create_revision: 2n, mod_revision: 2n, version: 1n, lease: 0n });
      t.equal(kv?.value.toString(), '1');
    });

    t.test('put with prev_kv, ignore_value and ignore_lease', async (t) => {
      const second = await client.put('a', '2', { prev_kv: true });
      t.equal(second.prev_kv?.value.toString(), '1');
      const kept = await client.put('a', '', { ignore_value: true });
      t.equal(kept.header?.revision, 4n);
      t.match(await client.get('a'), { version: 3n, mod_revision: 4n });
      const missing = client.put('none', '', { ignore_value: true });
      await t.rejects(missing, { code: 3, details: 'etcdserver: key not found' });
      const both = client.put('a', 'x', { ignore_value: true });
      await t.rejects(both, { code: 3, details: 'etcdserver: value is provided' });
      const lease = client.put('a', 'x', { ignore_lease: true, lease: 1n });
      await t.rejects(lease, { code: 3, details: 'etcdserver: lease is provided' });
      const unknown = client.put('a', 'x', { lease: 77n });
      await t.rejects(unknown, { code: 5, details: 'etcdserver: requested lease not found' });
    });

    t.test('ranges: prefix, limits, order, counting, history', async (t) => {
      for (const [key, value] of [
        ['r/1', 'c'],
        ['r/2', 'a'],
        ['r/3', 'b'],
      ] as const) {
        await client.put(key, value);
      }
      const all = { key: bytes('r/'), range_end: prefixEnd('r/') };
      t.same(texts((await client.range(all)).kvs), ['r/1=c', 'r/2=a', 'r/3=b']);
      const limited = await client.range({ ...all, limit: 2n });
      t.match(limited, { more: true, count: 3n });
      t.equal(limited.kvs.length, 2);
      const sorted = await client.range({ ...all, sort_order: DESCEND, sort_target: BY_VALUE });
      t.same(texts(sorted.kvs), ['r/1=c', 'r/3=b', 'r/2=a']);
      const counted = await client.range({ ...all, count_only: true });
      t.match(counted, { count: 3n, kvs: [], more: false });
      const keys = await client.range({ ...all, keys_only: true });
      t.same(texts(keys.kvs), ['r/1=', 'r/2=', 'r/3=']);
      const past = await client.range({ ...all, revision: 5n });
      t.same(texts(past.kvs), ['r/1=c']);
      t.equal(past.header?.revision, 7n, 'the header has the present revision');
      const inverted = await client.range({ key: bytes('z'), range_end: bytes('a') });
      t.match(inverted, { count: 0n, kvs: [] });
      const serializable = await client.range({ ...all, serializable: true });
      t.equal(serializable.kvs.length, 3);
    });

    t.test('range errors', async (t) => {
      await t.rejects(client.range({}), { code: 3, details: 'etcdserver: key is not provided' });
      const order = client.range({ key: bytes('a'), sort_order: 9 });
      await t.rejects(order, { code: 3, details: 'etcdserver: invalid sort option' });
      await t.rejects(client.range({ key: bytes('a'), revision: 1000n }), {
        code: 11,
        details: 'etcdserver: mvcc: required revision is a future revision',
      });
    });

    t.test('keys and values are any bytes', async (t) => {
      const key = Uint8Array.from([0, 255, 1, 0]);
      const value = Uint8Array.from(Array.from({ length: 256 }, (_, i) => i));
      await client.put(key, value);
      const found = await client.range({ key });
      t.equal(Buffer.compare(value, found.kvs[0]?.value as unknown as Uint8Array), 0);
      await client.deleteRange({ key });
    });

    t.test('delete', async (t) => {
      const before = await client.range({ key: bytes('a') });
      const nothing = await client.deleteRange({ key: bytes('nothing') });
      t.equal(nothing.deleted, 0n);
      t.equal(nothing.header?.revision, before.header?.revision, 'no change, no revision');
      const all = { key: bytes('r/'), range_end: prefixEnd('r/'), prev_kv: true };
      const deleted = await client.deleteRange(all);
      t.equal(deleted.deleted, 3n);
      t.same(texts(deleted.prev_kvs), ['r/1=c', 'r/2=a', 'r/3=b']);
      t.equal(await client.get('r/1'), undefined);
    });

    t.test('transactions', async (t) => {
      const put = (key: string, value: string) => ({
        request_put: { key: bytes(key), value: bytes(value) },
      });
      const range = (key: string) => ({ request_range: { key: bytes(key) } });
      const guard = { key: bytes('t'), target: 1, result: 0, create_revision: 0n };
      const first = await client.txn({
        compare: [guard],
        success: [put('t', '1'), range('t')],
        failure: [range('t')],
      });
      t.equal(first.succeeded, true);
      t.equal(first.responses[1]?.response_range?.kvs[0]?.value.toString(), '1');
      const second = await client.txn({
        compare: [guard],
        success: [put('t', '2')],
        failure: [range('t')],
      });
      t.equal(second.succeeded, false);
      t.equal(second.responses[0]?.response_range?.kvs[0]?.value.toString(), '1');
      const duplicate = client.txn({ success: [put('d', '1'), put('d', '2')] });
      await t.rejects(duplicate, {
        code: 3,
        details: 'etcdserver: duplicate key given in txn request',
      });
      const many = Array.from({ length: 129 }, (_, i) => put(`m${i}`, ''));
      await t.rejects(client.txn({ success: many }), {
        code: 3,
        details: 'etcdserver: too many operations in txn request',
      });
      await t.rejects(client.txn({ success: [{}] }), {
        code: 3,
        details: 'etcdserver: key not found',
      });
    });

    t.test('compaction hides what is below it', async (t) => {
      const { header } = await client.put('c', '1');
      await client.put('c', '2');
      await client.put('c', '3');
      const first = header?.revision ?? 0n;
      await client.compact(first + 1n, true);
      await t.rejects(client.range({ key: bytes('c'), revision: first }), {
        code: 11,
        details: 'etcdserver: mvcc: required revision has been compacted',
      });
      const at = await client.range({ key: bytes('c'), revision: first + 1n });
      t.equal(at.kvs[0]?.value.toString(), '2');
      await t.rejects(client.compact(first), { code: 11 });
      await t.rejects(client.compact(first + 1000n), {
        code: 11,
        details: 'etcdserver: mvcc: required revision is a future revision',
      });
    });

    t.test('requests that are too large', async (t) => {
      const fits = await client.put('big', Buffer.alloc(1_572_000, 1) as unknown as Uint8Array);
      t.ok(fits.header);
      const large = client.put('big', Buffer.alloc(1_572_864) as unknown as Uint8Array);
      await t.rejects(large, { code: 3, details: 'etcdserver: request is too large' });
      const huge = client.put('big', Buffer.alloc(2_200_000) as unknown as Uint8Array);
      await t.rejects(huge, {
        code: 8,
        details: /^grpc: received message larger than max \(\d+ vs\. 2097152\)$/,
      });
      await client.deleteRange({ key: bytes('big') });
    });

    t.test('bytes that are not the message', async (t) => {
      for (const path of ['KV/Put', 'KV/Range', 'KV/Txn', 'Lease/LeaseGrant', 'KV/Compact']) {
        const call = client.raw(`/etcdserverpb.${path}`, Uint8Array.from([0x0a, 0xff]));
        await t.rejects(call, { code: 13, details: /^grpc: error unmarshalling request: / }, path);
      }
    });

    t.test('RangeStream gives in chunks what Range gives at once', async (t) => {
      for (let i = 0; i < 45; i++) {
        await client.put(`s/${String(i).padStart(2, '0')}`, `v${i}`);
      }
      const request = { key: bytes('s/'), range_end: prefixEnd('s/'), sort_order: NONE };
      const chunks = await client.rangeStream(request);
      t.same(
        chunks.map((chunk) => chunk.kvs.length),
        [10, 20, 15],
      );
      const whole = await client.range(request);
      t.same(texts(chunks.flatMap((chunk) => [...chunk.kvs])), texts(whole.kvs));
      t.equal(chunks[0]?.header, null);
      t.match(chunks[2], { count: 45n, more: false });
      t.same(chunks[2]?.header, whole.header);
      const cut = await client.rangeStream({ ...request, limit: 12n });
      t.same(
        cut.map((chunk) => [chunk.kvs.length, chunk.more]),
        [
          [10, false],
          [2, true],
        ],
      );
      t.equal((await client.rangeStream({ ...request, count_only: true })).length, 1);
      await t.rejects(client.rangeStream({ ...request, sort_order: DESCEND }), {
        code: 12,
        details: 'RangeStream does not support custom sort orders',
      });
      await t.rejects(client.rangeStream({ ...request, min_mod_revision: 1n }), {
        code: 12,
        details: 'RangeStream does not support revision filters',
      });
    });

    t.test('unknown methods and services, and methods to come', async (t) => {
      const nothing = new Uint8Array(0);
      await t.rejects(client.raw('/etcdserverpb.KV/Nope', nothing), {
        code: 12,
        details: 'unknown method Nope for service etcdserverpb.KV',
      });
      await t.rejects(client.raw('/a.B/C', nothing), { code: 12, details: 'unknown service a.B' });
    });

    t.test('many clients at once: every write has a revision of its own', async (t) => {
      const { header } = await client.put('many', '');
      const start = header?.revision ?? 0n;
      const puts = Array.from({ length: 500 }, (_, i) => client.put(`many/${i % 50}`, `${i}`));
      const revisions = (await Promise.all(puts)).map((put) => put.header?.revision ?? 0n);
      const ordered = [...revisions].sort((a, b) => (a < b ? -1 : 1));
      t.equal(ordered[0], start + 1n);
      t.equal(ordered[499], start + 500n);
      t.equal(new Set(revisions).size, 500);
    });
  });
}
