// How members of a cluster come to be, as processes: a new cluster, restarts, joining one that
// runs, what is refused and with which words, discovery, a cluster of one out of what is left.
// Discovery is also tried against a real etcd when METASTORE_ETCD names one.

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import { START_RECORD } from '../../../src/server/bootstrap/directory.js';
import { memberAdd, memberRemove } from '../../support/cluster/membership-calls.js';
import { EtcdClient } from '../../support/etcd/client.js';
import { freePorts } from '../../support/ports.js';
import {
  type Exit,
  type LogLine,
  MemberProcess,
  type RunningProcess,
  runLauncher,
} from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { sleep, waitFor, within } from '../../support/wait.js';

t.setTimeout(300_000);

const READY = 'ready to serve client requests';
const READY_MS = 20_000;
const reference = process.env.METASTORE_ETCD;

/** A member that is started with whatever a test wants to say of its cluster. */
class Member {
  readonly name: string;
  readonly dataDir: string;
  readonly clientUrl: string;
  readonly peerUrl: string;
  readonly client: EtcdClient;
  readonly #engine: 'memory' | 'rocksdb';
  #process: RunningProcess | null = null;

  constructor(name: string, clientPort: number, peerPort: number) {
    this.name = name;
    this.dataDir = join(tempDir('start'), name);
    this.clientUrl = `http://127.0.0.1:${clientPort}`;
    this.peerUrl = `http://127.0.0.1:${peerPort}`;
    this.#engine = name.endsWith('2') ? 'rocksdb' : 'memory';
    this.client = new EtcdClient(`127.0.0.1:${clientPort}`, {
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 200,
    });
  }

  get process(): RunningProcess {
    if (this.#process === null) throw new Error(`${this.name} has not been started`);
    return this.#process;
  }

  launch(...flags: string[]): RunningProcess {
    this.#process = runLauncher([
      `--name=${this.name}`,
      `--data-dir=${this.dataDir}`,
      `--storage-engine=${this.#engine}`,
      `--listen-client-urls=${this.clientUrl}`,
      `--advertise-client-urls=${this.clientUrl}`,
      `--listen-peer-urls=${this.peerUrl}`,
      `--initial-advertise-peer-urls=${this.peerUrl}`,
      ...flags,
    ]);
    return this.#process;
  }

  async start(...flags: string[]): Promise<void> {
    const started = this.launch(...flags);
    await within(`${this.name} becoming ready`, started.waitForOutput(READY), READY_MS);
  }

  /** The log lines of a start that is expected to end by itself. */
  async ends(...flags: string[]): Promise<{ exit: Exit; lines: LogLine[] }> {
    const started = this.launch(...flags);
    const exit = await within(`${this.name} ending`, started.exited, READY_MS);
    return { exit, lines: started.logLines() };
  }

  async kill(): Promise<void> {
    this.process.signal('SIGKILL');
    await within(`${this.name} dying`, this.process.exited, 10_000);
  }

  async members(): Promise<{ name: string; peerURLs: readonly string[]; ID: bigint }[]> {
    const { members } = await this.client.memberList();
    return [...members];
  }
}

async function makeMembers(t: Test, count: number): Promise<Member[]> {
  const ports = await freePorts(2 * count);
  const made = Array.from({ length: count }, (_, i) => {
    return new Member(`m${i + 1}`, ports[2 * i] ?? 0, ports[2 * i + 1] ?? 0);
  });
  t.teardown(async () => {
    for (const member of made) {
      member.client.close();
      await member.kill().catch(() => undefined);
    }
  });
  return made;
}

function clusterFlag(members: readonly Member[]): string {
  return `--initial-cluster=${members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join()}`;
}

async function startAll(members: readonly Member[], ...flags: string[]): Promise<void> {
  const cluster = clusterFlag(members);
  await Promise.all(members.map((member) => member.start(cluster, ...flags)));
}

/** Level, message and error of the lines that say why a start failed. */
function complaints(lines: readonly LogLine[]): string[][] {
  return lines
    .filter(({ level }) => level === 'error' || level === 'fatal')
    .map(({ level, msg, error }) => [level, msg, String(error)]);
}

const failed = (error: string) => [
  ['error', 'bootstrap failed', error],
  ['fatal', 'discovery failed', error],
];

async function value(member: Member, key: string): Promise<string | undefined> {
  return (await member.client.get(key))?.value.toString();
}

t.test('a new cluster of three, and its restarts', async (t) => {
  const members = await makeMembers(t, 3);
  const [first, second, third] = members as [Member, Member, Member];
  const started = Date.now();
  await startAll(members);
  t.comment(`ready after ${Date.now() - started} ms`);
  await first.client.put('a', '1');
  const listed = await first.members();
  t.same(listed.map(({ name }) => name).sort(), ['m1', 'm2', 'm3']);
  for (const member of members) {
    t.equal(await value(member, 'a'), '1');
    t.same(await member.members(), listed, `${member.name} has the same members`);
  }
  await Promise.all(members.map((member) => member.kill()));
  // Flags about the initial cluster mean nothing any more.
  await Promise.all([
    first.start('--initial-cluster=x=http://127.0.0.1:9', '--initial-cluster-state=existing'),
    second.start('--initial-cluster=nonsense'),
    third.start('--initial-cluster-token=other', clusterFlag([third])),
  ]);
  t.same(await first.members(), listed);
  t.equal(await value(third, 'a'), '1');
  t.ok(second.process.stderr.includes('restarting local member'));
  await third.kill();
  rmSync(third.dataDir, { recursive: true });
  const { exit, lines } = await third.ends(clusterFlag(members));
  t.equal(exit.code, 1);
  const id = listed.find(({ name }) => name === 'm3')?.ID.toString(16);
  t.same(complaints(lines), failed(`member ${id} has already been bootstrapped`));
});

t.test('a member without a majority waits, and ends when it is told to', async (t) => {
  const members = await makeMembers(t, 3);
  const [first, second] = members as [Member, Member, Member];
  const cluster = clusterFlag(members);
  const waiting = first.launch(cluster);
  await sleep(2500);
  t.ok(waiting.alive);
  t.notOk(waiting.stderr.includes(READY));
  waiting.signal('SIGTERM');
  t.match(await within('stopping', waiting.exited, 5000), { signal: 'SIGTERM' });
  const again = first.launch(cluster);
  await sleep(500);
  await second.start(cluster);
  await within('becoming ready', again.waitForOutput(READY), READY_MS);
});

t.test('starts that are killed at any moment are taken up again', async (t) => {
  const members = await makeMembers(t, 3);
  const cluster = clusterFlag(members);
  for (let round = 0; round < 6; round++) {
    for (const member of members) member.launch(cluster);
    await sleep(150 + 120 * round);
    await Promise.all(members.map((member) => member.kill()));
    t.notOk(members.some(({ process }) => process.stderr.includes('"level":"fatal"')));
  }
  await startAll(members);
  await members[0]?.client.put('a', '1');
  for (const member of members) t.equal(await value(member, 'a'), '1');
  t.ok(readdirSync(members[0]?.dataDir ?? '').includes(START_RECORD));
});

t.test('members join a cluster that runs', async (t) => {
  const members = await makeMembers(t, 3);
  const [first, second, third] = members as [Member, Member, Member];
  await startAll([first]);
  await first.client.put('a', '1');
  const existing = '--initial-cluster-state=existing';
  const early = await second.ends(existing, clusterFlag([first, second]));
  t.equal(early.exit.code, 1);
  t.match(
    complaints(early.lines).at(-1)?.[2],
    /^error validating peerURLs \{ClusterID:.*: member count is unequal$/,
  );
  const added = await memberAdd(first.client, [second.peerUrl]);
  const wrong = await second.ends(
    existing,
    `--initial-cluster=m1=${first.peerUrl},m2=${third.peerUrl}`,
    `--initial-advertise-peer-urls=${third.peerUrl}`,
  );
  const id = added.member?.ID.toString(16);
  t.equal(wrong.exit.code, 1);
  t.ok(
    complaints(wrong.lines)
      .at(-1)?.[2]
      ?.includes(
        `PeerURLs: no match found for existing member (${id}, [${second.peerUrl}]), last ` +
          `resolver error (resolved urls: "${second.peerUrl}" != `,
      ),
  );
  // Killed as soon as it has made its directory, it finds its place again.
  const joining = second.launch(existing, clusterFlag([first, second]));
  await within('opening', joining.waitForOutput('opened backend db'), READY_MS);
  await second.kill();
  await second.start();
  t.equal(await value(second, 'a'), '1');
  t.equal((await second.members()).find(({ name }) => name === 'm2')?.ID, added.member?.ID);
  const learner = await waitFor('a learner to be added', () =>
    memberAdd(first.client, [third.peerUrl], true).catch(() => undefined),
  );
  await third.start(existing, clusterFlag(members));
  const listed = await first.members();
  t.match(
    listed.find(({ ID }) => ID === learner.member?.ID),
    { name: 'm3', isLearner: true },
  );
});

t.test('a cluster that cannot be reached cannot be joined', async (t) => {
  const [first, second] = (await makeMembers(t, 2)) as [Member, Member];
  const { exit, lines } = await second.ends(
    '--initial-cluster-state=existing',
    clusterFlag([first, second]),
  );
  t.equal(exit.code, 1);
  t.same(
    complaints(lines),
    failed(
      'cannot fetch cluster info from peer urls: could not retrieve cluster information from ' +
        'the given URLs',
    ),
  );
});

t.test('a removed member ends, and ends again when it is started again', async (t) => {
  const members = await makeMembers(t, 3);
  const [first, second, third] = members as [Member, Member, Member];
  await startAll(members);
  const listed = await first.members();
  const idOf = (name: string) => listed.find((member) => member.name === name)?.ID ?? 0n;
  const isRemovedEnd = (exit: Exit, process: RunningProcess) => {
    t.equal(exit.code, 0);
    const messages = process.logLines().filter(({ level }) => level === 'warn');
    t.match(messages.slice(-2), [
      {
        msg: 'server error',
        error: 'the member has been permanently removed from the cluster',
      },
      { msg: 'data-dir used by this member must be removed' },
    ]);
  };
  await waitFor('the removal', () => memberRemove(first.client, idOf('m3')).catch(() => undefined));
  isRemovedEnd(await within('ending', third.process.exited, 10_000), third.process);
  for (let again = 0; again < 2; again++) {
    isRemovedEnd((await third.ends()).exit, third.process);
  }
  await first.client.put('a', '1');
  t.equal(await value(second, 'a'), '1');
  t.equal((await first.members()).length, 2);
});

t.test('a cluster of one out of what is left', async (t) => {
  const members = await makeMembers(t, 3);
  const [first, second, third] = members as [Member, Member, Member];
  await startAll(members);
  for (let i = 0; i < 20; i++) await second.client.put(`k${i}`, `${i}`);
  t.equal(await value(second, 'k19'), '19');
  const before = await second.client.status();
  await Promise.all(members.map((member) => member.kill()));
  await second.start('--force-new-cluster');
  const after = await second.client.status();
  t.equal(after.header?.cluster_id, before.header?.cluster_id);
  t.equal(after.header?.member_id, before.header?.member_id);
  t.ok(after.raftTerm > before.raftTerm);
  t.match(await second.members(), [{ name: 'm2', peerURLs: [second.peerUrl] }]);
  t.equal(await value(second, 'k19'), '19');
  const said = second.process.logLines().map(({ msg }) => msg);
  t.ok(said.includes('forcing restart member'));
  t.equal(said.filter((msg) => msg === 'removed member').length, 2);
  await second.client.put('after', 'x');
  await second.kill();
  await second.start('--force-new-cluster');
  t.equal(await value(second, 'after'), 'x', 'asked for again it takes nothing away');
  await second.kill();
  await second.start();
  t.equal(await value(second, 'after'), 'x');
  // The others' directories belong to members that were removed.
  const old = third.launch();
  await sleep(1500);
  t.notOk(old.stderr.includes(READY));
  await third.kill();
  rmSync(first.dataDir, { recursive: true });
  await memberAdd(second.client, [first.peerUrl]);
  await first.start('--initial-cluster-state=existing', clusterFlag([first, second]));
  t.equal(await value(first, 'after'), 'x');
  t.equal((await first.members()).length, 2);
});

async function discovers(t: Test, registry: string): Promise<void> {
  const members = await makeMembers(t, 4);
  const [first, second, third, fourth] = members as [Member, Member, Member, Member];
  const client = new EtcdClient(registry);
  t.teardown(() => client.close());
  const token = `t${Date.now()}`;
  const flags = [
    `--discovery-token=${token}`,
    `--discovery-endpoints=127.0.0.1:1,http://${registry}`,
  ];
  const refused = (lines: readonly LogLine[], reason: string) => {
    t.same(complaints(lines), [
      ['error', 'discovery failed to join cluster', reason],
      ['error', 'bootstrap failed', `failed to join discovery cluster (${reason})`],
    ]);
    t.ok(lines.some(({ msg }) => msg.startsWith('do not reuse discovery token')));
  };
  const none = await first.ends(...flags);
  t.equal(none.exit.code, 1);
  refused(none.lines, 'discovery: size key not found');
  await client.put(`/_etcd/registry/${token}/_config/size`, 'many');
  refused((await first.ends(...flags)).lines, 'discovery: size key is bad');
  await client.put(`/_etcd/registry/${token}/_config/size`, '3');
  const waiting = first.launch(...flags);
  await within('registering', waiting.waitForOutput('waiting for peers'), READY_MS);
  await first.kill();
  await Promise.all([first, second, third].map((member) => member.start(...flags)));
  const listed = await first.members();
  t.same(listed.map(({ name }) => name).sort(), ['m1', 'm2', 'm3']);
  t.same(await third.members(), listed);
  await first.client.put('a', '1');
  t.equal(await value(second, 'a'), '1');
  const full = await fourth.ends(...flags);
  t.equal(full.exit.code, 1);
  refused(full.lines, 'discovery: cluster is full');
  await second.kill();
  await second.start(...flags);
  t.equal(await value(second, 'a'), '1');
}

t.test('discovery through another cluster', async (t) => {
  const [registry] = (await makeMembers(t, 1)) as [Member];
  await registry.start(clusterFlag([registry]));
  await discovers(t, registry.clientUrl.replace('http://', ''));
});

const skip = reference === undefined ? 'METASTORE_ETCD is not set' : false;

t.test('discovery through etcd', { skip }, async (t) => {
  const registry = await MemberProcess.start({ engine: null, command: reference ?? '' });
  t.teardown(() => registry.kill());
  await discovers(t, registry.endpoint);
});

t.test('a cluster of etcd servers is not joined', { skip }, async (t) => {
  const etcd = await MemberProcess.start({ engine: null, command: reference ?? '' });
  t.teardown(() => etcd.kill());
  const [member] = (await makeMembers(t, 1)) as [Member];
  const client = new EtcdClient(etcd.endpoint);
  t.teardown(() => client.close());
  await waitFor('the member to be added', () =>
    memberAdd(client, [member.peerUrl]).catch(() => undefined),
  );
  const { exit, lines } = await member.ends(
    '--initial-cluster-state=existing',
    `--initial-cluster=m1=${member.peerUrl},etcd=http://127.0.0.1:${etcd.peerPort}`,
  );
  t.equal(exit.code, 1);
  t.match(complaints(lines).at(-1)?.[2], /is another kind of server \(etcd 3\./);
});
