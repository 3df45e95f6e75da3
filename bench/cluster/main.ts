// The benchmark of clusters: durable Put and linearizable Range on three members of MetaStore (each
// engine) beside three members of a real etcd on the same machine, in alternating rounds of one
// run, with one generator. Run by bench/cluster/run; writes a report under bench/reports.

import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/base/package.js';
import { Cluster } from '../../test/support/cluster/cluster.js';
import type { Engine } from '../../test/support/cluster/member.js';
import { valueBytes, type Workload, warmUpSeconds, workloads } from '../load/measure/generator.js';
import { chosenServers, etcdVersion, residentBytes } from '../load/servers.js';
import { count, describeMachine, machineText } from '../load/statistics.js';
import { measure, type Placement, type Sample } from './measure.js';
import { markdown } from './report.js';

const date = new Date().toISOString().slice(0, 10);
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    servers: { type: 'string', default: 'etcd,memory,rocksdb' },
    placements: { type: 'string', default: 'all,leader' },
    puts: { type: 'string', default: '100,1000' },
    ranges: { type: 'string', default: '100' },
    out: { type: 'string', default: join(packageRoot, 'bench', 'reports') },
    name: { type: 'string', default: `${date}-cluster` },
  },
});

const flags = ['--quota-backend-bytes=8589934592'];

function numbers(list: string): number[] {
  return list.split(',').filter(Boolean).map(Number);
}

function chosenWorkloads(): Workload[] {
  const pick = (kind: string, list: string): Workload[] =>
    workloads(numbers(list)).filter((one) => one.name.startsWith(kind));
  return [...pick('Put', options.puts), ...pick('Range', options.ranges)];
}

function startCluster(name: string): Promise<Cluster> {
  const program = name === 'etcd' ? 'etcd' : 'metastore';
  const engines: readonly Engine[] = [name === 'rocksdb' ? 'rocksdb' : 'memory'];
  return Cluster.start({ size: 3, engines, program, flags });
}

function residentText(clusters: ReadonlyMap<string, Cluster>): string {
  const parts = [...clusters].map(([name, { members }]) => {
    const each = members.map((member) => residentBytes(member.process.pid) ?? Number.NaN);
    return `${name} ${each.map((bytes) => Math.round(bytes / 2 ** 20)).join('/')} MiB`;
  });
  return parts.join(', ');
}

async function runRounds(clusters: ReadonlyMap<string, Cluster>): Promise<Sample[]> {
  const seconds = Number(options.seconds);
  const placements = options.placements.split(',') as Placement[];
  const samples: Sample[] = [];
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const workload of chosenWorkloads()) {
      for (const placement of placements) {
        for (const [server, cluster] of clusters) {
          const measured = await measure(cluster, placement, workload, seconds);
          samples.push({ server, round, ...measured });
          const what = `round ${round + 1}: ${workload.name} ${placement} ${server}`;
          const turns = measured.leaderTurnsPerSecond;
          const turned = turns === null ? '' : `, ${count(turns)} turns/s`;
          process.stderr.write(`${what}: ${count(measured.perSecond)}/s${turned}\n`);
        }
      }
    }
  }
  return samples;
}

async function main(): Promise<void> {
  const { names, missing } = chosenServers(options.servers);
  const seconds = Number(options.seconds);
  if (names.length === 0) throw new Error('none of the chosen servers is there');
  const clusters = new Map<string, Cluster>();
  try {
    const loadBefore = loadavg()[0] ?? Number.NaN;
    for (const name of names) clusters.set(name, await startCluster(name));
    const samples = await runRounds(clusters);
    const facts = {
      date,
      machine: `${machineText(describeMachine())}; load before the run ${loadBefore.toFixed(1)}`,
      etcd: etcdVersion(),
      generator: 'bench/load/native (metastore_load), one thread; it checks every answer',
      load: [
        `${seconds} s a measurement after ${warmUpSeconds(seconds)} s of warm-up`,
        `${options.rounds} rounds; values of ${valueBytes} bytes`,
        'all members, generators and the other, idle clusters share the machine',
      ].join('; '),
      'memory at the end, each member': residentText(clusters),
      ...(missing.length > 0 ? { missing: missing.join(', ') } : {}),
    };
    const text = markdown(samples, facts);
    mkdirSync(options.out, { recursive: true });
    writeFileSync(join(options.out, `${options.name}.md`), text);
    const json = JSON.stringify({ facts, samples }, null, 1);
    writeFileSync(join(options.out, `${options.name}.json`), `${json}\n`);
    process.stdout.write(text);
  } finally {
    for (const cluster of clusters.values()) await cluster.stop();
  }
}

await main();
