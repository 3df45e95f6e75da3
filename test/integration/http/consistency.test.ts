// One store behind three ways in: what goes in by gRPC, by JSON or by /kv is there for the others
// at once, with the same revisions; both engines alike.

import t, { type Test } from 'tap';

import { bytes } from '../../support/etcd/client.js';
import { base64, engines, type HttpSubject, Lines, startSubject } from './support.js';

/** What each way in reads of a key. */
async function readings(subject: HttpSubject, key: string): Promise<(string | null)[]> {
  const kv = await subject.grpc.get(key);
  const json = await subject.jsonGet(key);
  const plain = await subject.fetch(`/kv/${encodeURIComponent(key)}`);
  return [kv?.value.toString() ?? null, json, plain.status === 200 ? plain.text : null];
}

async function writes(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. write by each way, read by all');
  await subject.grpc.put('by/grpc', 'one');
  const json = await subject.post('kv/put', { key: base64('by/json'), value: base64('two') });
  t.equal(json.status, 200);
  const plain = await subject.fetch('/kv/by%2Fkv', { method: 'PUT', body: 'three' });
  t.equal(plain.status, 200);
  t.same(await readings(subject, 'by/grpc'), ['one', 'one', 'one']);
  t.same(await readings(subject, 'by/json'), ['two', 'two', 'two']);
  t.same(await readings(subject, 'by/kv'), ['three', 'three', 'three']);
  t.comment('2. overwrite by another way');
  await subject.fetch('/kv/by%2Fgrpc', { method: 'PUT', body: 'four' });
  await subject.grpc.put('by/json', 'five');
  await subject.post('kv/put', { key: base64('by/kv'), value: base64('six') });
  t.same(await readings(subject, 'by/grpc'), ['four', 'four', 'four']);
  t.same(await readings(subject, 'by/json'), ['five', 'five', 'five']);
  t.same(await readings(subject, 'by/kv'), ['six', 'six', 'six']);
  t.comment('3. delete by another way');
  await subject.fetch('/kv/by%2Fgrpc', { method: 'DELETE' });
  await subject.grpc.deleteRange({ key: bytes('by/json') });
  await subject.post('kv/deleterange', { key: base64('by/kv') });
  for (const key of ['by/grpc', 'by/json', 'by/kv']) {
    t.same(await readings(subject, key), [null, null, null], key);
  }
}

async function revisions(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. three writes of a key, each by another way');
  const first = await subject.grpc.put('rev', '1');
  const second = await subject.post('kv/put', { key: base64('rev'), value: base64('2') });
  const third = await subject.fetch('/kv/rev', { method: 'PUT', body: '3' });
  const start = Number(first.header?.revision);
  t.equal((second.json().header as { revision: string }).revision, String(start + 1));
  t.equal(third.headers.get('x-metastore-revision'), String(start + 2));
  t.comment('2. all see the same history');
  for (let i = 0; i < 3; i += 1) {
    const revision = start + i;
    const { kvs } = await subject.grpc.range({ key: bytes('rev'), revision: BigInt(revision) });
    const json = await subject.post('kv/range', { key: base64('rev'), revision });
    const plain = await subject.fetch(`/kv/rev?rev=${revision}`);
    t.equal(kvs[0]?.value.toString(), String(i + 1));
    t.match(json.json(), {
      kvs: [{ value: base64(String(i + 1)), mod_revision: String(revision) }],
    });
    t.equal(plain.text, String(i + 1));
    t.equal(plain.headers.get('x-metastore-mod-revision'), String(revision));
    t.equal(plain.headers.get('x-metastore-create-revision'), String(start));
    t.equal(plain.headers.get('x-metastore-version'), String(i + 1));
  }
  t.comment('3. what is compacted is compacted for all');
  await subject.post('kv/compaction', { revision: start + 2 });
  const gone = 'etcdserver: mvcc: required revision has been compacted';
  const old = { key: bytes('rev'), revision: BigInt(start) };
  await t.rejects(subject.grpc.range(old), { code: 11, details: gone });
  const json = await subject.post('kv/range', { key: base64('rev'), revision: start });
  t.same([json.status, json.json()], [400, { code: 11, message: gone }]);
  const plain = await subject.fetch(`/kv/rev?rev=${start}`);
  t.same([plain.status, plain.json()], [400, { code: 11, message: gone }]);
}

async function transactions(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. create by JSON if it is not there');
  const create = {
    compare: [{ key: base64('txn'), target: 'CREATE', create_revision: '0' }],
    success: [{ request_put: { key: base64('txn'), value: base64('made') } }],
    failure: [{ request_range: { key: base64('txn') } }],
  };
  const made = await subject.post('kv/txn', create);
  t.match(made.json(), { succeeded: true, responses: [{ response_put: {} }] });
  t.same(await readings(subject, 'txn'), ['made', 'made', 'made']);
  t.comment('2. again: the other branch');
  const again = (await subject.post('kv/txn', create)).json();
  t.equal(again.succeeded, undefined);
  t.match(again, { responses: [{ response_range: { kvs: [{ value: base64('made') }] } }] });
  t.comment('3. a swap by gRPC is seen by JSON');
  const { succeeded } = await subject.grpc.txn({
    compare: [{ key: bytes('txn'), target: 3, value: bytes('made') }],
    success: [{ request_put: { key: bytes('txn'), value: bytes('swapped') } }],
  });
  t.ok(succeeded);
  t.equal(await subject.jsonGet('txn'), 'swapped');
}

async function leases(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. a lease granted by JSON holds keys of all ways');
  t.match((await subject.post('lease/grant', { TTL: 100, ID: 77 })).json(), {
    ID: '77',
    TTL: '100',
  });
  await subject.grpc.put('lease/a', 'a', { lease: 77n });
  await subject.post('kv/put', { key: base64('lease/b'), value: 'Yg==', lease: '77' });
  const put = await subject.fetch('/kv/lease%2Fc?lease=77', { method: 'PUT', body: 'c' });
  t.equal(put.status, 200);
  const held = await subject.fetch('/kv/lease%2Fc');
  t.equal(held.headers.get('x-metastore-lease'), '77');
  const { keys } = await subject.grpc.leaseTimeToLive(77n, true);
  t.same(keys.map(String).sort(), ['lease/a', 'lease/b', 'lease/c']);
  t.comment('2. renewed by JSON, revoked by gRPC: all keys go');
  t.match((await subject.post('lease/keepalive', { ID: 77 })).json(), { result: { TTL: '100' } });
  await subject.grpc.leaseRevoke(77n);
  for (const key of ['lease/a', 'lease/b', 'lease/c']) {
    t.same(await readings(subject, key), [null, null, null], key);
  }
}

async function events(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. watch by JSON');
  const create = {
    create_request: { key: base64('ev/'), range_end: base64('ev0'), prev_kv: true },
  };
  const lines = await Lines.open(`${subject.url}/v3/watch`, JSON.stringify(create));
  t.match(await lines.next(), { result: { created: true } });
  t.comment('2. change by all ways');
  await subject.grpc.put('ev/1', 'grpc');
  await subject.post('kv/put', { key: base64('ev/2'), value: base64('json') });
  await subject.fetch('/kv/ev%2F3', { method: 'PUT', body: 'kv' });
  await subject.fetch('/kv/ev%2F?prefix', { method: 'DELETE' });
  t.comment('3. every change is told, in order');
  const seen: string[] = [];
  while (seen.length < 6) {
    const { result } = (await lines.next()) as { result: { events: Record<string, never>[] } };
    for (const { type, kv, prev_kv } of result.events as unknown as {
      type?: string;
      kv: { key: string; value?: string };
      prev_kv?: { value: string };
    }[]) {
      const value = Buffer.from(kv.value ?? prev_kv?.value ?? '', 'base64').toString();
      seen.push(`${type ?? 'PUT'} ${Buffer.from(kv.key, 'base64')} ${value}`);
    }
  }
  t.same(seen, [
    'PUT ev/1 grpc',
    'PUT ev/2 json',
    'PUT ev/3 kv',
    'DELETE ev/1 grpc',
    'DELETE ev/2 json',
    'DELETE ev/3 kv',
  ]);
  lines.close();
}

async function manyAtOnce(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. 300 writers, a third by each way');
  const write = [
    (key: string) => subject.grpc.put(key, key),
    (key: string) => subject.post('kv/put', { key: base64(key), value: base64(key) }),
    (key: string) => subject.fetch(`/kv/${encodeURIComponent(key)}`, { method: 'PUT', body: key }),
  ];
  const keys = Array.from({ length: 300 }, (_, i) => `many/${String(i).padStart(3, '0')}`);
  await Promise.all(keys.map((key, i) => write[i % write.length]?.(key)));
  t.comment('2. all ways read the same range');
  const { kvs } = await subject.grpc.range({ key: bytes('many/'), range_end: bytes('many0') });
  t.same(
    kvs.map((kv) => kv.value.toString()),
    keys,
  );
  const range = { key: base64('many/'), range_end: base64('many0') };
  const json = await subject.post('kv/range', range);
  const plain = await subject.fetch('/kv/many%2F?prefix');
  t.equal(plain.text, json.text, '/kv ranges are those of the gateway');
  t.same(
    (json.json().kvs as { value: string }[]).map((kv) => String(Buffer.from(kv.value, 'base64'))),
    keys,
  );
  t.equal(new Set(kvs.map((kv) => kv.mod_revision)).size, 300, 'a revision for each');
}

t.setTimeout(300_000);
for (const engine of engines) {
  t.test(engine, async (t) => {
    const subject = await startSubject(t, engine);
    await t.test('writes, reads and deletes', (t) => writes(t, subject));
    await t.test('revisions and compaction', (t) => revisions(t, subject));
    await t.test('transactions', (t) => transactions(t, subject));
    await t.test('leases', (t) => leases(t, subject));
    await t.test('events', (t) => events(t, subject));
    await t.test('many at once', (t) => manyAtOnce(t, subject));
  });
}
