// Tests of src/api/metrics/plane.ts: what the plane counts arrives in the families of the calls,
// once, beside what TypeScript counts there; and slow calls are told of as others.

import t from 'tap';
import { type CountedPlane, PlaneCounts, readSlowCall } from '../../../../src/api/metrics/plane.js';
import { Metrics } from '../../../../src/base/metrics/metrics.js';
import { rpcMetrics } from '../../../../src/base/metrics/tables/rpc.js';
import { RequestTimes } from '../../../../src/server/serving/request-times.js';
import type { VersionCount } from '../../../../src/storage/native-plane.js';

/** Numbers of one method: three, 17 codes, 12 buckets and a sum; of one request twice 15 and 1. */
const METHOD = 3 + 17 + 13;
const REQUEST = 2 * 16;
const TOTAL = 4 * METHOD + 5 * REQUEST + 3;
const PUT = METHOD;
const PUT_REQUESTS = 4 * METHOD + 2 * REQUEST;

function made(extensive = false) {
  const numbers = new Float64Array(TOTAL);
  const versions: { version: string; calls: number }[] = [];
  const plane: CountedPlane = {
    hotCounts: () => numbers.slice(),
    hotVersions: (): readonly VersionCount[] => versions,
  };
  const metrics = new Metrics();
  const requestTimes = new RequestTimes();
  const counts = new PlaneCounts(plane, { metrics, requestTimes, extensive });
  return { numbers, versions, metrics, requestTimes, counts };
}

async function shown(metrics: Metrics, pattern: RegExp): Promise<string[]> {
  return (await metrics.text())
    .split('\n')
    .filter((line) => pattern.test(line) && !line.startsWith('#') && !/ 0$/.test(line));
}

t.test('calls are added to those of TypeScript, once', async (t) => {
  const { numbers, versions, metrics, counts } = made();
  const put = ['unary', 'etcdserverpb.KV', 'Put'] as const;
  metrics.value(rpcMetrics.started, ...put).add(10);
  numbers[PUT] = 5;
  numbers[PUT + 1] = 500;
  numbers[PUT + 2] = 50;
  numbers[PUT + 3] = 3;
  numbers[PUT + 3 + 3] = 1;
  versions.push({ version: '3.7', calls: 4 }, { version: 'unknown', calls: 1 });
  counts.take();
  counts.take();
  numbers[PUT] = 6;
  versions[0] = { version: '3.7', calls: 5 };
  counts.take();
  const labels = 'grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"';
  t.strictSame(await shown(metrics, /grpc_server.*Put|client_(requests|grpc)/), [
    'etcd_network_client_grpc_received_bytes_total 500',
    'etcd_network_client_grpc_sent_bytes_total 50',
    'etcd_server_client_requests_total{client_api_version="3.7",type="unary"} 5',
    'etcd_server_client_requests_total{client_api_version="unknown",type="unary"} 1',
    `grpc_server_handled_total{grpc_code="OK",${labels}} 3`,
    `grpc_server_handled_total{grpc_code="InvalidArgument",${labels}} 1`,
    `grpc_server_msg_received_total{${labels}} 6`,
    `grpc_server_msg_sent_total{${labels}} 4`,
    `grpc_server_started_total{${labels}} 16`,
  ]);
});

t.test('times go where those of the same requests are', async (t) => {
  const { numbers, requestTimes, counts } = made();
  requestTimes.ended(requestTimes.of('Put', true), true, 1.5, null);
  numbers[PUT_REQUESTS] = 2; // failed, up to a millisecond
  numbers[PUT_REQUESTS + 16 + 1] = 7; // succeeded, up to two
  numbers[PUT_REQUESTS + 16 + 15] = 0.01;
  numbers[TOTAL - 3] = 2;
  numbers[TOTAL - 2] = 11;
  numbers[TOTAL - 1] = 12;
  counts.take();
  counts.take();
  t.strictSame(
    requestTimes.all.map(({ type }) => type),
    ['Put'],
    'what was never asked for is not shown',
  );
  const [put] = requestTimes.all;
  t.equal(put?.succeeded.counts[1], 8);
  t.equal(put?.succeeded.sum.toFixed(4), '0.0115');
  t.equal(put?.failed.counts[0], 2);
  t.equal(requestTimes.proposalsFailed, 2);
  t.equal(counts.proposals, 11, 'these are no sums');
  t.equal(counts.waiting, 12);
});

t.test('the time of calls is shown where it is wanted', async (t) => {
  for (const extensive of [false, true]) {
    const { numbers, metrics, counts } = made(extensive);
    numbers[PUT + 20] = 4;
    numbers[PUT + 32] = 0.02;
    counts.take();
    const lines = await shown(metrics, /handling_seconds_(count|sum).*Put/);
    t.equal(lines.length, extensive ? 2 : 0);
    t.ok(lines.every((line) => / (4|0\.02)$/.test(line)));
  }
});

t.test('an addon that counts otherwise is an assertion', async (t) => {
  const { metrics, requestTimes } = made();
  for (const length of [TOTAL - 1, TOTAL + 1]) {
    const plane = { hotCounts: () => new Float64Array(length), hotVersions: () => [] };
    const counts = new PlaneCounts(plane, { metrics, requestTimes, extensive: false });
    t.throws(() => counts.take(), /as many numbers/);
  }
});

t.test('a slow call is read as it was written', async (t) => {
  const text = (value: string) => {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(value.length);
    return Buffer.concat([head, Buffer.from(value)]);
  };
  const head = Buffer.alloc(9);
  head.writeDoubleLE(301.5);
  const fields = [text('/etcdserverpb.KV/Put'), text('127.0.0.1:9'), text('request')];
  const failed = readSlowCall(Buffer.concat([head, ...fields]));
  t.match(failed, { path: '/etcdserverpb.KV/Put', peer: '127.0.0.1:9', tookMs: 301.5 });
  t.equal(failed.request.toString(), 'request');
  t.equal(failed.reply, null);
  head[8] = 1;
  const served = readSlowCall(Buffer.concat([head, ...fields, Buffer.from('reply')]));
  t.equal(served.reply?.toString(), 'reply');
});
