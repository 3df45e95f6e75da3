// The heartbeat benchmark: three members as processes with a probe in each, the leader disturbed in
// phases, and the intervals between its heartbeats as it sent and as the followers took them. Run
// by bench/heartbeat/run; writes a report under bench/reports and fails when an election came of
// it.

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/base/package.js';
import { Cluster } from '../../test/support/cluster/cluster.js';
import type { Engine } from '../../test/support/cluster/member.js';
import { tempDir } from '../../test/support/temp-dir.js';
import { valueBytes, workloads } from '../load/measure/generator.js';
import { count, describeMachine, machineText, quantile, table } from '../load/statistics.js';
import { prepareAnswers } from './gateway.js';
import { type PhaseResult, phases, runPhase } from './phases.js';

const date = new Date().toISOString().slice(0, 10);
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    engines: { type: 'string', default: 'rocksdb' },
    'in-flight': { type: 'string', default: '100' },
    /** Phases whose names hold this alone. */
    only: { type: 'string', default: '' },
    'elections-max': { type: 'string', default: '0' },
    out: { type: 'string', default: join(packageRoot, 'bench', 'reports') },
    name: { type: 'string', default: `${date}-heartbeat` },
  },
});

/** A Node.js that loads the probe first; METASTORE_NODE makes the launcher take it. */
function probingNode(folder: string): string {
  const probe = join(dirname(fileURLToPath(import.meta.url)), 'probe.js');
  const path = join(folder, 'node');
  const lines = [
    '#!/bin/sh',
    `METASTORE_PROBE_FOLDER='${folder}'`,
    'export METASTORE_PROBE_FOLDER',
    `exec '${process.execPath}' --import '${pathToFileURL(probe).href}' "$@"`,
  ];
  writeFileSync(path, `${lines.join('\n')}\n`);
  chmodSync(path, 0o755);
  return path;
}

async function runEngine(engine: Engine, folder: string): Promise<PhaseResult[]> {
  process.env.METASTORE_NODE = probingNode(folder);
  const flags = ['--quota-backend-bytes=8589934592'];
  const cluster = await Cluster.start({ size: 3, engines: [engine], program: 'metastore', flags });
  try {
    const [put] = workloads([Number(options['in-flight'])]);
    if (put === undefined) throw new Error('no workload');
    const seconds = Number(options.seconds);
    await prepareAnswers(await cluster.leader());
    const run = { cluster, folder, put, seconds };
    const results: PhaseResult[] = [];
    for (const phase of phases.filter(({ name }) => name.includes(options.only))) {
      const result = await runPhase(run, phase);
      const p99 = quantile(result.sentMs, 0.99).toFixed(1);
      process.stderr.write(`${engine}, ${phase.name}: p99 ${p99} ms\n`);
      results.push(result);
    }
    return results;
  } finally {
    await cluster.stop();
  }
}

function intervalText(values: readonly number[]): string {
  const at = (share: number): string => quantile(values, share).toFixed(1);
  return `${at(0.5)} / ${at(0.99)} / ${at(1)} (${values.length})`;
}

function rowOf(engine: string, result: PhaseResult): string[] {
  return [
    engine,
    result.name,
    intervalText(result.sentMs),
    intervalText(result.receivedMs),
    `${result.stallMs.toFixed(0)} / ${result.workMs.toFixed(0)}`,
    count(result.putsPerSecond),
    result.answersPerSecond.toFixed(1),
    result.hashedPerSecond.toFixed(1),
    String(result.elections),
  ];
}

async function main(): Promise<void> {
  const loadBefore = loadavg()[0] ?? Number.NaN;
  const rows: string[][] = [];
  let elections = 0;
  for (const engine of options.engines.split(',')) {
    for (const result of await runEngine(engine as Engine, tempDir('probe'))) {
      rows.push(rowOf(engine, result));
      elections += result.elections;
    }
  }
  const head = [
    'engine',
    'the leader meanwhile',
    'sent, ms: p50 / p99 / max (intervals)',
    'taken in by followers, ms: p50 / p99 / max (intervals)',
    'longest delay of its event loop / work in one go, ms',
    'puts/s',
    'answers of the gateway/s',
    'hashes/s',
    'elections',
  ];
  const machine = machineText(describeMachine());
  const text = `# Intervals between a leader's heartbeats

- date: ${date}
- machine: ${machine}; load before the run ${loadBefore.toFixed(1)}
- three members on this machine, heartbeat interval 100 ms, election timeout 1,000 ms
- ${options.seconds} s a phase; puts of ${valueBytes} bytes at the leader,
  ${options['in-flight']} in flight
- the gateway is asked on four connections for each kind: transactions of 34,000 puts, which are
  decoded and then refused as too large, and reads of 30,000 keys; as many hashes at once as a
  member runs, of about 60 ms each, keep its thread pool at work

${table(head, rows)}
`;
  mkdirSync(options.out, { recursive: true });
  writeFileSync(join(options.out, `${options.name}.md`), text);
  process.stdout.write(text);
  if (elections > Number(options['elections-max']))
    throw new Error(`${elections} elections came of it`);
}

await main();
