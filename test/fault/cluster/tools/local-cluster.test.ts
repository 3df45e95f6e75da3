// scripts/local-cluster as a person uses it, with its output in a pipe: it shows the members and
// who leads, tells of a new leader and of a member that ended, goes on with its data, stops
// everything on a signal or when asked from elsewhere, and says clearly what it cannot do.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import { packageRoot } from '../../../../src/base/package.js';
import { commandOf, program } from '../../../support/cluster/member.js';
import { EtcdClient } from '../../../support/etcd/client.js';
import { freePorts } from '../../../support/ports.js';
import { RunningProcess, serverEnvironment } from '../../../support/process.js';
import { tempDir } from '../../../support/temp-dir.js';
import { waitFor, within } from '../../../support/wait.js';

const script = join(packageRoot, 'scripts', 'local-cluster');
const kind = program === 'etcd' ? [`--program=${commandOf('etcd')}`] : ['--engine=mixed'];

t.setTimeout(300_000);

function run(...args: string[]): RunningProcess {
  const cwd = tempDir('local-cluster-cwd');
  return new RunningProcess(script, args, serverEnvironment(), cwd);
}

/** Runs to its end. */
async function outcome(...args: string[]) {
  const started = run(...args);
  const { code } = await within('its end', started.exited, 60_000);
  return { code, stdout: started.stdout, stderr: started.stderr };
}

/** A port that thirty further ones follow of which the script will take some. */
async function basePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return Math.min(port, 65_000);
}

/** Name and process id of the leader, from the latest line about it and from the table. */
function leaderOf(output: string): { name: string; pid: number } | undefined {
  const name = [...output.matchAll(/(m\d) leads in term/g)].at(-1)?.[1];
  const row = output.split('\n').find((line) => line.startsWith(`${name} `));
  return name && row ? { name, pid: Number(row.split(/\s+/)[3]) } : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function startsAndStops(t: Test): Promise<void> {
  const data = join(tempDir('local-cluster'), 'data');
  const port = await basePort();
  const flags = ['--heartbeat-interval=50', '--election-timeout=500'];
  const args = [...kind, `--base-port=${port}`, `--data=${data}`, ...flags];
  let started = run('3', ...args);
  t.teardown(() => started.alive && started.signal('SIGTERM'));
  await waitFor(
    'the cluster',
    () => {
      if (!started.alive) throw new Error(started.stdout + started.stderr);
      return started.stdout.includes('ready after');
    },
    60_000,
  );
  for (let i = 0; i < 3; i += 1) t.match(started.stdout, `http://127.0.0.1:${port + 10 * i} `);
  const first = await waitFor('a leader', () => leaderOf(started.stdout));
  const client = new EtcdClient(`127.0.0.1:${port + 10 * (Number(first.name[1]) % 3)}`);
  t.teardown(() => client.close());
  await client.put('a', '1');

  process.kill(first.pid, 'SIGKILL');
  await waitFor('another leader', () => leaderOf(started.stdout)?.name !== first.name, 30_000);
  t.match(started.stdout, `${first.name} has ended (SIGKILL)`);
  const twice = await outcome('3', ...args);
  t.equal(twice.code, 1);
  t.match(twice.stderr, /a cluster runs in .*: stop it by/);

  const stopped = await outcome('stop', `--data=${data}`);
  t.equal(stopped.code, 0);
  t.equal((await within('its end', started.exited)).code, 0);
  const pids = [...started.stdout.matchAll(/^m\d +\S+ +\S+ +(\d+)/gm)].map(([, pid]) =>
    Number(pid),
  );
  t.ok(pids.length >= 3 && !pids.some(isAlive), 'no member is left');
  t.match(await outcome('stop', `--data=${data}`), { code: 0, stdout: /no cluster runs/ });

  started = run('3', ...args);
  await waitFor('the cluster again', () => started.stdout.includes('ready after'), 60_000);
  t.equal((await client.get('a'))?.value.toString(), '1', 'it goes on with its data');
  started.signal('SIGINT');
  t.equal((await within('its end', started.exited, 20_000)).code, 0, 'Ctrl-C');
  t.match(await outcome('5', ...args), { code: 1, stderr: /holds a cluster of 3 members/ });
}

t.test('a cluster of three starts, tells of its leader, and stops', startsAndStops);

t.test('what it cannot do, it says', async (t) => {
  const data = join(tempDir('local-cluster'), 'data');
  const port = await basePort();
  const at = [...kind, `--base-port=${port}`, `--data=${data}`];
  const refused = async (args: string[], text: RegExp) => {
    const { code, stderr } = await outcome(...args);
    t.equal(code, 1, args.join(' '));
    t.match(stderr, text);
    t.equal(stderr.trim().split('\n').length, 1, 'in one line');
  };
  await refused(['4'], /"4": expected 3, 5 or stop/);
  await refused(['3', '--engine=paper'], /expected memory, rocksdb or mixed/);
  await refused(['--base-port=65530'], /not a port with room for 3 members/);
  await refused(['--name=x'], /--name is set for each member/);
  await refused(['--heartbeat-interval', '50'], /give flags of the members as/);
  await refused(['stop', `--data=${data}`], /no cluster was started in/);
  await refused(['--program=/nonexistent/server'], /no such program/);
  const foreign = tempDir('foreign');
  writeFileSync(join(foreign, 'mine'), 'x');
  await refused([...kind, `--data=${foreign}`, '--fresh'], /was not made by this script/);
  t.ok(existsSync(join(foreign, 'mine')));

  const server = createServer().listen(port + 10, '127.0.0.1');
  t.teardown(() => server.close());
  await refused(['3', ...at], new RegExp(`port ${port + 10}, for clients of m2, is in use`));
  t.match(await outcome('--help'), { code: 0, stdout: /Usage: scripts\/local-cluster/ });
});

t.test('a member that does not start is named, with the end of its log', async (t) => {
  const data = join(tempDir('local-cluster'), 'data');
  const at = [...kind, `--base-port=${await basePort()}`, `--data=${data}`];
  const { code, stderr } = await outcome('3', ...at, '--heartbeat-interval=none');
  t.equal(code, 1);
  t.match(stderr, /m\d ended: code [1-9]/);
  t.match(stderr, /heartbeat-interval/);
  t.match(stderr, /from .*m\d\.log/);
  t.match(readFileSync(join(data, 'local-cluster.json'), 'utf8'), /"supervisor": null/);
});
