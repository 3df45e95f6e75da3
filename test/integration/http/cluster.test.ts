// The HTTP side of a cluster: the same data through every member, probes and calls without a
// quorum, and a learner, which serves little. With METASTORE_ETCD the same steps go to clusters of
// a real etcd, with the same answers.

import t, { type Test } from 'tap';

import { Cluster } from '../../support/cluster/cluster.js';
import { type ClusterMember, type Program, program } from '../../support/cluster/member.js';
import { waitFor, within } from '../../support/wait.js';
import { base64 } from './support.js';

interface Reply {
  readonly status: number;
  readonly text: string;
}

async function ask(port: number, path: string, body?: object, headers = {}): Promise<Reply> {
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers });
  return { status: response.status, text: await response.text() };
}

const portOf = ({ settings }: ClusterMember) => settings.clientPort;

const put = { key: base64('c'), value: base64('v') };
const range = { key: base64('c') };

async function quorumLost(t: Test, cluster: Cluster): Promise<void> {
  t.comment('1. start: written through one member, read through all');
  const [first] = cluster.members;
  if (first === undefined) throw new Error('no member');
  t.equal((await ask(portOf(first), '/v3/kv/put', put)).status, 200);
  for (const member of cluster.members) {
    const clientPort = portOf(member);
    t.match((await ask(clientPort, '/v3/kv/range', range)).text, /"count": ?"1"/);
    t.equal((await ask(clientPort, '/readyz')).text, 'ok\n');
  }
  t.comment('2. trigger: two of three are killed');
  const { member: left } = (await cluster.statuses())[0] ?? {};
  if (left === undefined) throw new Error('no status');
  const others = cluster.members.filter((member) => member !== left);
  await Promise.all(others.map((member) => member.kill()));
  t.comment('3. wait until the one that is left knows');
  const port = portOf(left);
  await waitFor('no leader', async () => (await ask(port, '/health')).status === 503, 20_000);
  t.comment('4. verify: what needs no quorum is served, what needs one is not');
  const asked = async (path: string, body?: object, headers = {}) => {
    const { status, text } = await within(path, ask(port, path, body, headers), 15_000);
    const lines = text.replaceAll(/"(?:[^"\\]|\\.)*"|, +/g, (part) =>
      part.startsWith(',') ? ',' : part,
    );
    return [status, lines.split('\n').sort().join('\n')];
  };
  const readiness = asked('/readyz');
  readiness.catch(() => undefined);
  t.same(await asked('/health'), [503, '\n{"health":"false","reason":"RAFT NO LEADER"}']);
  t.same(await asked('/health?serializable=true'), [200, '{"health":"true","reason":""}']);
  t.same(await asked('/livez'), [200, '\nok']);
  t.same(await asked('/readyz?exclude=linearizable_read'), [200, '\nok']);
  const failed = '[-]linearizable_read failed: etcdserver: request timed out';
  const fine = ['[+]data_corruption ok', '[+]non_learner ok', '[+]serializable_read ok'];
  t.same(await readiness, [503, ['', '', ...fine, failed].join('\n')]);
  t.match(await asked('/v3/kv/range', { ...range, serializable: true }), [200]);
  const [read, written] = await Promise.all([
    asked('/v3/kv/range', range),
    asked('/v3/kv/put', put),
  ]);
  t.same(read, [503, '{"code":14,"message":"etcdserver: request timed out"}']);
  const deadline = [504, '{"code":4,"message":"context deadline exceeded"}'];
  t.same(written, deadline);
  t.same(await asked('/v3/kv/put', put, { 'Grpc-Timeout': '200m' }), deadline);
  const needs = { 'Grpc-Metadata-hasleader': 'true' };
  t.same(await asked('/v3/kv/range', { ...range, serializable: true }, needs), [
    503,
    '{"code":14,"message":"etcdserver: no leader"}',
  ]);
  t.same(await asked('/v3/watch', { create_request: range }, needs), [
    503,
    '\n{"error":{"code":14,"message":"etcdserver: no leader"}}',
  ]);
  t.equal((await ask(port, '/version')).status, 200);
}

async function learner(t: Test, cluster: Cluster): Promise<void> {
  t.comment('1. start: a learner is added and catches up');
  const clientPort = portOf(await cluster.add(true));
  t.comment('2. verify what it serves');
  const unsupported = /"code":14, ?"message":"etcdserver: rpc not supported for learner"/;
  const refused = await ask(clientPort, '/v3/kv/range', range);
  t.match(refused.text, /rpc not supported for learner/);
  t.notMatch(refused.text, unsupported, 'a failed precondition');
  t.equal(refused.status, 400);
  t.equal((await ask(clientPort, '/v3/kv/range', { ...range, serializable: true })).status, 200);
  t.equal((await ask(clientPort, '/v3/maintenance/status', {})).status, 200);
  t.equal((await ask(clientPort, '/livez')).status, 200);
  const ready = await ask(clientPort, '/readyz');
  t.equal(ready.status, 503);
  t.match(ready.text, /\[-\]non_learner failed: not supported for learner\n/);
}

t.setTimeout(240_000);
// The full run holds the steps themselves against a real etcd.
const isFull = process.env.METASTORE_TEST_FULL === '1';
const hasReference = isFull && process.env.METASTORE_ETCD !== undefined;
const programs: Program[] = hasReference ? [program, 'etcd'] : [program];
for (const one of programs) {
  t.test(one === program ? 'this server' : 'a real etcd', async (t) => {
    await t.test('without a quorum', async (t) => {
      const engines = ['memory', 'rocksdb', 'memory'] as const;
      const cluster = await Cluster.start({ size: 3, engines, program: one });
      t.teardown(() => cluster.stop());
      await quorumLost(t, cluster);
    });
    await t.test('a learner', async (t) => {
      const cluster = await Cluster.start({ size: 1, engines: ['memory'], program: one });
      t.teardown(() => cluster.stop());
      await learner(t, cluster);
    });
  });
}
