// What signals do to a server, how it stands in its surroundings (first process of a container,
// terminal, bare environment), and what it tells a service manager.

import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import { packageRoot } from '../../../src/base/package.js';
import { EtcdClient } from '../../support/etcd/client.js';
import { freePorts } from '../../support/ports.js';
import {
  launcher,
  MemberProcess,
  RunningProcess,
  runLauncher,
  serverEnvironment,
} from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { sleep, waitFor, within } from '../../support/wait.js';

t.setTimeout(120_000);

const READY = 'ready to serve client requests';

async function start(t: Test, flags: readonly string[] = []): Promise<MemberProcess> {
  const member = await MemberProcess.start({ engine: 'memory', flags });
  t.teardown(() => member.process.alive && member.kill());
  return member;
}

function has(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

t.test('each signal ends the process as it should', async (t) => {
  for (const [signal, end] of [
    ['SIGINT', { code: null, signal: 'SIGINT' }],
    ['SIGTERM', { code: null, signal: 'SIGTERM' }],
    ['SIGHUP', { code: null, signal: 'SIGHUP' }],
    ['SIGQUIT', { code: 2, signal: null }],
    ['SIGABRT', { code: 2, signal: null }],
  ] as const) {
    const member = await start(t);
    member.process.signal(signal);
    t.same(await within('the end', member.process.exited, 10_000), end, signal);
    if (end.code === 2) {
      t.match(member.process.stderr, `${signal}: pid ${member.pid}`);
    }
  }
});

t.test('a second signal changes nothing', async (t) => {
  const member = await start(t);
  for (let i = 0; i < 5; i++) {
    member.process.signal(i % 2 === 0 ? 'SIGTERM' : 'SIGINT');
  }
  const { signal } = await within('the end', member.process.exited, 10_000);
  t.ok(signal === 'SIGTERM' || signal === 'SIGINT', String(signal));
  const lines = member.process.logLines();
  t.equal(lines.filter(({ msg }) => msg === 'received signal; shutting down').length, 1);
  t.equal(lines.at(-1)?.msg, 'closed etcd server');
});

t.test('SIGUSR2 switches the log to debug and back, SIGUSR1 does nothing', async (t) => {
  const member = await MemberProcess.prepare({ engine: 'memory' });
  member.launch(['--log-level=warn']);
  t.teardown(() => member.process.alive && member.kill());
  const client = new EtcdClient(member.endpoint);
  t.teardown(() => client.close());
  await waitFor('an answer', () => client.put('a', '1').catch(() => undefined), 20_000);
  t.notOk(member.process.logLines().some(({ level }) => level === 'info'));
  for (const level of ['debug', 'warn']) {
    member.process.signal('SIGUSR1');
    member.process.signal('SIGUSR2');
    const told = member.process.waitForOutput(`"log-level":"${level}"`);
    await within(`level ${level}`, told, 5000);
  }
  const changes = member.process.logLines().filter(({ msg }) => msg === 'log level changed');
  t.equal(changes.length, 2);
  t.ok(member.process.alive);
});

t.test('a member that was paused goes on', async (t) => {
  const member = await start(t);
  const client = new EtcdClient(member.endpoint);
  t.teardown(() => client.close());
  await client.put('a', '1');
  member.process.signal('SIGSTOP');
  await sleep(1500);
  member.process.signal('SIGCONT');
  await client.put('a', '2');
  t.equal((await client.get('a'))?.value.toString(), '2');
  t.same(
    member.process.logLines().filter(({ level }) => level === 'error'),
    [],
  );
});

t.test('one process, without children', async (t) => {
  const member = await start(t);
  const tasks = readdirSync(`/proc/${member.pid}/task`);
  const children = tasks.map((task) =>
    readFileSync(`/proc/${member.pid}/task/${task}/children`, 'utf8').trim(),
  );
  t.equal(children.join(''), '');
  t.match(readFileSync(`/proc/${member.pid}/cmdline`, 'utf8'), 'main.js');
});

t.test('the data directory is for its owner, and holds files and directories alone', async (t) => {
  const member = await start(t);
  t.equal(statSync(member.dataDir).mode & 0o777, 0o700);
  const all = readdirSync(member.dataDir, { recursive: true, withFileTypes: true });
  t.ok(all.length > 2);
  t.same(
    all.filter((entry) => !entry.isFile() && !entry.isDirectory()),
    [],
  );
});

t.test('the first process of a container ends with 0', async (t) => {
  const isolated = ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc'];
  const flags = [isolated, isolated.slice(2)].find((args) => has('unshare', ...args, 'true'));
  if (flags === undefined) {
    t.comment('no process namespaces here');
    return;
  }
  const member = await MemberProcess.prepare({ engine: 'memory' });
  const env = serverEnvironment();
  const args = [...flags, '--kill-child', launcher, ...member.args()];
  const started = new RunningProcess('unshare', args, env);
  t.teardown(() => started.alive && started.signal('SIGKILL'));
  await within('readiness', started.waitForOutput(READY), 20_000);
  const children = readFileSync(`/proc/${started.pid}/task/${started.pid}/children`, 'utf8');
  process.kill(Number(children.trim().split(' ')[0]), 'SIGTERM');
  t.same(await within('the end', started.exited, 10_000), { code: 0, signal: null });
});

t.test('on a terminal the log stays plain, a whole line at a time', async (t) => {
  if (!has('script', '--version')) {
    t.comment('no script(1) here');
    return;
  }
  const member = await MemberProcess.prepare({ engine: 'memory' });
  const command = [launcher, ...member.args()].map((word) => `'${word}'`).join(' ');
  const env = { ...serverEnvironment(), TERM: 'xterm-256color', FORCE_COLOR: '1' };
  const child = spawn('script', ['-qefc', command, '/dev/null'], { env, stdio: 'pipe' });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  t.teardown(() => child.kill('SIGKILL'));
  const client = new EtcdClient(member.endpoint);
  t.teardown(() => client.close());
  await waitFor('readiness', () => output.includes(READY), 20_000);
  await client.put('a', '1');
  const ended = new Promise((resolve) => child.once('close', resolve));
  // What Ctrl-C is on a terminal.
  child.stdin.write('\u0003');
  await within('the end', ended, 10_000);
  const lines = output.split('\r\n').filter((line) => line !== '' && line !== '^C');
  t.ok(lines.length > 10);
  for (const line of lines) {
    t.doesNotThrow(() => JSON.parse(line.replace(/^\^C/, '')), line);
  }
  t.match(output, 'closed etcd server');
});

t.test('as a link named etcd, with nothing but PATH and ETCD_ variables', async (t) => {
  const folder = tempDir('link');
  const link = join(folder, 'etcd');
  symlinkSync(launcher, link);
  const [client = 0, peer = 0] = await freePorts(2);
  const env: Record<string, string> = {
    PATH: process.env.PATH ?? '',
    ETCD_NAME: 'x',
    ETCD_LISTEN_CLIENT_URLS: `http://127.0.0.1:${client}`,
    ETCD_ADVERTISE_CLIENT_URLS: `http://127.0.0.1:${client}`,
    ETCD_LISTEN_PEER_URLS: `http://127.0.0.1:${peer}`,
    ETCD_INITIAL_ADVERTISE_PEER_URLS: `http://127.0.0.1:${peer}`,
    ETCD_INITIAL_CLUSTER: `x=http://127.0.0.1:${peer}`,
    ETCD_SOMETHING_ELSE: 'harmless',
    ...distIfElsewhere(),
  };
  for (const life of ['first', 'second']) {
    const started = new RunningProcess(link, [], env, folder);
    t.teardown(() => started.alive && started.signal('SIGKILL'));
    await within(`readiness, ${life} life`, started.waitForOutput(READY), 20_000);
    t.match(started.stderr, /unrecognized environment variable.*ETCD_SOMETHING_ELSE=harmless/);
    t.match(started.stderr, /'data-dir' was empty; using default.*x\.etcd/);
    started.signal('SIGTERM');
    t.same(await within('the end', started.exited, 10_000), { code: null, signal: 'SIGTERM' });
  }
  t.same(readdirSync(folder).sort(), ['etcd', 'x.etcd'], 'the default directory, nothing else');
  const version = new RunningProcess(link, ['--version'], env, folder);
  t.equal((await within('ending', version.exited)).code, 0);
  t.equal(version.stdout.split('\n')[0], 'etcd Version: 3.7.1');
});

/** The launcher finds its own build; tests of another build say so. */
function distIfElsewhere(): Record<string, string> {
  const { METASTORE_DIST = '' } = serverEnvironment();
  return METASTORE_DIST === join(packageRoot, 'dist') ? {} : { METASTORE_DIST };
}

const receiver = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', chr(0), 1))
print('bound', flush=True)
s.settimeout(30)
print(s.recv(100).decode(), flush=True)
`;

t.test('a service manager is told once the member serves', async (t) => {
  if (!has('python3', '--version')) {
    t.comment('no python3 here, which the receiver is written in');
    return;
  }
  for (const socket of [join(tempDir('notify'), 'socket'), `@metastore-test-${process.pid}`]) {
    const python = spawn('python3', ['-c', receiver, socket], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    t.teardown(() => python.kill('SIGKILL'));
    let heard = '';
    await new Promise<void>((resolve) => {
      python.stdout.setEncoding('utf8').on('data', (text: string) => {
        heard += text;
        resolve();
      });
    });
    const closed = new Promise((resolve) => python.once('close', resolve));
    const member = await MemberProcess.prepare({ engine: 'memory' });
    t.teardown(() => member.process.alive && member.kill());
    await member.restart([], { NOTIFY_SOCKET: socket });
    await within('the message', closed, 10_000);
    t.equal(heard, 'bound\nREADY=1\n', socket);
    t.ok(member.process.logLines().some(({ msg }) => msg === 'successfully notified init daemon'));
    await member.stop();
  }
});

t.test('a journal that is not there, and subcommands, are refused clearly', async (t) => {
  const journal = runLauncher(['--log-outputs=systemd/journal']);
  t.equal((await within('ending', journal.exited)).code, 1);
  t.match(journal.stderr, /can't find journal/);
  const proxy = runLauncher(['grpc-proxy', 'start']);
  t.equal((await within('ending', proxy.exited)).code, 1);
  t.match(proxy.stderr, /grpc-proxy/);
});
