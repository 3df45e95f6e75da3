// Runs every benchmark tiny, so that none rots: the store's with its checksums, the served
// requests' and the opening's with one server. Figures mean nothing here; that they are there does.

import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';
import { hasReference } from '../test/conformance/support/programs.js';
import { tempDir } from '../test/support/temp-dir.js';
import { metricOf } from './cluster/measure.js';
import { anyIntervalsMs, intervalsMs } from './heartbeat/phases.js';
import {
  connectionsFor,
  failuresText,
  findGenerator,
  runGenerator,
} from './load/measure/generator.js';
import { rows, scenarios } from './load/rows.js';
import { median, quantile } from './load/statistics.js';

const here = dirname(fileURLToPath(import.meta.url));
const storeBench = process.env.METASTORE_STORE_BENCH ?? '';

t.setTimeout(300_000);
t.jobs = 3; // Since the figures mean nothing.

const execute = promisify(execFile);

/** What a program prints. @throws Error when it fails */
async function runNode(program: string, args: readonly string[]): Promise<string> {
  const limits = { maxBuffer: 1 << 26, timeout: 240_000 };
  return (await execute(process.execPath, [join(here, program), ...args], limits)).stdout;
}

const noStoreBench = existsSync(storeBench) ? {} : { skip: 'the native suite did not build it' };
t.test('the store by itself', { ...noStoreBench }, async (t) => {
  const { stdout, status } = spawnSync(storeBench, ['--seconds=0.2'], { encoding: 'utf8' });
  t.equal(status, 0);
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; per_second: number; checksum: number });
  t.equal(rows.length, 9, 'every part reports');
  for (const row of rows) t.ok(row.per_second > 100 && row.checksum > 0, row.name);
});

t.test('the report on the store', { ...noStoreBench }, async (t) => {
  const args = ['--seconds=0.1', '--rounds=1', `--out=${tempDir('bench')}`];
  t.match(await runNode('micro/main.js', args), /\| put, one a run \| [\d,]+ /);
});

t.test('the peer transport by itself', async (t) => {
  const args = ['--messages=2000', '--megabytes=8', '--pings=20'];
  const rows = (await runNode('micro/peers.js', args))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { name: string; per_second: number });
  t.equal(rows.length, 6, 'every part reports');
  for (const row of rows) t.ok(row.per_second > 0, row.name);
});

const noGenerator = findGenerator() ? {} : { skip: 'the native suite did not build it' };
const noEtcd = hasReference() ? {} : { skip: 'no etcd to compare with' };
const tiny = ['--seconds=0.2', '--warm-up=0.1', '--rounds=1', '--name=tiny'];

interface Report {
  readonly samples: readonly { row: string; server: string; perSecond: number; p99Us: number }[];
  readonly costs: readonly { turnsPerSecond: number | null; heapBytesPerSecond: number }[];
}

function readReport(out: string): Report {
  return JSON.parse(readFileSync(join(out, 'tiny.json'), 'utf8')) as Report;
}

const units = findGenerator()?.replace(/metastore_load$/, 'metastore_load_units') ?? '';
const noUnits = existsSync(units) ? {} : { skip: 'the native suite did not build them' };
t.test("the generator's own units", { ...noUnits }, async (t) => {
  const { status, stdout } = spawnSync(units, ['--gtest_brief=1'], { encoding: 'utf8' });
  t.equal(status, 0, stdout);
  t.match(stdout, /PASSED {2}\] (?:1[5-9]|[2-9]\d) tests/);
});

t.test('every row on one engine', { ...noGenerator }, async (t) => {
  const out = tempDir('bench');
  const args = [...tiny, '--servers=memory', '--read-rates=500,1000', `--out=${out}`];
  const short = rows.filter((row) => row.isCounted !== true && row.rateOf === undefined);
  const text = await runNode('load/main.js', [
    ...args,
    `--rows=${short.map(({ id }) => id).join()}`,
  ]);
  t.match(text, /\| put-100 \| memory \| [\d,]+/);
  t.match(text, /\| memory \| [\d,]+ → [\d,]+ \| /, 'what reads cost JavaScript');
  t.match(readFileSync(join(out, 'tiny.svg'), 'utf8'), /^<svg /);
  const report = readReport(out);
  t.strictSame(
    report.samples.map(({ row }) => row),
    short.map(({ id }) => id),
  );
  for (const { row, perSecond, p99Us } of report.samples) t.ok(perSecond > 0 && p99Us > 0, row);
  t.equal(report.costs.length, 2);
  for (const { heapBytesPerSecond } of report.costs) t.ok(heapBytesPerSecond > 0);
});

const noSideBySide = findGenerator() ? noEtcd : noGenerator;
t.test('beside etcd', { ...noSideBySide }, async (t) => {
  const out = tempDir('bench');
  const servers = '--servers=etcd,rocksdb,memory --proposal-batch-max-operations=20';
  const args = [...tiny, servers, '--rows=put-100,open-put', '--read-rates='];
  const text = await runNode('load/main.js', [...args, `--out=${out}`]);
  t.match(text, /\| Put, 100 in flight, durable \| a second ≥ 5 × \| .*(?:reached|missed)/);
  t.match(text, /\| open-put \| rocksdb \| /, 'at the rate that etcd has shown');
  t.match(text, /\| put-100 \| memory --proposal-batch-max-operations=20 \| /, 'with flags');
  t.equal(readReport(out).samples.length, 6);
});

t.test('the five scenarios', { ...noGenerator }, async (t) => {
  const out = tempDir('bench');
  const args = ['--engines=memory,rocksdb', '--scale=0.01', `--out=${out}`];
  const text = await runNode('load/scenarios.js', args);
  for (const { title } of scenarios) t.ok(text.includes(`| ${title} | rocksdb | `), title);
  for (const chart of ['rate', 'p99']) {
    t.match(readFileSync(join(out, `scenarios-${chart}.svg`), 'utf8'), /<rect .*<text /s);
  }
});

t.test('a server that answers wrongly does not look fast', { ...noGenerator }, async (t) => {
  const frame = (message: Buffer): Buffer =>
    Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  // A header without a revision, which no answer of a store is without.
  const wrong = frame(Buffer.from([0x0a, 0x02, 0x08, 0x01]));
  const answers: [name: string, status: string, message: Buffer][] = [
    ['wrong answer', '0', wrong],
    ['UNAVAILABLE', '14', Buffer.alloc(0)],
    ['wrong answer', '0', frame(Buffer.from([0xff, 0xff]))],
    ['wrong answer', '0', Buffer.alloc(0)],
  ];
  for (const [name, status, message] of answers) {
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/grpc' });
      response.write(message);
      response.addTrailers({ 'grpc-status': status });
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const args = [`--endpoints=127.0.0.1:${port}`, '--count=20', '--in-flight=5'];
    const result = await runGenerator(args, 1);
    t.equal(result.requests.count, 0);
    t.equal(result.errors[name]?.count, 20, failuresText(result));
    await new Promise((resolve) => server.close(resolve));
  }
  await t.rejects(runGenerator(['--endpoints=127.0.0.1:1'], 1), /refused/);
  await t.rejects(runGenerator(['--mix=nothing'], 1), /cannot be nothing/);
});

t.test('connections that are lost are counted and made again', { ...noGenerator }, async (t) => {
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    // Streams 1, 3 and 5 of a connection are answered, the next one ends it.
    if ((request.stream.id ?? 0) > 5) {
      request.stream.session?.destroy();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/grpc' });
    response.write(Buffer.from([0, 0, 0, 0, 6, 0x0a, 0x04, 0x08, 0x01, 0x18, 0x07]));
    response.addTrailers({ 'grpc-status': '0' });
    response.end();
  });
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const args = [`--endpoints=127.0.0.1:${port}`, '--mix=delete', '--count=40', '--in-flight=1'];
  const result = await runGenerator([...args, '--connections=1'], 10);
  const lost = result.errors['connection lost']?.count ?? 0;
  t.ok(lost >= 10, failuresText(result));
  t.equal(lost + result.requests.count, 40);
  t.ok(sockets.size > lost / 2, 'it connects again');
  server.close();
});

t.test('starting', async (t) => {
  const args = ['--starts=1', '--idle=0', '--servers=memory'];
  const row = /\| memory \| \d[\d,]* ms .*\| \d+ MiB/;
  t.match(await runNode('startup/main.js', args), row);
});

t.test('opening', async (t) => {
  const out = tempDir('bench');
  const args = ['--keys=2000', '--starts=1', `--out=${out}`];
  t.match(
    await runNode('open/main.js', [...args, '--servers=rocksdb']),
    /\| rocksdb \| [\d,]+ keys\/s /,
  );
});

t.test('clusters', { ...noGenerator }, async (t) => {
  const out = tempDir('bench');
  const args = ['--seconds=0.3', '--rounds=1', '--puts=20', '--ranges=20', `--out=${out}`];
  const text = await runNode('cluster/main.js', [...args, '--servers=memory', '--name=tiny']);
  t.match(text, /\| Put \[20\] \| all members \| memory \| [\d,]+ /);
  t.match(text, /\| Range \[20\] \| leader \| memory \| [\d,]+ /);
  const report = JSON.parse(readFileSync(join(out, 'tiny.json'), 'utf8')) as {
    samples: { perSecond: number; leaderTurnsPerSecond: number | null }[];
  };
  t.equal(report.samples.length, 4);
  for (const sample of report.samples) {
    t.ok(sample.perSecond > 0);
    t.ok((sample.leaderTurnsPerSecond ?? 0) > 0, 'turns are counted');
  }
});

t.test('heartbeats', { ...noGenerator }, async (t) => {
  // A loaded machine may well hold an election within seconds: that is for the real run to judge.
  const args = ['--seconds=1', '--engines=memory', '--elections-max=99'];
  const text = await runNode('heartbeat/main.js', [...args, `--out=${tempDir('bench')}`]);
  t.match(text, /\| memory \| idle \| [\d.]+ \/ [\d.]+ \/ [\d.]+ \([1-9]\d*\) \| [\d.]+ /);
  t.match(text, /\| memory \| all of these \| /);
});

t.test('medians and connections', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
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
