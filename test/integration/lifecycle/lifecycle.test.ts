// A real process from start to end: what survives which end, what refuses to start, what it prints,
// what it answers over HTTP.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { EtcdClient } from '../../support/etcd/client.js';
import { launcher, MemberProcess, RunningProcess, runLauncher } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { within } from '../../support/wait.js';

t.setTimeout(180_000);
t.jobs = 2; // Members of their own, which mostly wait.

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: what survives`, async (t) => {
    const member = await MemberProcess.start({ engine, flags: ['--snapshot-count=50'] });
    t.teardown(() => member.process.alive && member.kill());
    let client = new EtcdClient(member.endpoint);
    const before = await client.memberList();
    for (let i = 0; i < 120; i++) {
      await client.put(`k${i % 30}`, `v${i}`);
    }
    await client.compact(60n);
    const hash = await client.hashKv();

    t.test('a stop by signal keeps everything and ends by that signal', async (t) => {
      client.close();
      t.same(await member.stop(), { code: null, signal: 'SIGTERM' });
      const messages = member.process.logLines().map((line) => line.msg);
      for (const text of ['received signal; shutting down', 'closed etcd server']) {
        t.ok(messages.includes(text), text);
      }
      const noise = messages.filter((text) => String(text).includes('unstable log'));
      t.same(noise, [], 'durable writes are reported to Raft once');
      const levels = new Set(member.process.logLines().map((line) => line.level));
      t.notOk(levels.has('error') || levels.has('fatal'), [...levels].join());
      await member.restart();
      client = new EtcdClient(member.endpoint);
      t.equal((await client.hashKv()).hash, hash.hash);
      t.equal((await client.get('k29'))?.value.toString(), 'v119');
    });

    t.test('kill -9 keeps every acknowledged write, and identity', async (t) => {
      const puts = Array.from({ length: 200 }, (_, i) => client.put(`kill/${i}`, `${i}`));
      await Promise.all(puts);
      client.close();
      await member.kill();
      await member.restart();
      client = new EtcdClient(member.endpoint);
      for (let i = 0; i < 200; i += 13) {
        t.equal((await client.get(`kill/${i}`))?.value.toString(), `${i}`);
      }
      const after = await client.memberList();
      t.same(after.members, before.members);
      t.equal(after.header?.cluster_id, before.header?.cluster_id);
    });

    t.test('other flags about the initial cluster mean nothing on a restart', async (t) => {
      client.close();
      await member.kill();
      await member.restart(['--initial-cluster-token=other', '--initial-cluster-state=existing']);
      client = new EtcdClient(member.endpoint);
      t.same((await client.memberList()).header?.cluster_id, before.header?.cluster_id);
      client.close();
      await member.stop();
    });
  });

  t.test(`${engine}: what refuses to start`, async (t) => {
    const member = await MemberProcess.start({ engine });
    t.teardown(() => member.process.alive && member.kill());
    const client = new EtcdClient(member.endpoint);
    await client.put('a', '1');
    client.close();

    t.test('a second process on the same directory', async (t) => {
      const other = await MemberProcess.prepare({ engine, dataDir: member.dataDir });
      const second = other.launch();
      t.equal((await within('the refusal', second.exited)).code, 1);
      const last = second.logLines().at(-1);
      t.equal(last?.level, 'fatal');
      t.match(JSON.stringify(last), member.dataDir);
      t.match(last?.advice, /end the other process/);
      t.ok(member.process.alive);
    });

    t.test('another engine', async (t) => {
      await member.stop();
      const wrong = engine === 'memory' ? 'rocksdb' : 'memory';
      const started = member.launch([`--storage-engine=${wrong}`]);
      t.equal((await within('the refusal', started.exited)).code, 1);
      t.match(started.logLines().at(-1), { level: 'fatal', error: /engine/ });
      t.match(started.logLines().at(-1)?.advice, /engine/);
    });

    t.test('a port in use', async (t) => {
      await member.restart();
      const other = await MemberProcess.prepare({ engine });
      const url = `http://${member.endpoint}`;
      const started = other.launch([`--listen-client-urls=${url}`]);
      t.equal((await within('the refusal', started.exited)).code, 1);
      t.match(started.stderr, /listen tcp 127\.0\.0\.1:\d+: bind: address already in use/);
      await member.stop();
    });
  });
}

t.test('a directory that cannot be written or is not one', async (t) => {
  const folder = tempDir('refuse');
  const file = join(folder, 'file');
  writeFileSync(file, 'x');
  const atFile = runLauncher([`--data-dir=${file}`, ...quiet()]);
  t.equal((await within('the refusal', atFile.exited)).code, 1);
  t.match(atFile.logLines().at(-1), { level: 'fatal', msg: 'failed to list data directory' });
  if (process.getuid?.() === 0) {
    t.comment('read-only directories are not tried as root');
    return;
  }
  const closed = join(folder, 'closed');
  mkdirSync(closed, { mode: 0o500 });
  const atClosed = runLauncher([`--data-dir=${join(closed, 'data')}`, ...quiet()]);
  t.equal((await within('the refusal', atClosed.exited)).code, 1);
  t.match(atClosed.stderr, closed);
  chmodSync(closed, 0o700);
});

function quiet(): string[] {
  const url = 'http://127.0.0.1:0';
  return [`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`];
}

t.test('the command line', async (t) => {
  const run = async (...args: string[]) => {
    const started = runLauncher(args);
    const { code } = await within('ending', started.exited);
    return { code, stdout: started.stdout, stderr: started.stderr };
  };
  const version = await run('--version');
  t.equal(version.code, 0);
  t.match(version.stdout, /^etcd Version: 3\.7\.1\nGit SHA: .+\nGo Version: .+\nGo OS\/Arch: /);
  t.match(version.stdout, /\nMetaStore Version: \d+\.\d+\.\d+\n$/);
  t.equal(version.stderr, '');
  const help = await run('-h');
  t.equal(help.code, 0);
  t.match(help.stdout, '--quota-backend-bytes');
  t.match(help.stderr, 'Usage');
  const unknown = await run('--nope');
  t.equal(unknown.code, 2);
  t.match(unknown.stderr, /^flag provided but not defined: -nope\nUsage/);
  const bad = await run('--snapshot-count=abc');
  t.equal(bad.code, 2);
  const plain = await run('xyz');
  t.equal(plain.code, 1);
  t.match(JSON.parse(plain.stderr), {
    level: 'warn',
    msg: 'failed to verify flags',
    error: '"xyz" is not a valid flag',
  });
  const level = await run('--log-level=foo');
  t.equal(level.code, 2);
  t.match(level.stderr, 'unrecognized level: "foo"');
});

t.test('the launcher works through links and from anywhere', async (t) => {
  const folder = tempDir('launcher');
  const link = join(folder, 'etcd');
  symlinkSync(launcher, link);
  const env = { PATH: process.env.PATH ?? '', METASTORE_DIST: distOf() };
  const started = new RunningProcess(link, ['--version'], env, '/');
  t.equal((await within('ending', started.exited)).code, 0);
  t.match(started.stdout, 'etcd Version');
});

function distOf(): string {
  return join(import.meta.dirname, '..', '..', '..');
}

t.test('signals that mean nothing change nothing', async (t) => {
  const member = await MemberProcess.start({ engine: 'memory' });
  t.teardown(() => member.stop());
  member.process.signal('SIGUSR1');
  member.process.signal('SIGUSR2');
  const client = new EtcdClient(member.endpoint);
  await client.put('a', '1');
  client.close();
  t.notMatch(member.process.stderr, /debugger/i);
});

t.test('HTTP on the client port', async (t) => {
  const member = await MemberProcess.start({ engine: 'memory' });
  t.teardown(() => member.stop());
  const get = (path: string, init: RequestInit = {}) =>
    fetch(`http://${member.endpoint}${path}`, init);
  const health = await get('/health');
  t.equal(health.status, 200);
  t.equal(await health.text(), '{"health":"true","reason":""}');
  t.equal(health.headers.get('access-control-allow-origin'), '*');
  const version = await get('/version');
  t.equal(await version.text(), '{"etcdserver":"3.7.1","etcdcluster":"3.7.0","storage":"3.7.0"}');
  t.equal(version.headers.get('content-type'), 'application/json');
  const wrong = await get('/health', { method: 'POST' });
  t.equal(wrong.status, 405);
  t.equal(wrong.headers.get('allow'), 'GET');
  t.equal((await get('/nope')).status, 404);
  t.equal((await get('/anything', { method: 'OPTIONS' })).status, 200);
  const metrics = await (await get('/metrics')).text();
  t.match(metrics, /^etcd_server_has_leader 1$/m);
  t.match(metrics, /^metastore_replica_turns_total [1-9]\d*$/m);
  t.match(metrics, /^etcd_disk_wal_fsync_duration_seconds_count [1-9]/m);
  const client = new EtcdClient(member.endpoint);
  const syncs = async (): Promise<number> => {
    const text = await (await get('/metrics')).text();
    return Number(/^etcd_disk_wal_fsync_duration_seconds_count (\d+)$/m.exec(text)?.[1]);
  };
  const syncsBefore = await syncs();
  for (let index = 0; index < 20; index += 1) await client.put('synced', `${index}`);
  const synced = (await syncs()) - syncsBefore;
  t.ok(synced >= 20 && synced < 40, `${synced} syncs for 20 puts one after the other`);
  await client.alarm({ action: 1, memberID: 5n, alarm: 1 });
  const unhealthy = await get('/health?serializable=true');
  t.equal(unhealthy.status, 503);
  t.equal(await unhealthy.text(), '{"health":"false","reason":"ALARM NOSPACE"}\n');
  t.equal((await get('/health?exclude=NOSPACE')).status, 200);
  const status = await client.status();
  t.same(status.errors, ['memberID:5 alarm:NOSPACE']);
  await t.rejects(client.put('a', '1'), {
    code: 8,
    details: 'etcdserver: mvcc: database space exceeded',
  });
  client.close();
});

t.test('a log file, console lines, and an environment without anything', async (t) => {
  const folder = tempDir('log');
  const file = join(folder, 'server.log');
  const member = await MemberProcess.prepare({ engine: 'memory' });
  const started = member.launch([`--log-outputs=${file},stderr`, '--log-format=console']);
  await started.waitForOutput('etcdctl');
  t.match(started.stderr, /\tinfo\t\S+\tready to serve client requests\n/);
  t.match(started.stderr, `etcdctl --endpoints=${member.endpoint} put`);
  t.ok(existsSync(file));
  t.match(readFileSync(file, 'utf8'), 'ready to serve client requests');
  t.notMatch(readFileSync(file, 'utf8'), 'etcdctl', 'the banner is not part of the log');
  await member.stop();
});

t.test('a socket file instead of a port', async (t) => {
  const path = join(tempDir('socket'), 'metastore.sock');
  const member = await MemberProcess.prepare({ engine: 'memory' });
  for (let round = 0; round < 2; round++) {
    const started = member.launch([`--listen-client-urls=unix://${path}`]);
    await started.waitForOutput('ready to serve client requests');
    const client = new EtcdClient(`unix:${path}`);
    t.ok((await client.put('a', `${round}`)).header);
    client.close();
    // The file that is left behind does not hinder the next start.
    await member.kill();
  }
});
