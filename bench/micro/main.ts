// Runs the store's own benchmark (store_bench.cc) several times and writes a report with medians
// and spread. Nothing stands beside it: there is no other store to link in. Run by bench/micro/run.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/base/package.js';
import { count, describeMachine, machineText, spread, table } from '../load/statistics.js';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    out: { type: 'string', default: join(packageRoot, 'bench', 'reports') },
    name: { type: 'string', default: 'store' },
  },
});

interface Row {
  readonly name: string;
  readonly per_second: number;
  readonly ns_per_operation: number;
}

const built = join(packageRoot, 'build', 'units-plain', 'store_bench');
const program = process.env.METASTORE_STORE_BENCH ?? built;

function runOnce(): Row[] {
  const { status, stdout, error } = spawnSync(program, [`--seconds=${options.seconds}`], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? `exit code ${status}`}`);
  const lines = stdout.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Row);
}

const rounds = Array.from({ length: Number(options.rounds) }, runOnce);
const names = rounds[0]?.map((row) => row.name) ?? [];
const rows = names.map((name) => {
  const own = rounds.flatMap((round) => round.filter((row) => row.name === name));
  return [
    name,
    spread(
      own.map((row) => row.per_second),
      count,
    ),
    spread(
      own.map((row) => row.ns_per_operation),
      (value) => value.toFixed(1),
    ),
  ];
});
const head = ['operation', 'operations/s: median (lowest - highest)', 'ns an operation'];
const text = `# The store in process

- date: ${new Date().toISOString().slice(0, 10)}
- machine: ${machineText(describeMachine())}
- memory engine with full history, no Raft, no network; 1,000 keys, values of 64 bytes
- the workers: half put, a quarter each delete and get; one apply thread takes what waits
- ${options.rounds} rounds

${table(head, rows)}
`;
mkdirSync(options.out, { recursive: true });
writeFileSync(join(options.out, `${options.name}.md`), text);
process.stdout.write(text);
