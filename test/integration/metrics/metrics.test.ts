// Metrics of real servers: exact counts after known operations, what the log says of slow and of
// failed requests, compression, ports for metrics alone, and what a leader's pause leaves behind.

import t, { type Test } from 'tap';
import { parseScrape, scrape, valuesOf } from '../../conformance/compared/metrics/scrape.js';
import { Cluster } from '../../support/cluster/cluster.js';
import { bytes, EtcdClient } from '../../support/etcd/client.js';
import { freePorts } from '../../support/ports.js';
import { type LogLine, MemberProcess } from '../../support/process.js';
import { sleep, waitFor } from '../../support/wait.js';

/** From when on the log tells of the apply of a request. */
const USUAL_SLOW_MS = 100;

async function startMember(t: Test, engine: 'memory' | 'rocksdb', flags: readonly string[]) {
  const member = await MemberProcess.start({ engine, flags });
  const client = new EtcdClient(member.endpoint);
  t.teardown(async () => {
    client.close();
    await member.stop();
  });
  return { member, client };
}

const apply = (op: string, success = true) =>
  `etcd_server_apply_duration_seconds_count{op=${op},success=${success},version=v3}`;
const request = (type: string, success = true) =>
  `etcd_server_request_duration_seconds_count{success=${success},type=${type}}`;
const handled = (method: string, code: string) =>
  `grpc_server_handled_total{grpc_code=${code},grpc_method=${method},` +
  `grpc_service=etcdserverpb.KV,grpc_type=unary}`;

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: exact counts`, async (t) => {
    const { member, client } = await startMember(t, engine, []);
    const before = valuesOf(await scrape(member.endpoint));
    for (let i = 0; i < 50; i++) {
      await client.put(`key/${i}`, 'x'.repeat(10));
    }
    await client.deleteRange({ key: bytes('key/0') });
    for (let i = 0; i < 7; i++) {
      await client.get('key/1');
    }
    await t.rejects(client.range({ key: bytes('key/1'), revision: 99_999n }), { code: 11 });
    await t.rejects(client.put('key/1', '', { lease: 4n }), { code: 5 });
    const after = valuesOf(await scrape(member.endpoint));
    const grown = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    t.match(
      {
        puts: grown('etcd_mvcc_put_total'),
        bytes: grown('etcd_debugging_mvcc_total_put_size_in_bytes'),
        deletes: grown('etcd_mvcc_delete_total'),
        ranges: grown('etcd_mvcc_range_total'),
        keys: after.get('etcd_debugging_mvcc_keys_total'),
        applied: grown(apply('Put')),
        failedApplies: grown(apply('Put', false)),
        requests: grown(request('Put')),
        reads: grown(request('Range')),
        failedReads: grown(request('Range', false)),
        ok: grown(handled('Put', 'OK')),
        notFound: grown(handled('Put', 'NotFound')),
        outOfRange: grown(handled('Range', 'OutOfRange')),
        revision: grown('etcd_debugging_mvcc_current_revision'),
        proposals: grown('etcd_server_proposals_applied_total'),
        pending: after.get('etcd_server_proposals_pending'),
        failed: after.get('etcd_server_proposals_failed_total'),
        batched: grown('metastore_wal_batch_entries_count') > 0,
      },
      {
        puts: 50,
        bytes: 40 * 16 + 10 * 15,
        deletes: 1,
        ranges: 8,
        keys: 49,
        applied: 50,
        failedApplies: 1,
        requests: 51,
        reads: 7,
        failedReads: 1,
        ok: 50,
        notFound: 1,
        outOfRange: 1,
        revision: 51,
        proposals: 52,
        pending: 0,
        failed: 0,
        batched: true,
      },
    );
  });
}

t.test('the log tells of slow and of failed requests, without values', async (t) => {
  const flags = ['--warning-apply-duration=1ns', '--warning-unary-request-duration=1ns'];
  const { member, client } = await startMember(t, 'memory', flags);
  await client.put('foo', 'a-secret-value');
  await client.get('foo');
  await t.rejects(client.leaseRevoke(0x1234n), { code: 5 });
  const of = (msg: string, text: RegExp) => {
    const isIt = (line: LogLine) => line.msg === msg && text.test(JSON.stringify(line));
    return member.process.logLines().find(isIt);
  };
  await waitFor('the lines', () => {
    const slow = 'apply request took too long';
    const isThere = of(slow, /put:</) && of(slow, /read-only range/) && of('request stats', /Put/);
    return isThere !== undefined && of('failed to apply request', /lease_revoke/) !== undefined;
  });
  t.match(of('apply request took too long', /put:</), {
    level: 'warn',
    took: /s$/,
    'expected-duration': '1ns',
    prefix: '',
    request: /^header:<ID:\d+> put:<key:"foo" value_size:14 >$/,
    response: /^size:\d+$/,
  });
  t.match(of('apply request took too long', /read-only range/), {
    prefix: 'read-only range ',
    request: 'key:"foo"',
    response: /^range_response_count:1 size:\d+$/,
  });
  t.match(of('failed to apply request', /lease_revoke/), {
    request: /lease_revoke:<id:0000000000001234>$/,
    error: 'etcdserver: requested lease not found',
  });
  t.match(of('request stats', /KV\/Put/), {
    level: 'warn',
    'response type': '/etcdserverpb.KV/Put',
    'request count': 1,
    'request content': 'key:"foo" value_size:14 ',
  });
  t.notMatch(member.process.stderr, /a-secret-value/);
  const values = valuesOf(await scrape(member.endpoint));
  t.ok((values.get('etcd_server_slow_apply_total') ?? 0) >= 3);
});

t.test('with the usual thresholds nothing is said of quick requests', async (t) => {
  const { member, client } = await startMember(t, 'memory', []);
  let slow = 0;
  for (let i = 0; i < 100; i++) {
    const fromMs = performance.now();
    await client.put(`key/${i}`, 'x');
    if (performance.now() - fromMs >= USUAL_SLOW_MS) slow++;
  }
  const said = member.process.stderr.match(/apply request took too long|request stats/g) ?? [];
  // Both may be said of each that a busy machine has made slow.
  t.ok(said.length <= 2 * slow, `${said.length} lines of ${slow} slow requests`);
});

t.test('compressed, by any method, and on ports of their own', async (t) => {
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const flags = [`--listen-metrics-urls=${url}`, '--metrics=extensive'];
  const { member } = await startMember(t, 'memory', flags);
  for (const place of [`http://${member.endpoint}`, url]) {
    const headers = { 'accept-encoding': 'gzip', accept: 'application/openmetrics-text' };
    const answer = await fetch(`${place}/metrics`, { method: 'POST', headers });
    t.equal(answer.status, 200);
    t.equal(answer.headers.get('content-encoding'), 'gzip');
    const type = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores';
    t.equal(answer.headers.get('content-type'), type);
    const families = parseScrape(await answer.text());
    t.ok(families.has('grpc_server_handling_seconds'));
    t.equal(families.get('grpc_server_handled_total')?.samples.length, 765);
    const plain = await fetch(`${place}/metrics`, { headers: { 'accept-encoding': 'identity' } });
    t.equal(plain.headers.get('content-encoding'), null);
    parseScrape(await plain.text());
  }
});

t.test('many scrapes at once, under writes', async (t) => {
  const { member, client } = await startMember(t, 'rocksdb', []);
  let isDone = false;
  const writing = (async () => {
    let count = 0;
    for (; !isDone; count++) {
      await client.put(`key/${count % 100}`, 'value');
    }
    return count;
  })();
  const scrapes = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      await sleep(i * 10);
      return valuesOf(await scrape(member.endpoint));
    }),
  );
  isDone = true;
  const puts = await writing;
  const values = valuesOf(await scrape(member.endpoint));
  t.equal(values.get('etcd_mvcc_put_total'), puts);
  for (const seen of scrapes) {
    t.ok((seen.get('etcd_mvcc_put_total') ?? -1) <= puts, 'never ahead');
  }
});

t.test('a leader that was away says that its heartbeats were late', async (t) => {
  const cluster = await Cluster.start({ size: 3, engines: ['memory'], electionMs: 3000 });
  t.teardown(() => cluster.stop());
  const leader = await cluster.leader();
  const endpoint = `127.0.0.1:${leader.settings.clientPort}`;
  const peers = await waitFor('round trips', async () => {
    const values = valuesOf(await scrape(endpoint));
    const trips = [...values].filter(([name]) => name.includes('round_trip_time_seconds_count'));
    return trips.length === 2 ? values : undefined;
  });
  const active = [...peers].filter(([name]) => name.startsWith('etcd_network_active_peers{'));
  t.strictSame(
    active.map(([, value]) => value),
    [1, 1],
  );
  t.equal(
    [...peers.keys()].filter((name) => name.startsWith('etcd_network_known_peers')).length,
    3,
  );
  t.equal(peers.get('etcd_server_is_leader'), 1);
  t.ok((peers.get('etcd_server_leader_changes_seen_total') ?? 0) >= 1);
  leader.process.signal('SIGSTOP');
  await sleep(1000);
  leader.process.signal('SIGCONT');
  await waitFor('the warning', () =>
    leader.process.stderr.includes('leader failed to send out heartbeat on time; took too long'),
  );
  const values = valuesOf(await scrape(endpoint));
  t.ok((values.get('etcd_server_heartbeat_send_failures_total') ?? 0) >= 1);
});
