// The five load scenarios of MetaStore's founding reports, on one engine or on several beside each
// other: a table, and a chart for each figure. Run by scripts/run_load_test.sh and
// scripts/run_comparison_test.sh; a failed request or a wrong answer fails the run.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/base/package.js';
import { fill, measure, type Sample } from './measure/sample.js';
import { startTarget, type Target } from './measure/targets.js';
import { barChart } from './report/chart.js';
import { figureText, samplesOf, valuesOf } from './report/figures.js';
import { factsList } from './report/markdown.js';
import { type Figure, type Row, scenarios } from './rows.js';
import { chosenServers, etcdVersion } from './servers.js';
import { count, describeMachine, machineText, median, spread, table } from './statistics.js';

const { values: options } = parseArgs({
  options: {
    engines: { type: 'string', default: 'memory,rocksdb' },
    rounds: { type: 'string', default: '1' },
    /** Shortens everything for a quick look. */
    scale: { type: 'string', default: '1' },
    flags: { type: 'string', default: '' },
    out: { type: 'string', default: join(packageRoot, 'bench', 'reports') },
    name: { type: 'string', default: 'scenarios' },
  },
});

const scale = Number(options.scale);
const secondsMin = 0.2;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

function scaled(row: Row): Row {
  const shorten = (arg: string): string => {
    const found = /^--count=(\d+)$/.exec(arg);
    return found === null ? arg : `--count=${Math.max(10, Math.round(Number(found[1]) * scale))}`;
  };
  return { ...row, args: row.args.map(shorten) };
}

async function runScenario(target: Target, row: Row, round: number): Promise<Sample> {
  const seconds = Math.max(secondsMin, (row.fullSeconds ?? 1) * scale);
  say(`${row.title}: on ${target.server} ...`);
  const { result, ...sample } = await measure(target, scaled(row), { seconds, warmUp: 0 }, null);
  const answered = result.requests.count + (result.events?.count ?? 0);
  const p99 = figureText('p99Us', sample.p99Us);
  say(`   ${figureText('perSecond', sample.perSecond)}, p99 ${p99}, ${count(answered)} answered`);
  return { ...sample, round };
}

function resultTable(samples: readonly Sample[], engines: readonly string[]): string {
  const ms = (values: readonly number[]): string =>
    spread(values, (value) => (value / 1000).toFixed(2));
  const lines = scenarios.flatMap((row) =>
    engines.map((engine) => {
      const own = samplesOf(samples, row, engine);
      const cpu = valuesOf(own, 'cpuMicros');
      return [
        ...[row.title, engine, spread(valuesOf(own, 'perSecond'), count)],
        ...[ms(own.map((one) => one.meanUs)), ms(own.map((one) => one.p99Us))],
        ...[ms(own.map((one) => one.maxUs)), cpu.length === 0 ? '-' : median(cpu).toFixed(1), '0'],
      ];
    }),
  );
  const head = ['scenario', 'engine', 'operations or events a second', 'mean ms', 'p99 ms'];
  return table([...head, 'max ms', 'server CPU µs each', 'errors'], lines);
}

function chart(samples: readonly Sample[], engines: readonly string[], figure: Figure): string {
  const groups = scenarios.map((row) => ({
    label: row.title.replace(/:.*/, ''),
    bars: engines.map((server) => ({
      server,
      values: valuesOf(samplesOf(samples, row, server), figure),
    })),
  }));
  const title = figure === 'perSecond' ? 'operations or events a second' : 'p99';
  return barChart(title, groups, (value) => figureText(figure, value));
}

async function main(): Promise<void> {
  const { names: engines, missing } = chosenServers(options.engines);
  if (engines.length === 0) throw new Error('none of the chosen engines is there');
  const flags = options.flags.split(',').filter(Boolean);
  const samples: Sample[] = [];
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const server of engines) {
      const target = await startTarget({ server, place: 'single', flags });
      try {
        await fill(target);
        for (const row of scenarios) samples.push(await runScenario(target, row, round));
      } finally {
        await target.stop();
      }
    }
  }
  const about = {
    date: new Date().toISOString().slice(0, 10),
    machine: machineText(describeMachine()),
    ...(engines.includes('etcd') ? { etcd: etcdVersion() } : {}),
    load: `${options.rounds} rounds, scale ${scale}; values of 256 bytes; server and generator \
share the machine; every answer is checked`,
    ...(missing.length > 0 ? { missing: missing.join(', ') } : {}),
  };
  const { name, out } = options;
  const charts = `![a second](${name}-rate.svg)\n\n![p99](${name}-p99.svg)`;
  const text = `# Load scenarios: ${engines.join(', ')}\n\n${factsList(about)}\n\n${resultTable(
    samples,
    engines,
  )}\n\n${charts}\n`;
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, `${name}.md`), text);
  writeFileSync(
    join(out, `${name}.json`),
    `${JSON.stringify({ facts: about, samples }, null, 1)}\n`,
  );
  writeFileSync(join(out, `${name}-rate.svg`), chart(samples, engines, 'perSecond'));
  writeFileSync(join(out, `${name}-p99.svg`), chart(samples, engines, 'p99Us'));
  process.stdout.write(text);
}

await main();
