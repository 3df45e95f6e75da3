// The health service while a member defragments, with the gate that is about it and without; and
// compactions that nobody asks for, which only the leader makes.

import t from 'tap';

import { healthCheckRequest, healthCheckResponse } from '../../../src/base/proto/messages.js';
import { ask, authCalls, calls, must } from '../../conformance/support/calls.js';
import { Client } from '../../conformance/support/client.js';
import { Cluster } from '../../support/cluster/cluster.js';
import { EtcdClient } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';
import { sleep, waitFor } from '../../support/wait.js';

t.setTimeout(300_000);

const view = (buffer: Buffer): Uint8Array => buffer as unknown as Uint8Array;
const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

async function started(flags: readonly string[], t: { teardown(end: () => unknown): void }) {
  const member = await MemberProcess.start({ engine: 'memory', flags });
  const client = new EtcdClient(member.endpoint);
  t.teardown(async () => {
    client.close();
    await member.kill();
  });
  const watch = (service: string) => {
    const stream = client.stream('/grpc.health.v1.Health/Watch');
    stream.send(healthCheckRequest.encode({ service }));
    stream.end();
    return {
      stream,
      status: async () => healthCheckResponse.decode(view(await stream.next())).status,
    };
  };
  const defragment = () => client.raw('/etcdserverpb.Maintenance/Defragment', new Uint8Array());
  const changes = () =>
    member.process
      .logLines()
      .filter(({ msg }) => msg === 'grpc service status changed')
      .map(({ level, status, reason = null }) => [level, status, reason]);
  return { member, client, watch, defragment, changes };
}

t.test('with the gate the member says that it does not serve meanwhile', async (t) => {
  const { watch, defragment, changes } = await started(
    ['--feature-gates=StopGRPCServiceOnDefrag=true'],
    t,
  );
  const [known, unknown] = [watch(''), watch('other')];
  t.equal(await known.status(), SERVING);
  t.equal(await unknown.status(), SERVICE_UNKNOWN);
  await defragment();
  t.equal(await known.status(), NOT_SERVING);
  t.equal(await known.status(), SERVING);
  t.equal(unknown.stream.buffered, 0);
  await waitFor('the log', () => changes().length === 3);
  t.same(changes(), [
    ['info', 'SERVING', null],
    ['warn', 'NOT_SERVING', 'defrag is active'],
    ['info', 'SERVING', null],
  ]);
});

t.test('without it nobody notices', async (t) => {
  const { watch, defragment, changes } = await started([], t);
  const known = watch('');
  t.equal(await known.status(), SERVING);
  await defragment();
  await sleep(200);
  t.equal(known.stream.buffered, 0);
  t.same(changes(), [['info', 'SERVING', null]]);
});

t.test('what a period old is, is compacted, by the leader alone', async (t) => {
  const flags = ['--auto-compaction-mode=periodic', '--auto-compaction-retention=1s'];
  const cluster = await Cluster.start({ size: 3, engines: ['memory'], flags });
  t.teardown(() => cluster.stop());
  const { client } = await cluster.leader();
  for (let i = 0; i < 5; i++) {
    await client.put('k', `${i}`);
  }
  const compacted = await waitFor('a compaction of all that', async () => {
    const { compact_revision } = await client.hashKv();
    return compact_revision >= 6n ? compact_revision : undefined;
  });
  t.equal(compacted, 6n, 'and of nothing newer');
  await cluster.hashes();
  const text = 'starting auto periodic compaction';
  const leader = await cluster.leader();
  t.ok(leader.process.logLines().some(({ msg }) => msg === text));
  for (const { process } of cluster.others(leader)) {
    t.notOk(process.logLines().some(({ msg }) => msg === text));
  }
});

t.test('a member compacts and is healthy where users need permissions', async (t) => {
  const flags = ['--auto-compaction-retention=1s'];
  const member = await MemberProcess.start({ engine: 'memory', flags });
  const client = new Client(member.endpoint);
  t.teardown(async () => {
    client.close();
    await member.kill();
  });
  const root = { name: 'root', password: 'root' };
  await must(client, authCalls.userAdd, root);
  await must(client, authCalls.userGrantRole, { user: 'root', role: 'root' });
  await must(client, authCalls.enable, {});
  const { token } = await must(client, authCalls.authenticate, root);
  const asRoot = { metadata: { token: token as string } };
  t.match(await ask(client, calls.put, { key: Buffer.from('a') }), { code: 3 });
  for (let i = 0; i < 5; i++) {
    await must(client, calls.put, { key: Buffer.from('a') }, asRoot);
  }
  await waitFor('a compaction', async () => {
    const { compact_revision } = await must(client, calls.hashKv, {}, asRoot);
    return (compact_revision as bigint) >= 6n;
  });
  t.equal((await fetch(`http://${member.endpoint}/health`)).status, 200);
});

t.test('retentions that mean nothing end the start', async (t) => {
  const refused = async (flags: readonly string[]) => {
    const member = await MemberProcess.prepare({ engine: 'memory', flags });
    const { exited } = member.launch();
    const exit = await exited;
    const last = member.process.logLines().at(-1);
    return { code: exit.code, msg: last?.msg, error: last?.error };
  };
  t.match(await refused(['--auto-compaction-retention=x']), {
    code: 1,
    msg: 'discovery failed',
    error: 'error parsing CompactionRetention: time: invalid duration "x"',
  });
  t.match(await refused(['--auto-compaction-retention=-1']), {
    code: 1,
    error: 'error parsing CompactionRetention: time: missing unit in duration "-1"',
  });
  t.match(await refused(['--auto-compaction-mode=']), {
    code: 1,
    msg: 'failed to verify flags',
    error: 'undefined auto-compaction-mode',
  });
});
