// The benchmark of the served requests: durable Put and linearizable Range at 1, 100 and 1,000 in
// flight, MetaStore with both engines and a real etcd, in alternating rounds of one run, with one
// generator. Run by bench/run; writes <name>.md and <name>.json under bench/reports.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/base/package.js';
import { calls, headerRevision, must } from '../../test/conformance/support/calls.js';
import { Client } from '../../test/conformance/support/client.js';
import type { Program } from '../../test/conformance/support/programs.js';
import { chooseGenerator, type Generator, type Measured, warmUpSeconds } from './generators.js';
import { benchKey, valueBytes, type Workload, workloads } from './messages.js';
import { chosenServers, cpuMicroseconds, residentBytes, startAll } from './servers.js';
import { count, describeMachine, machineText, median, spread, table } from './statistics.js';

interface Sample extends Measured {
  readonly server: string;
  readonly workload: string;
  readonly round: number;
  readonly cpuMicrosPerRequest: number | null;
}

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    servers: { type: 'string', default: 'etcd,memory,rocksdb' },
    'in-flight': { type: 'string', default: '1,100,1000' },
    out: { type: 'string', default: join(packageRoot, 'bench', 'reports') },
    name: { type: 'string', default: 'load' },
  },
});

async function revisionOf(program: Program): Promise<number> {
  const client = new Client(program.address);
  const reply = await must(client, calls.range, { key: benchKey });
  client.close();
  return Number(headerRevision(reply));
}

async function measure(
  generator: Generator,
  program: Program,
  workload: Workload,
  seconds: number,
): Promise<Measured & { cpuMicrosPerRequest: number | null }> {
  const before = await revisionOf(program);
  const cpuBefore = cpuMicroseconds(program.pid);
  const measured = await generator.run(program.address, workload, seconds);
  const cpuAfter = cpuMicroseconds(program.pid);
  const written = (await revisionOf(program)) - before;
  // A generator sees HTTP's status only: that the writes took place is read from the store. It
  // also warms up for a while, so more were written than it counted.
  const isPut = workload.name.startsWith('Put');
  if (isPut && written < measured.requests) {
    throw new Error(`${measured.requests} puts were counted, ${written} took place`);
  }
  const requests = isPut
    ? written
    : measured.requests * ((seconds + warmUpSeconds(seconds)) / seconds);
  const cpu = cpuBefore === null || cpuAfter === null ? null : (cpuAfter - cpuBefore) / requests;
  return { ...measured, cpuMicrosPerRequest: cpu };
}

function etcdVersion(): string | null {
  const program = process.env.METASTORE_ETCD;
  if (!program) return null;
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return /etcd Version: (\S+)/.exec(stdout)?.[1] ?? null;
}

function ratioTo(samples: readonly Sample[], server: string, workload: string): string {
  const rates = (name: string): Map<number, number> =>
    new Map(
      samples
        .filter((sample) => sample.server === name && sample.workload === workload)
        .map((sample) => [sample.round, sample.perSecond]),
    );
  const reference = rates('etcd');
  const ratios = [...rates(server)].flatMap(([round, rate]) => {
    const beside = reference.get(round);
    return beside === undefined ? [] : [rate / beside];
  });
  return spread(ratios, (value) => value.toFixed(2));
}

function markdown(samples: readonly Sample[], facts: Record<string, unknown>): string {
  const names = [...new Set(samples.map((sample) => sample.server))];
  const rows = [...new Set(samples.map((sample) => sample.workload))].flatMap((workload) =>
    names.map((server) => {
      const own = samples.filter((one) => one.server === server && one.workload === workload);
      const cpu = own.flatMap((one) => one.cpuMicrosPerRequest ?? []);
      return [
        workload,
        server,
        spread(
          own.map((one) => one.perSecond),
          count,
        ),
        median(own.map((one) => one.meanMs)).toFixed(2),
        Math.max(...own.map((one) => one.maxMs)).toFixed(1),
        cpu.length > 0 ? median(cpu).toFixed(1) : '-',
        server === 'etcd' ? '1' : ratioTo(samples, server, workload),
      ];
    }),
  );
  const head = [
    'workload [in flight]',
    'server',
    'requests/s: median (lowest - highest)',
    'mean ms',
    'max ms',
    'server CPU µs/request',
    'ratio to etcd, round by round',
  ];
  const lines = Object.entries(facts).map(([name, value]) => `- ${name}: ${value}`);
  return `# Served requests\n\n${lines.join('\n')}\n\n${table(head, rows)}\n`;
}

async function main(): Promise<void> {
  const { names, missing } = chosenServers(options.servers);
  const generator = chooseGenerator();
  const seconds = Number(options.seconds);
  const rounds = Number(options.rounds);
  const jobs = workloads(options['in-flight'].split(',').map(Number));
  const programs = await startAll(names);
  const samples: Sample[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (const workload of jobs) {
        for (const [server, program] of programs) {
          const measured = await measure(generator, program, workload, seconds);
          samples.push({ server, workload: workload.name, round, ...measured });
          const rate = `${count(measured.perSecond)}/s`;
          process.stderr.write(`round ${round + 1}: ${workload.name} ${server}: ${rate}\n`);
        }
      }
    }
    const machine = describeMachine();
    const resident = [...programs].map(([server, program]) => {
      const bytes = residentBytes(program.pid);
      return `${server} ${bytes === null ? '-' : Math.round(bytes / 2 ** 20)} MiB`;
    });
    const facts = {
      date: new Date().toISOString().slice(0, 10),
      machine: machineText(machine),
      etcd: etcdVersion() ?? 'none',
      generator: generator.name,
      load: [
        `${seconds} s a measurement after ${warmUpSeconds(seconds)} s of warm-up, ${rounds} rounds`,
        `values of ${valueBytes} bytes, one key; server and generator share the machine`,
      ].join('; '),
      'memory at the end': resident.join(', '),
      ...(missing.length > 0 ? { missing: missing.join(', ') } : {}),
    };
    const text = markdown(samples, facts);
    const folder = options.out;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${options.name}.md`), text);
    const json = JSON.stringify({ facts, samples }, null, 1);
    writeFileSync(join(folder, `${options.name}.json`), `${json}\n`);
    process.stdout.write(text);
  } finally {
    for (const program of programs.values()) await program.stop();
  }
}

await main();
