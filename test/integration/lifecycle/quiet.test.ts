// A normal life says nothing at level error or above, on one member and on three, with streams of
// clients open at the end; who holds a stream is told, and nobody waits long.

import t, { type Test } from 'tap';

import { calls } from '../../conformance/support/calls.js';
import { Client } from '../../conformance/support/client.js';
import { Cluster } from '../../support/cluster/cluster.js';
import { EtcdClient } from '../../support/etcd/client.js';
import type { StreamEnd } from '../../support/etcd/stream.js';
import { MemberProcess, type RunningProcess } from '../../support/process.js';
import { within } from '../../support/wait.js';

t.setTimeout(120_000);

/** What a process said that nobody wants to read in a normal life. */
function noise(running: RunningProcess): string[] {
  const whole = running.stderr.split('\n').filter((line) => line !== '');
  return whole.filter((line) => {
    if (!line.startsWith('{')) {
      return true;
    }
    const { level } = JSON.parse(line) as { level: string };
    return level !== 'debug' && level !== 'info' && level !== 'warn';
  });
}

interface Held {
  /** How each stream ended. */
  readonly ends: Promise<StreamEnd[]>;
  close(): void;
}

/** A watch that has been created and a lease that is kept alive, held open. */
async function holdStreams(endpoint: string): Promise<Held> {
  const client = new Client(endpoint);
  const answered: Promise<void>[] = [];
  const open = (path: string, request: Buffer) => {
    let onAnswer: () => void = () => undefined;
    answered.push(
      new Promise((resolve) => {
        onAnswer = resolve;
      }),
    );
    const stream = client.stream(path, () => onAnswer());
    stream.send(request);
    return stream;
  };
  const watch = calls.watch.encode({ create_request: { key: Buffer.from('a') } });
  const streams = [
    open(calls.watch.path, watch),
    open(calls.keepAlive.path, calls.keepAlive.encode({ ID: 1n })),
  ];
  await within('first answers', Promise.all(answered), 10_000);
  return {
    ends: Promise.all(streams.map((stream) => stream.ended)),
    close: () => client.close(),
  };
}

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`one member, ${engine}`, async (t) => {
    const member = await MemberProcess.start({ engine });
    t.teardown(() => member.process.alive && member.kill());
    const client = new EtcdClient(member.endpoint);
    await client.put('a', '1');
    await client.compact(2n);
    client.close();
    const held = await holdStreams(member.endpoint);
    t.teardown(() => held.close());
    const before = performance.now();
    t.same(await member.stop(), { code: null, signal: 'SIGTERM' });
    // Its grace would be seven seconds.
    t.ok(performance.now() - before < 4000, `stopped in ${performance.now() - before} ms`);
    for (const { code, details } of await within('ends', held.ends, 5000)) {
      t.equal(code, 14);
      t.equal(details, 'etcdserver: server stopped');
    }
    t.same(noise(member.process), []);
    await member.restart();
    await member.stop();
    t.same(noise(member.process), [], 'a second life');
  });
}

t.test('the lines that operators and tools look for', async (t) => {
  const member = await MemberProcess.start({
    engine: 'memory',
    flags: ['--snapshot-catchup-entries=1000', '--max-wals=7'],
  });
  await member.stop();
  const lines = member.process.logLines();
  const said = lines.map(({ msg }) => msg);
  const wanted = [
    'Running: ',
    'Initialize and start etcd server',
    'configuring peer listeners',
    'configuring client listeners',
    'starting an etcd server',
    'bootstrapping cluster',
    'opened backend db',
    'bootstrapping raft',
    'starting local member',
    'bootstrap successfully',
    'now serving peer/client/metrics',
    'added member',
    'published local member to cluster through raft',
    'ready to serve client requests',
    'serving client traffic insecurely; this is strongly discouraged!',
    'received signal; shutting down',
    'skipped leadership transfer for single voting member cluster',
    'closing etcd server',
    'closed etcd server',
  ];
  t.same(
    said.filter((text) => wanted.includes(text)),
    wanted,
    'each once, in this order',
  );
  t.ok(said.some((text) => /^[0-9a-f]+ became leader at term 2$/.test(text)));
  t.ok(said.some((text) => /^raft\.node: ([0-9a-f]+) elected leader \1 at term 2$/.test(text)));
  const raft = lines.filter(({ logger }) => logger === 'raft');
  t.ok(raft.length > 5);
  const start = lines.find(({ msg }) => msg === 'starting an etcd server');
  t.match(start, { 'snapshot-catchup-entries': 1000, 'v2-deprecation': 'write-only' });
  t.match(start, { 'initial-cluster-state': 'new', 'initial-cluster-token': 'etcd-cluster' });
  const idle = lines.find(({ msg }) => msg === 'flag has no effect');
  t.match(idle, { flag: 'max-wals', reason: /.{10}/ });
});

t.test('three members, stopped one after the other', async (t) => {
  const cluster = await Cluster.start({ size: 3, engines: ['memory', 'rocksdb'] });
  t.teardown(() => cluster.stop());
  const leader = await cluster.leader();
  await leader.client.put('a', '1');
  const others = cluster.members.filter((member) => member !== leader);
  const held = await Promise.all(cluster.members.map(({ endpoint }) => holdStreams(endpoint)));
  t.teardown(() => {
    for (const { close } of held) {
      close();
    }
  });
  const { term, ms } = await stopLeader(t, cluster, leader);
  t.ok(ms < 4000, `the leader stopped in ${ms} ms`);
  const next = await cluster.leader(5000, leader);
  t.equal((await next.client.status()).raftTerm, term + 1n, 'handed over, not elected anew');
  for (const member of others) {
    t.same(await member.stop(), { code: null, signal: 'SIGTERM' });
  }
  for (const member of cluster.members) {
    t.same(noise(member.process), [], member.name);
  }
  // All of them together from what is on disk, and down again at the same time.
  for (const member of cluster.members) {
    member.launch();
  }
  await Promise.all(cluster.members.map((member) => member.ready()));
  await Promise.all(cluster.members.map((member) => member.stop()));
  for (const member of cluster.members) {
    t.same(noise(member.process), [], `${member.name}, a second life`);
  }
});

async function stopLeader(
  t: Test,
  cluster: Cluster,
  leader: Awaited<ReturnType<Cluster['leader']>>,
) {
  const term = (await leader.client.status()).raftTerm;
  const before = performance.now();
  t.same(await leader.stop(), { code: null, signal: 'SIGTERM' });
  t.ok(cluster.members.some((member) => member.isRunning));
  return { term, ms: performance.now() - before };
}
