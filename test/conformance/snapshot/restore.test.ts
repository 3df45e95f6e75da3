// Moving in and out with `metastore snapshot`: a backup of a real etcd, started here, shows what
// was there, on one member or on three; users and roles go both ways; what cannot be restored is
// refused with nothing left behind. Parts need the reference's programs, and say so without them.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import { EtcdClient } from '../../support/etcd/client.js';
import { launcher, MemberProcess } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitFor } from '../../support/wait.js';
import { expectSame, fill } from './contents.js';
import { findTools, run, startRestored, statusOf, succeed, type Tools } from './tools.js';

t.setTimeout(300_000);
t.jobs = 2; // Members of their own, which mostly wait.

const isFull = process.env.METASTORE_TEST_FULL === '1';
const tools = findTools();
const engines = ['memory', 'rocksdb'] as const;
type Engine = (typeof engines)[number];

const snapshot = (...args: string[]) => run(launcher, ['snapshot', ...args]);

async function save(
  using: Tools,
  endpoint: string,
  extra: readonly string[] = [],
): Promise<string> {
  const file = join(tempDir('backup'), 'backup.db');
  await succeed(using.etcdctl, [`--endpoints=${endpoint}`, ...extra, 'snapshot', 'save', file]);
  return file;
}

async function started(t: Test, engine: Engine | null, command?: string) {
  const program = command === undefined ? {} : { command };
  const member = await MemberProcess.start({ engine, ...program });
  const client = new EtcdClient(member.endpoint);
  t.teardown(async () => {
    client.close();
    await member.stop();
  });
  return { member, client };
}

/** Restores a backup for members that start together, each with the same file. */
async function restored(t: Test, file: string, names: readonly string[], engine: Engine) {
  const members: MemberProcess[] = [];
  for (const name of names) {
    const dataDir = join(tempDir('restored'), name);
    members.push(await MemberProcess.prepare({ engine, dataDir, flags: [`--name=${name}`] }));
  }
  const peers = members.map(({ peerPort }) => `http://127.0.0.1:${peerPort}`);
  const initial = `--initial-cluster=${names.map((name, i) => `${name}=${peers[i]}`).join()}`;
  for (const [i, { dataDir }] of members.entries()) {
    const flags = [`--data-dir=${dataDir}`, `--name=${names[i]}`, `--storage-engine=${engine}`];
    const advertised = `--initial-advertise-peer-urls=${peers[i]}`;
    const { status, stderr } = await snapshot('restore', file, ...flags, initial, advertised);
    t.equal(status, 0, stderr);
  }
  t.teardown(async () => {
    for (const member of members) await member.stop();
  });
  await Promise.all(members.map((member) => member.restart([initial])));
  return members.map((member) => {
    const client = new EtcdClient(member.endpoint);
    t.teardown(() => client.close());
    return { member, client };
  });
}

for (const engine of engines) {
  t.test(`${engine}: an etcd moves in`, { skip: tools === null }, async (t) => {
    const using = tools as Tools;
    // Reduced runs take a compacted state with one engine, and one that is not with the other.
    for (const compact of isFull ? [false, true] : [engine === 'rocksdb']) {
      const theirs = await started(t, null, using.etcd);
      await fill(theirs.client, compact);
      await theirs.client.alarm({ action: 1, memberID: 5n, alarm: 1 });
      const file = await save(using, theirs.member.endpoint);
      const { stdout } = await snapshot('status', file, '-w', 'json');
      t.same(JSON.parse(stdout), await statusOf(using.etcdutl, file), 'status');
      const [ours] = await restored(t, file, ['m1'], engine);
      if (ours === undefined) throw new Error('one was started');
      await expectSame(t, theirs.client, ours.client);
      await ours.client.alarm({ action: 2, memberID: 5n, alarm: 1 });
      const { header } = await ours.client.put('next', '1');
      await ours.client.compact(header?.revision ?? 0n, true, { timeoutMs: 60_000 });
      // It has a log, and a state of its own, from which it starts again.
      await ours.member.kill();
      await ours.member.restart();
      t.equal((await ours.client.get('next'))?.value.toString(), '1');
      t.match((await ours.client.memberList()).members, [{ name: 'm1' }]);
    }
  });

  t.test(`${engine}: three members of one backup, with a raised revision`, async (t) => {
    const from = await started(t, engine);
    for (let i = 0; i < 20; i++) await from.client.put(`k${i % 4}`, `${i}`);
    const file = join(tempDir('backup'), 'backup.db');
    writeFileSync(file, (await download(from.client)) as unknown as Uint8Array);
    const [first, ...others] = await restored(t, file, ['a', 'b', 'c'], engine);
    if (first === undefined) throw new Error('three were started');
    const { header } = await first.client.put('k1', 'later');
    t.equal(header?.revision, 22n);
    const { hash } = await first.client.hashKv();
    for (const { client } of others) {
      await waitFor('the same state', async () => (await client.hashKv()).hash === hash);
      t.equal((await client.memberList()).members.length, 3);
    }
    const dataDir = join(tempDir('restored'), 'bumped');
    const bump = ['--bump-revision=1000', '--mark-compacted', `--storage-engine=${engine}`];
    t.equal((await snapshot('restore', file, `--data-dir=${dataDir}`, ...bump)).status, 0);
    const member = await MemberProcess.start({ engine, dataDir });
    const client = new EtcdClient(member.endpoint);
    t.teardown(async () => {
      client.close();
      await member.stop();
    });
    t.match(await client.get('k3'), { mod_revision: 21n, version: 5n });
    t.equal((await client.put('k3', 'x')).header?.revision, 1022n);
    const old = { key: new Uint8Array(1), range_end: new Uint8Array(1), revision: 1020n };
    await t.rejects(client.range(old), { code: 11 });
  });
}

/** A backup without any of etcd's tools. */
async function download(client: EtcdClient): Promise<Buffer> {
  const { snapshotResponse } = await import('../../../src/base/proto/messages.js');
  const stream = client.stream('/etcdserverpb.Maintenance/Snapshot');
  stream.send(Buffer.alloc(0));
  stream.end();
  await stream.ended;
  const blobs: Uint8Array[] = [];
  while (stream.buffered > 0) {
    const message = (await stream.next()) as unknown as Uint8Array;
    blobs.push(Buffer.from(snapshotResponse.decode(message).blob) as unknown as Uint8Array);
  }
  return Buffer.concat(blobs);
}

/** Users, roles and authentication switched on, by etcdctl; the flags of root. */
async function addUsers(using: Tools, endpoint: string): Promise<readonly string[]> {
  const ctl = (...args: string[]) => succeed(using.etcdctl, [`--endpoints=${endpoint}`, ...args]);
  await ctl('put', 'seen', 'yes');
  await ctl('put', 'hidden', 'yes');
  await ctl('user', 'add', 'root:secret');
  await ctl('user', 'grant-role', 'root', 'root');
  await ctl('role', 'add', 'reader');
  await ctl('role', 'grant-permission', 'reader', 'read', 'seen');
  await ctl('user', 'add', 'u/1:word');
  await ctl('user', 'grant-role', 'u/1', 'reader');
  await ctl('auth', 'enable');
  return ['--user=root:secret'];
}

/** What those users may do, wherever they have been moved. */
async function expectUsers(t: Test, using: Tools, endpoint: string): Promise<void> {
  const as = (user: string, ...args: string[]) =>
    run(using.etcdctl, [`--endpoints=${endpoint}`, `--user=${user}`, ...args]);
  t.equal((await as('u/1:word', 'get', 'seen')).stdout, 'seen\nyes\n');
  t.match((await as('u/1:word', 'get', 'hidden')).stderr, /permission denied/);
  t.match((await as('u/1:wrong', 'get', 'seen')).stderr, /authentication failed/);
  t.equal((await as('root:secret', 'user', 'list')).stdout, 'root\nu/1\n');
  t.match((await as('root:secret', 'role', 'get', 'reader')).stdout, /KV Read:\s+seen/);
  t.match((await as('root:secret', 'auth', 'status')).stdout, /Authentication Status: true/);
}

t.test('users and roles, out and in', { skip: tools === null }, async (t) => {
  const using = tools as Tools;
  const ours = await started(t, 'rocksdb');
  const root = await addUsers(using, ours.member.endpoint);
  const denied = await run(using.etcdctl, [
    `--endpoints=${ours.member.endpoint}`,
    '--user=u/1:word',
    'snapshot',
    'save',
    join(tempDir('backup'), 'no.db'),
  ]);
  t.match(denied.stderr, /permission denied/);
  const file = await save(using, ours.member.endpoint, root);
  const etcd = await startRestored(using, file);
  t.teardown(() => etcd.stop());
  await expectUsers(t, using, etcd.endpoint);
  const back = await save(using, etcd.endpoint, root);
  const [again] = await restored(t, back, ['m1'], 'memory');
  await expectUsers(t, using, again?.member.endpoint ?? '');
});

t.test('what cannot be restored', async (t) => {
  const { client } = await started(t, 'memory');
  await client.put('a', '1');
  const good = (await download(client)) as unknown as Uint8Array;
  const folder = tempDir('refused');
  const file = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const backup = file('good', good);
  const target = join(folder, 'data');
  const refuse = async (text: RegExp, status: number, ...args: string[]) => {
    const ran = await snapshot('restore', ...args);
    t.match(ran.stderr, text);
    t.equal(ran.status, status, String(text));
  };
  const into = `--data-dir=${target}`;
  const bare = file('bare', good.subarray(0, -32));
  await refuse(/snapshot missing hash but --skip-hash-check=false/, 1, bare, into);
  const flipped = Uint8Array.from(good);
  flipped[5000] = (flipped[5000] ?? 0) ^ 1;
  const changed = file('changed', flipped);
  await refuse(/expected sha256 \[\d+ .*\], got \[\d+ /, 1, changed, into);
  await refuse(
    /not a bbolt database/,
    1,
    file('text', new Uint8Array(4096)),
    into,
    '--skip-hash-check',
  );
  await refuse(
    /the file ends before/,
    1,
    file('cut', good.subarray(0, 8192)),
    into,
    '--skip-hash-check',
  );
  await refuse(/no such file/, 1, join(folder, 'nothing'), into);
  await refuse(
    /--mark-compacted required if --revision-bump > 0/,
    128,
    backup,
    into,
    '--bump-revision=5',
  );
  await refuse(/--mark-compacted requires/, 128, backup, into, '--mark-compacted');
  await refuse(/requires exactly one argument/, 128, into);
  await refuse(/[Uu]nknown option/, 1, backup, into, '--other');
  await refuse(/initial/, 1, backup, into, '--name=x', '--initial-cluster=y=http://127.0.0.1:1');
  t.notOk(existsSync(target), 'nothing is left behind');
  mkdirSync(target);
  writeFileSync(join(target, 'precious'), 'data');
  await refuse(/data-dir ".*" not empty or could not be read/, 1, backup, into);
  t.equal(readFileSync(join(target, 'precious'), 'utf8'), 'data');
  const other = `--data-dir=${join(folder, 'other')}`;
  t.equal((await snapshot('restore', bare, other, '--skip-hash-check')).status, 0);
  const help = await snapshot('--help');
  t.match(help.stdout, /metastore snapshot restore <file>/);
  t.match((await snapshot('save', 'x')).stderr, /unknown command "save"/);
});
