// Maintenance.Snapshot of a real process over gRPC, without any of etcd's tools: the form of the
// stream, writers that go on beside a client that does not read, a client that goes away, a member
// that stops, and members that have no leader.

import { createHash } from 'node:crypto';
import t from 'tap';

import * as rpc from '../../../src/base/proto/messages.js';
import { Cluster } from '../../support/cluster/cluster.js';
import { EtcdClient } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';
import { waitFor, within } from '../../support/wait.js';

const PATH = '/etcdserverpb.Maintenance/Snapshot';
const BLOB_BYTES = 32_768;
const PAGE_BYTES = 4096;
const view = (buffer: Buffer): Uint8Array => buffer as unknown as Uint8Array;

function begin(client: EtcdClient) {
  const stream = client.stream(PATH);
  stream.send(Buffer.alloc(0));
  stream.end();
  return stream;
}

async function collect(stream: ReturnType<typeof begin>): Promise<rpc.SnapshotResponse[]> {
  const { code, details } = await within('the whole stream', stream.ended, 60_000);
  if (code !== 0) throw new Error(`${code}: ${details}`);
  const messages: rpc.SnapshotResponse[] = [];
  while (stream.buffered > 0) {
    messages.push(rpc.snapshotResponse.decode(view(await stream.next())));
  }
  return messages;
}

function databaseOf(messages: readonly rpc.SnapshotResponse[]): Buffer {
  return Buffer.concat(messages.slice(0, -1).map(({ blob }) => view(Buffer.from(blob))));
}

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: the stream, and what goes on beside it`, async (t) => {
    const member = await MemberProcess.start({ engine });
    const client = new EtcdClient(member.endpoint);
    const other = new EtcdClient(member.endpoint);
    t.teardown(async () => {
      client.close();
      other.close();
      await member.stop();
    });
    const value = view(Buffer.alloc(100_000, 'value '));
    for (let i = 0; i < 80; i++) await client.put(`k${i % 8}`, value);

    t.test('its form', async (t) => {
      const messages = await collect(begin(client));
      const database = databaseOf(messages);
      t.ok(database.length > 8_000_000);
      t.equal(database.length % PAGE_BYTES, 0);
      let remaining = database.length;
      for (const { blob, remaining_bytes, version, header } of messages.slice(0, -1)) {
        t.ok(blob.length === BLOB_BYTES || remaining <= BLOB_BYTES, 'the length of a blob');
        remaining -= blob.length;
        t.equal(remaining_bytes, BigInt(remaining));
        t.equal(version, '3.7.0');
        t.equal(header, null);
      }
      const last = messages.at(-1);
      t.equal(remaining, 0);
      t.match(last, { remaining_bytes: 0n, version: '3.7.0' });
      const digest = createHash('sha256').update(view(database)).digest();
      t.ok(digest.equals(view(Buffer.from(last?.blob ?? ''))));
      const again = await collect(begin(client));
      t.ok(databaseOf(again).equals(view(database)), 'the same state is the same file');
    });

    t.test('a client that does not read, and writers', async (t) => {
      const before = databaseOf(await collect(begin(client)));
      const slow = begin(client);
      await slow.next();
      slow.pause();
      for (let i = 0; i < 200; i++) await other.put(`k${i % 8}`, 'short now');
      const { header } = await other.put('last', '1');
      await other.compact(header?.revision ?? 0n);
      t.equal((await other.get('k1'))?.value.toString(), 'short now');
      const after = databaseOf(await collect(begin(other)));
      t.ok(after.length < before.length / 10, 'the newest state is small');
      slow.resume();
      const messages = await collect(slow);
      t.ok(messages.length > 240, 'the rest came');
      const digest = createHash('sha256').update(view(before)).digest();
      t.ok(digest.equals(view(Buffer.from(messages.at(-1)?.blob ?? ''))), 'its view is unchanged');
      await other.compact((header?.revision ?? 0n) + 0n, true).catch(() => undefined);
    });

    t.test('a client that goes away', async (t) => {
      for (let i = 0; i < 80; i++) await client.put(`big${i}`, value);
      for (let i = 0; i < 20; i++) {
        const stream = begin(client);
        await stream.next();
        stream.cancel();
        t.equal((await stream.ended).code, 1);
      }
      const left = () =>
        member.process.logLines().filter(({ msg }) => msg.includes('was not sent to its end'));
      await waitFor('backups to end', () => left().length >= 20);
      t.equal((await collect(begin(client))).at(-1)?.blob.length, 32, 'none of them is held');
    });

    t.test('so many at once', async (t) => {
      const streams = Array.from({ length: 16 }, () => begin(client));
      for (const stream of streams) {
        await stream.next();
        stream.pause();
      }
      t.strictSame(await begin(other).ended, {
        code: 2,
        details: 'etcdserver: too many requests',
      });
      for (const stream of streams) stream.cancel();
      await waitFor('room', async () => (await begin(other).ended).code === 0);
    });
  });
}

t.test('a member that stops ends the stream', async (t) => {
  const member = await MemberProcess.start({ engine: 'rocksdb' });
  const client = new EtcdClient(member.endpoint);
  t.teardown(() => client.close());
  const value = view(Buffer.alloc(1_000_000, 'value '));
  for (let i = 0; i < 30; i++) await client.put(`k${i}`, value);
  const stream = begin(client);
  await stream.next();
  stream.pause();
  const exit = await member.stop();
  t.not(exit.signal, 'SIGKILL');
  stream.resume();
  t.not((await within('the end', stream.ended)).code, 0);
});

t.test('without a leader', async (t) => {
  const cluster = await Cluster.start({ size: 2, engines: ['memory'] });
  t.teardown(() => cluster.stop());
  const leader = await cluster.leader();
  await leader.client.put('k', '1');
  const [left] = cluster.others(leader);
  if (left === undefined) throw new Error('there are two members');
  await waitFor('the other to follow', async () => {
    const { header } = await left.client.status();
    return header?.revision === 2n;
  });
  await leader.process.signal('SIGKILL');
  await waitFor('no leader', async () => (await left.client.status()).leader === 0n, 20_000);
  t.equal((await collect(begin(left.client))).at(-1)?.blob.length, 32);
});
