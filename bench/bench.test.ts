// Runs every benchmark tiny, so that none rots: the store's with its checksums, the served
// requests' and the opening's with one server. Figures mean nothing here; that they are there does.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { tempDir } from '../test/support/temp-dir.js';
import { metricOf, shares } from './cluster/measure.js';
import { anyIntervalsMs, intervalsMs } from './heartbeat/phases.js';
import { connectionsFor, milliseconds, readH2load } from './load/generators.js';
import { median, quantile } from './load/statistics.js';

const here = dirname(fileURLToPath(import.meta.url));
const storeBench = process.env.METASTORE_STORE_BENCH ?? '';

t.setTimeout(300_000);

function runNode(program: string, args: readonly string[]): string {
  const result = spawnSync(process.execPath, [join(here, program), ...args], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${program}: ${result.stderr}`);
  return result.stdout;
}

const noStoreBench = existsSync(storeBench) ? {} : { skip: 'the native suite did not build it' };
t.test('the store by itself', noStoreBench, async (t) => {
  const { stdout, status } = spawnSync(storeBench, ['--seconds=0.2'], { encoding: 'utf8' });
  t.equal(status, 0);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; per_second: number; checksum: number });
  t.equal(rows.length, 9, 'every part reports');
  for (const row of rows) t.ok(row.per_second > 100 && row.checksum > 0, row.name);
});

t.test('the report on the store', noStoreBench, async (t) => {
  const args = ['--seconds=0.1', '--rounds=1', `--out=${tempDir('bench')}`];
  t.match(runNode('micro/main.js', args), /\| put, one a run \| [\d,]+ /);
});

t.test('the peer transport by itself', async (t) => {
  const args = ['--messages=2000', '--megabytes=8', '--pings=20'];
  const rows = runNode('micro/peers.js', args)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; per_second: number });
  t.equal(rows.length, 6, 'every part reports');
  for (const row of rows) t.ok(row.per_second > 0, row.name);
});

t.test('served requests', async (t) => {
  const out = tempDir('bench');
  const args = ['--seconds=0.3', '--rounds=1', '--in-flight=1,20', `--out=${out}`];
  const text = runNode('load/main.js', [...args, '--servers=memory', '--name=tiny']);
  t.match(text, /\| Put \[20\] \| memory \| [\d,]+ /);
  const report = JSON.parse(readFileSync(join(out, 'tiny.json'), 'utf8')) as {
    samples: { perSecond: number; failed: number }[];
  };
  t.equal(report.samples.length, 4);
  for (const sample of report.samples) t.ok(sample.perSecond > 0 && sample.failed === 0);
});

t.test('starting', async (t) => {
  const args = ['--starts=1', '--idle=0', '--servers=memory'];
  const row = /\| memory \| \d[\d,]* ms .*\| \d+ MiB/;
  t.match(runNode('startup/main.js', args), row);
});

t.test('opening', async (t) => {
  const out = tempDir('bench');
  const args = ['--keys=2000', '--starts=1', `--out=${out}`];
  t.match(runNode('open/main.js', [...args, '--servers=rocksdb']), /\| rocksdb \| [\d,]+ keys\/s /);
});

t.test('clusters', async (t) => {
  const out = tempDir('bench');
  const args = ['--seconds=0.3', '--rounds=1', '--puts=20', '--ranges=20', `--out=${out}`];
  const text = runNode('cluster/main.js', [...args, '--servers=memory', '--name=tiny']);
  t.match(text, /\| Put \[20\] \| all members \| memory \| [\d,]+ /);
  t.match(text, /\| Range \[20\] \| leader \| memory \| [\d,]+ /);
  const report = JSON.parse(readFileSync(join(out, 'tiny.json'), 'utf8')) as {
    samples: { perSecond: number; failed: number; leaderTurnsPerSecond: number | null }[];
  };
  t.equal(report.samples.length, 4);
  for (const sample of report.samples) {
    t.ok(sample.perSecond > 0 && sample.failed === 0);
    t.ok((sample.leaderTurnsPerSecond ?? 0) > 0, 'turns are counted');
  }
});

t.test('heartbeats', async (t) => {
  // A loaded machine may well hold an election within seconds: that is for the real run to judge.
  const args = ['--seconds=1', '--engines=memory', '--elections-max=99'];
  const text = runNode('heartbeat/main.js', [...args, `--out=${tempDir('bench')}`]);
  t.match(text, /\| memory \| idle \| [\d.]+ \/ [\d.]+ \/ [\d.]+ \([1-9]\d*\) \| [\d.]+ /);
  t.match(text, /\| memory \| all of these \| /);
});

t.test('reading a generator and a spread', async (t) => {
  t.equal(milliseconds('456us'), 0.456);
  t.equal(milliseconds('2.5s'), 2500);
  const output = `requests: 90 total, 95 started, 90 done, 88 succeeded, 2 failed, 0 errored
time for request:      100us     10.50ms      2.00ms      1.00ms    80.00%`;
  const expected = { requests: 88, failed: 2, perSecond: 44, meanMs: 2, maxMs: 10.5 };
  t.strictSame(readH2load(output, 2), expected);
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
});

t.test('spreading requests in flight over members and connections', async (t) => {
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  for (const inFlight of [1, 2, 20, 99, 100, 1000]) {
    const each = shares(inFlight, 3);
    t.equal(sum(each), inFlight);
    for (const share of each) t.equal(share % connectionsFor(share), 0);
  }
  t.strictSame(shares(100, 3), [40, 30, 30]);
  t.strictSame(shares(1000, 3), [340, 330, 330]);
  t.strictSame(shares(100, 1), [100]);
  t.equal(connectionsFor(100), 10);
  t.equal(connectionsFor(36), 9);
  t.equal(connectionsFor(1), 1);
});

t.test('reading metrics and heartbeats', async (t) => {
  const text = '# TYPE a counter\na 12\na_total 3.5\nb{le="1"} 4\n';
  t.equal(metricOf(text, 'a'), 12);
  t.equal(metricOf(text, 'a_total'), 3.5);
  t.equal(metricOf(text, 'b'), null);
  const beat = (peer: string, ms: number): [string, string] => [peer, String(ms * 1_000_000)];
  const beats = [beat('1', 0), beat('2', 5), beat('1', 100), beat('2', 110), beat('1', 190)];
  t.strictSame(intervalsMs(beats), [100, 105, 90]);
  t.strictSame(anyIntervalsMs(beats), [5, 95, 10, 80]);
  t.equal(quantile([3, 1, 2, 4], 0.5), 2);
  t.equal(quantile([3, 1, 2, 4], 0.99), 4);
  t.equal(quantile([3, 1, 2, 4], 1), 4);
  t.ok(Number.isNaN(quantile([], 0.5)));
});
