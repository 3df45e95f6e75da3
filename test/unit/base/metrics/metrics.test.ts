// Tests of src/base/metrics: what is counted is what a scrape shows, families come into being with
// their first child, and numbers and labels are written as other servers write them.

import t from 'tap';
import { counter, exponential, gauge } from '../../../../src/base/metrics/definition.js';
import { Distribution, Family, Value } from '../../../../src/base/metrics/family.js';
import { Metrics } from '../../../../src/base/metrics/metrics.js';
import { addProcessMetrics, netstatNumbers } from '../../../../src/base/metrics/process.js';
import { definitions } from '../../../../src/base/metrics/tables/index.js';
import { serverMetrics } from '../../../../src/base/metrics/tables/server.js';
import { expositionText, formatNumber } from '../../../../src/base/metrics/text.js';

const linesOf = (text: string, name: string) =>
  text.split('\n').filter((line) => new RegExp(`^${name}(_[a-z]+)?[{ ]`).test(line));

t.test('numbers are written as label texts of buckets need them', async (t) => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '0'],
    [1, '1'],
    [0.1, '0.1'],
    [8.192, '8.192'],
    [0.0001, '0.0001'],
    [0.00005, '5e-05'],
    [5.31e-7, '5.31e-07'],
    [524288, '524288'],
    [999999, '999999'],
    [1e6, '1e+06'],
    [8388608, '8.388608e+06'],
    [1795274033, '1.795274033e+09'],
    [2 ** 64, '1.8446744073709552e+19'],
    [-3, '-3'],
    [-2e7, '-2e+07'],
    [Number.POSITIVE_INFINITY, '+Inf'],
    [Number.NEGATIVE_INFINITY, '-Inf'],
    [Number.NaN, 'NaN'],
  ];
  for (const [value, text] of cases) {
    t.equal(formatNumber(value), text);
  }
});

t.test('exponential bounds', async (t) => {
  t.same(exponential(0.001, 2, 4), [0.001, 0.002, 0.004, 0.008]);
  t.equal(exponential(0.0001, 2, 20).at(-1), 0.0001 * 2 ** 19);
  t.equal(exponential(0.0001, 2, 20).length, 20);
});

t.test('a distribution puts each value into its bucket', async (t) => {
  const cell = new Distribution([1, 2, 4]);
  for (const value of [0, 1, 1.5, 2, 3, 4, 5, 100]) {
    cell.observe(value);
  }
  t.same([...cell.counts], [2, 2, 2, 2], 'a bound belongs to its bucket');
  t.equal(cell.sum, 116.5);
  t.equal(cell.count, 8);
  cell.load(Float64Array.of(1, 0, 0, 3), 9);
  t.equal(cell.count, 4, 'what was counted elsewhere replaces it');
  t.throws(() => cell.load(Float64Array.of(1), 1), /the same bounds/);
});

t.test('buckets are cumulative in the text, the bound comes last', async (t) => {
  const metrics = new Metrics();
  const cell = metrics.distribution(serverMetrics.applySeconds, 'v3', 'Put', 'true');
  cell.observe(0.00015);
  cell.observe(1e9);
  const lines = linesOf(await metrics.text(), 'etcd_server_apply_duration_seconds');
  t.equal(lines.length, 23);
  const labels = 'op="Put",success="true",version="v3"';
  t.equal(lines[0], `etcd_server_apply_duration_seconds_bucket{${labels},le="0.0001"} 0`);
  t.equal(lines[1], `etcd_server_apply_duration_seconds_bucket{${labels},le="0.0002"} 1`);
  t.equal(lines[20], `etcd_server_apply_duration_seconds_bucket{${labels},le="+Inf"} 2`);
  t.equal(lines[22], `etcd_server_apply_duration_seconds_count{${labels}} 2`);
});

t.test('a family with labels is absent until it has a child', async (t) => {
  const metrics = new Metrics();
  t.notMatch(await metrics.text(), /etcd_server_client_requests_total/);
  metrics.value(serverMetrics.clientRequests, 'unary', '3.7').add(2);
  const text = await metrics.text();
  t.match(text, /# TYPE etcd_server_client_requests_total counter\n/);
  t.match(text, /etcd_server_client_requests_total\{client_api_version="3.7",type="unary"\} 2\n/);
  metrics.values(serverMetrics.clientRequests).clear();
  t.notMatch(await metrics.text(), /etcd_server_client_requests_total/);
});

t.test('labels that clients choose cannot break lines', async (t) => {
  const family = new Family(gauge('a_b', 'line one\nline \\ two', 'x'), () => new Value());
  family.with('"quoted"\n\\').set(1);
  const text = expositionText([await family.get()]);
  t.equal(
    text,
    '# HELP a_b line one\\nline \\\\ two\n# TYPE a_b gauge\na_b{x="\\"quoted\\"\\n\\\\"} 1\n',
  );
});

t.test('label values that would run together stay apart', async (t) => {
  const family = new Family(counter('c', 'c', 'x', 'y'), () => new Value());
  family.with('a', 'bc').add();
  family.with('ab', 'c').add(5);
  t.equal(family.with('a', 'bc').value, 1);
  t.throws(() => family.with('one'), /has 2 labels/);
});

t.test('collectors run at each scrape', async (t) => {
  const metrics = new Metrics();
  let scrapes = 0;
  metrics.onScrape(() => metrics.value(serverMetrics.isLeader).set(++scrapes));
  await metrics.text();
  t.same(linesOf(await metrics.text(), 'etcd_server_is_leader'), ['etcd_server_is_leader 2']);
});

t.test('only what stands in the tables', async (t) => {
  const metrics = new Metrics();
  t.throws(() => metrics.value(counter('etcd_other', 'x')), /stands in the tables/);
});

t.test('the tables: each name once, well formed, with a meaning', async (t) => {
  const names = new Set<string>();
  for (const { name, help, kind, bounds, labels } of definitions) {
    t.notOk(names.has(name), name);
    names.add(name);
    t.match(name, /^(etcd|grpc|process|promhttp|os|metastore)_[a-z0-9_]+$/);
    t.match(help, /\.$/, name);
    t.equal(bounds.length > 0, kind === 'histogram', name);
    t.ok(
      bounds.every((bound, i) => i === 0 || bound > (bounds[i - 1] as number)),
      name,
    );
    t.equal(new Set(labels).size, labels.length, name);
  }
});

t.test('the process', async (t) => {
  const metrics = new Metrics();
  addProcessMetrics(metrics);
  const text = await metrics.text();
  for (const name of [
    'process_cpu_seconds_total',
    'process_max_fds',
    'process_open_fds',
    'process_resident_memory_bytes',
    'process_start_time_seconds',
    'process_virtual_memory_bytes',
    'process_virtual_memory_max_bytes',
    'process_network_receive_bytes_total',
    'process_network_transmit_bytes_total',
    'nodejs_eventloop_lag_p99_seconds',
    'os_fd_limit',
    'os_fd_used',
  ]) {
    const [line = ''] = linesOf(text, name);
    t.match(line, / [0-9.e+-]+$/, name);
  }
  const [cpu = ''] = linesOf(text, 'process_cpu_seconds_total');
  const used = process.cpuUsage();
  const seconds = Number(cpu.split(' ')[1]);
  t.ok(seconds > 0.05 && seconds <= (used.user + used.system) / 1e6, 'since the process began');
  t.ok(Number(linesOf(text, 'os_fd_used')[0]?.split(' ')[1]) > 2);
});

t.test('the kernel writes names above values', async (t) => {
  const text = 'TcpExt: A B\nTcpExt: 1 2\nIpExt: InOctets OutOctets\nIpExt: 30 40\n';
  t.same(
    [...netstatNumbers(text, 'IpExt')],
    [
      ['InOctets', 30],
      ['OutOctets', 40],
    ],
  );
  t.same([...netstatNumbers('', 'IpExt')], []);
});
