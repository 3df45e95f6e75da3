// Backups of MetaStore in the hands of etcd's own tools: etcdctl saves them, etcdutl and bbolt find
// nothing to complain of, and a real etcd started on what was restored holds the same. Needs the
// reference's programs (scripts/reference.mjs), and says so when they are missing.

import { readFileSync, writeFileSync } from 'node:fs';
import t, { type Test } from 'tap';

import { Cluster } from '../../support/cluster/cluster.js';
import { EtcdClient } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitFor } from '../../support/wait.js';
import { expectSame, fill, LARGE_BYTES } from './contents.js';
import {
  checkOf,
  findTools,
  hashKvOf,
  run,
  startRestored,
  statusOf,
  succeed,
  type Tools,
} from './tools.js';

const EMPTY_HASH = 1_084_519_789;
t.setTimeout(300_000);

const tools = findTools();

async function save(program: string, endpoint: string): Promise<string> {
  const file = `${tempDir('backup')}/backup.db`;
  await succeed(program, [`--endpoints=${endpoint}`, 'snapshot', 'save', file]);
  return file;
}

/** Starts one member of MetaStore that the test stops. */
async function started(t: Test, engine: 'memory' | 'rocksdb') {
  const member = await MemberProcess.start({ engine });
  const client = new EtcdClient(member.endpoint);
  t.teardown(async () => {
    client.close();
    await member.stop();
  });
  return { member, client };
}

/** A real etcd on a restored backup, and a client of it, until the test ends. */
async function restored(t: Test, using: Tools, file: string, extra: readonly string[] = []) {
  const member = await startRestored(using, file, extra);
  const client = new EtcdClient(member.endpoint);
  t.teardown(async () => {
    client.close();
    await member.stop();
  });
  return client;
}

async function emptyStore(t: Test, using: Tools, engine: 'memory' | 'rocksdb') {
  const { member, client } = await started(t, engine);
  const file = await save(using.etcdctl, member.endpoint);
  const status = await statusOf(using.etcdutl, file);
  t.match(status, { revision: 0, totalKey: 0, version: '3.7.0' });
  t.equal(await hashKvOf(using, file), EMPTY_HASH);
  if (using.bbolt !== null) t.equal(await checkOf(using.bbolt, file), 'OK');
  const theirs = await restored(t, using, file);
  await expectSame(t, client, theirs);
  const { header } = await theirs.put('first', '1');
  t.equal(header?.revision, 2n);
}

async function fullStore(
  t: Test,
  using: Tools,
  engine: 'memory' | 'rocksdb',
  compact: boolean,
): Promise<void> {
  const { member, client } = await started(t, engine);
  await fill(client, compact);
  await client.alarm({ action: 1, memberID: 5n, alarm: 1 });
  const file = await save(using.etcdctl, member.endpoint);
  const { header, hash } = await client.hashKv();

  const status = await statusOf(using.etcdutl, file);
  t.equal(BigInt(status.revision), header?.revision, 'revision of the file');
  t.ok(status.totalSize > LARGE_BYTES, 'size of the file');
  t.equal(status.totalSize + 32, readFileSync(file).length, 'and the digest');
  t.equal(status.version, '3.7.0');
  t.equal(await hashKvOf(using, file), hash, 'HashKV of the file');
  if (using.bbolt !== null) t.equal(await checkOf(using.bbolt, file), 'OK', "bbolt's check");
  if (using.etcdctl34 !== null) {
    const old = await save(using.etcdctl34, member.endpoint);
    t.ok(readFileSync(old).equals(readFileSync(file) as unknown as Uint8Array), 'saved by 3.4');
    const seen = await statusOf(using.etcdctl34, old);
    t.match(seen, { hash: status.hash, revision: status.revision }, 'status by 3.4');
    const target = `${tempDir('restored34')}/data`;
    await succeed(using.etcdctl34, ['snapshot', 'restore', old, `--data-dir=${target}`]);
    t.ok(readFileSync(`${target}/member/snap/db`).length > LARGE_BYTES, 'restored by 3.4');
  }

  const theirs = await restored(t, using, file);
  await expectSame(t, client, theirs);
  t.match((await theirs.alarm({})).alarms, [{ memberID: 5n, alarm: 1 }]);
  await theirs.alarm({ action: 2, memberID: 5n, alarm: 1 });
  // It goes on where the backup ends, and drops what compactions drop.
  const next = await theirs.put('after', 'the restore');
  t.equal(next.header?.revision, (header?.revision ?? 0n) + 1n);
  await theirs.compact(next.header?.revision ?? 0n, true, { timeoutMs: 60_000 });
  await theirs.deleteRange({ key: new Uint8Array(1), range_end: new Uint8Array(1) });
  t.equal((await theirs.range({ key: new Uint8Array(1), range_end: new Uint8Array(1) })).count, 0n);
}

for (const engine of ['memory', 'rocksdb'] as const) {
  const skip = tools === null ? "etcd's programs are not here" : false;
  const all = tools as Tools;
  t.test(`${engine}: an empty store`, { skip }, (t) => emptyStore(t, all, engine));
  t.test(`${engine}: a history`, { skip }, (t) => fullStore(t, all, engine, false));
  t.test(`${engine}: a compacted one`, { skip }, (t) => fullStore(t, all, engine, true));

  t.test(`${engine}: a revision raised on the way`, { skip }, async (t) => {
    const { member, client } = await started(t, engine);
    for (let i = 0; i < 5; i++) await client.put('a', `${i}`);
    const file = await save(all.etcdctl, member.endpoint);
    const theirs = await restored(t, all, file, ['--bump-revision=1000', '--mark-compacted']);
    t.equal((await theirs.get('a'))?.mod_revision, 6n);
    t.equal((await theirs.put('a', 'later')).header?.revision, 1007n);
  });
}

t.test('a damaged backup is found out', { skip: tools === null }, async (t) => {
  const all = tools as Tools;
  const { member, client } = await started(t, 'memory');
  await client.put('a', '1');
  const file = await save(all.etcdctl, member.endpoint);
  const bytes = readFileSync(file);
  bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1;
  writeFileSync(file, bytes as unknown as Uint8Array);
  const target = `--data-dir=${tempDir('restored')}/data`;
  const { status, stderr } = await run(all.etcdutl, ['snapshot', 'restore', file, target]);
  t.equal(status, 1);
  t.match(stderr, /expected sha256 \[/);
});

t.test('every member of a cluster, a learner too', { skip: tools === null }, async (t) => {
  const all = tools as Tools;
  const cluster = await Cluster.start({ size: 3, engines: ['memory', 'rocksdb'] });
  t.teardown(() => cluster.stop());
  const leader = await cluster.leader();
  for (let i = 0; i < 50; i++) await leader.client.put(`k${i % 9}`, `${i}`);
  const learner = await cluster.add(true);
  const { hash, header } = await leader.client.hashKv();
  for (const member of [...cluster.others(learner), learner]) {
    await waitFor(`${member.name} to catch up`, async () => {
      const { header: at } = await member.client.hashKv().catch(() => member.client.status());
      return at?.revision === header?.revision;
    });
    const file = await save(all.etcdctl, member.endpoint);
    t.equal(await hashKvOf(all, file), hash, member.name);
    if (all.bbolt !== null) {
      t.equal(await checkOf(all.bbolt, file), 'OK', member.name);
      const ids = await succeed(all.bbolt, ['keys', file, 'members']);
      t.equal(ids.trim().split('\n').length, 4, `${member.name} knows all members`);
      const key = ['get', file, 'meta', 'confState'];
      const state = JSON.parse(await succeed(all.bbolt, key)) as Record<string, unknown[]>;
      t.equal(state.voters?.length, 3);
      t.equal(state.learners?.length, 1);
    }
  }
  const file = await save(all.etcdctl, learner.endpoint);
  const theirs = await restored(t, all, file);
  await expectSame(t, leader.client, theirs);
  t.equal((await theirs.memberList()).members.length, 1, 'a cluster of its own');
});
