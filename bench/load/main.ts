// The report beside etcd: every row of rows.ts on MetaStore with both engines and on a real etcd,
// in rounds that take turns, with one generator. Run by bench/run; writes <name>.md, .json and .svg
// under bench/reports. A round starts each server afresh, runs its rows and stops it, so that no
// server's background work falls into another's figures.

import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/base/package.js';
import { type JavaScriptCost, javaScriptCost, warmUpLooks } from './measure/javascript.js';
import { rest } from './measure/rest.js';
import { fill, measure, type Sample, type Timing } from './measure/sample.js';
import { type Place, places, startTarget, type Target } from './measure/targets.js';
import { barChart } from './report/chart.js';
import { figureText, ratios, reference } from './report/figures.js';
import {
  enginesTable,
  factsList,
  figuresTable,
  goalsTable,
  javaScriptTable,
} from './report/markdown.js';
import { chosenRows, type Row } from './rows.js';
import { chosenServers, etcdVersion } from './servers.js';
import { describeMachine, machineText } from './statistics.js';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '2' },
    'warm-up': { type: 'string', default: '0.5' },
    rounds: { type: 'string', default: '5' },
    servers: { type: 'string', default: 'etcd,memory,rocksdb' },
    rows: { type: 'string', default: 'all' },
    'read-rates': { type: 'string', default: '10000,100000' },
    flags: { type: 'string', default: '' },
    'no-rest': { type: 'boolean', default: false },
    out: { type: 'string', default: join(packageRoot, 'bench', 'reports') },
    name: { type: 'string', default: 'load' },
  },
});

const timing: Timing = { seconds: Number(options.seconds), warmUp: Number(options['warm-up']) };
const rests = !options['no-rest'];
const chosen = chosenRows(options.rows);
const readRates = options['read-rates'].split(',').filter(Boolean).map(Number);
const { names: servers, missing } = chosenServers(options.servers);
const samples: Sample[] = [];
const costs: JavaScriptCost[] = [];
const failures: string[] = [];

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** What is left still means something; the report names what failed. */
function failed(what: string, error: unknown): void {
  const { message, cause } = error as Error;
  const text = `${what}: ${message}${cause === undefined ? '' : ` (${(cause as Error).message})`}`;
  failures.push(text);
  say(text);
}

/** What another row has shown of etcd in this round, or the latest that is known. */
function rateFor(row: Row, round: number): number | null {
  if (row.rateOf === undefined) return null;
  const known = samples.filter((one) => one.row === row.rateOf && one.server === reference);
  const one = known.find((sample) => sample.round === round) ?? known.at(-1);
  return one?.perSecond ?? null;
}

async function runRow(target: Target, row: Row, round: number): Promise<void> {
  const rate = rateFor(row, round);
  if (row.rateOf !== undefined && rate === null) return;
  try {
    if (rests) await rest(target);
    const { result: _, ...sample } = await measure(target, row, timing, rate);
    samples.push({ ...sample, round });
    const cpu = sample.cpuMicros === null ? '' : `, ${sample.cpuMicros.toFixed(1)} µs each`;
    const p99 = figureText('p99Us', sample.p99Us);
    const what = `round ${round + 1}: ${row.id} ${target.server}`;
    say(`${what}: ${figureText('perSecond', sample.perSecond)}, p99 ${p99}${cpu}`);
  } catch (error) {
    failed(`round ${round + 1}`, error);
  }
}

async function runReads(target: Target, round: number): Promise<void> {
  // Once without looking, for what only the first reads cost.
  const [first = 0] = readRates;
  await javaScriptCost(target, first, 1).catch(() => null);
  await warmUpLooks(target);
  // Turned in every other round, so that what still changes with time is not taken for the rate's.
  for (const rate of round % 2 === 0 ? readRates : [...readRates].reverse()) {
    const what = `round ${round + 1}: ${rate} reads/s ${target.server}`;
    try {
      const cost = { ...(await javaScriptCost(target, rate, timing.seconds)), round };
      costs.push(cost);
      const turns = cost.turnsPerSecond?.toFixed(0) ?? '?';
      say(`${what}: ${turns} turns/s, ${(cost.heapBytesPerSecond / 1024).toFixed(0)} KiB/s`);
    } catch (error) {
      failed(what, error);
    }
  }
}

async function runServer(server: string, place: Place, round: number): Promise<void> {
  const own = chosen.filter((row) => row.place === place);
  const reads = place === 'single' && server !== reference && readRates.length > 0;
  if (own.length === 0 && !reads) return;
  const flags = options.flags.split(',').filter(Boolean);
  let target: Target | null = null;
  try {
    target = await startTarget({ server, place, flags });
    await fill(target);
    for (const row of own) await runRow(target, row, round);
    if (reads) await runReads(target, round);
  } catch (error) {
    failed(`round ${round + 1}: ${server} (${place})`, error);
  } finally {
    await target?.stop();
  }
}

/** etcd first, as some rows go by what it has shown; the others take turns. */
function orderOf(round: number): string[] {
  const others = servers.filter((name) => name !== reference);
  const turned = others.map((_, index) => others[(index + round) % others.length] ?? '');
  return [...servers.filter((name) => name === reference), ...turned];
}

function facts(loadBefore: number): Record<string, string> {
  const quoted = (arg: string): string => (arg.includes(' ') ? `'${arg}'` : arg);
  const command = process.argv.slice(2).map(quoted).join(' ');
  return {
    date: new Date().toISOString().slice(0, 10),
    'made by': `bench/run${command === '' ? '' : ` ${command}`}`,
    machine: `${machineText(describeMachine())}; load before the run ${loadBefore.toFixed(1)}`,
    etcd: etcdVersion(),
    generator: 'bench/load/native (metastore_load), one thread; it checks every answer',
    load: [
      `${timing.seconds} s a measurement after ${timing.warmUp} s of warm-up`,
      `${options.rounds} rounds, servers fresh in each; values of 256 bytes, 10,000 keys, ` +
        '10 connections unless said',
      ...(rests ? ['servers rest before each row'] : []),
      'server and generator share the machine',
    ].join('; '),
    ...(missing.length > 0 ? { missing: missing.join(', ') } : {}),
    ...(failures.length > 0 ? { failures: failures.join('; ') } : {}),
  };
}

function reportText(about: Record<string, string>): string {
  const sections: [string, string][] = [
    ['What has to be reached', goalsTable(chosen, samples)],
    ['Memory engine beside rocksdb', enginesTable(chosen, samples)],
    ['JavaScript under reads', costs.length > 0 ? javaScriptTable(costs) : ''],
    ['All figures', figuresTable(chosen, samples)],
  ];
  const shown = sections.filter(([, text]) => text !== '');
  const body = shown.map(([title, text]) => `## ${title}\n\n${text}\n`).join('\n');
  const chart = `![ratios](${options.name}.svg)`;
  return `# MetaStore beside etcd\n\n${factsList(about)}\n\n${chart}\n\n${body}`;
}

/** Ratios of what each row is judged by, so that more is better everywhere. */
function chartText(): string {
  const groups = chosen.flatMap((row) =>
    row.goals.map((goal) => ({
      label: row.title.length > 48 ? `${row.id} (${goal.figure})` : `${row.title}`,
      mark: goal.atLeast ?? 1 / (goal.atMost ?? 1),
      bars: servers
        .filter((server) => server !== reference)
        .map((server) => ({
          server,
          values: ratios(samples, row, server, goal.figure).map((ratio) =>
            goal.atLeast === undefined ? 1 / ratio : ratio,
          ),
        })),
    })),
  );
  return barChart('times better than etcd; red: to reach', groups, (value) => value.toFixed(1));
}

async function main(): Promise<void> {
  if (servers.length === 0) throw new Error('none of the chosen servers is there');
  const loadBefore = loadavg()[0] ?? Number.NaN;
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const place of places) {
      for (const server of orderOf(round)) await runServer(server, place, round);
    }
  }
  const about = facts(loadBefore);
  const text = reportText(about);
  mkdirSync(options.out, { recursive: true });
  const write = (extension: string, content: string): void =>
    writeFileSync(join(options.out, `${options.name}.${extension}`), content);
  write('md', text);
  write('json', `${JSON.stringify({ facts: about, samples, costs }, null, 1)}\n`);
  write('svg', chartText());
  process.stdout.write(text);
  if (failures.length > 0) process.exitCode = 1;
}

await main();
