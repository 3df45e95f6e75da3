// How long a member takes from the start of its process to readiness, on an empty directory and on
// the one it left, how long it takes to stop, and what memory it holds idle. MetaStore and a real
// etcd in turn, so that a busy moment meets all of them. Run by bench/startup/run.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { MemberProcess } from '../../test/support/process.js';
import { sleep } from '../../test/support/wait.js';
import { chosenServers, residentBytes } from '../load/servers.js';
import { count, describeMachine, machineText, spread, table } from '../load/statistics.js';

const { values: options } = parseArgs({
  options: {
    starts: { type: 'string', default: '10' },
    servers: { type: 'string', default: 'etcd,rocksdb,memory' },
    idle: { type: 'string', default: '1000' },
  },
});

interface Life {
  readonly firstMs: number;
  readonly againMs: number;
  readonly stopMs: number;
  readonly residentMiB: number;
  readonly ownMiB: number;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

/** Memory that the process shares with nobody and no file. */
function ownBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

async function live(name: string, idleMs: number): Promise<Life> {
  const command = process.env.METASTORE_ETCD ?? '';
  const member = await MemberProcess.prepare(
    name === 'etcd' ? { engine: null, command } : { engine: name as 'memory' | 'rocksdb' },
  );
  try {
    const firstMs = await timed(() => member.restart());
    await sleep(idleMs);
    const residentMiB = (residentBytes(member.pid) ?? Number.NaN) / 2 ** 20;
    const ownMiB = ownBytes(member.pid) / 2 ** 20;
    const stopMs = await timed(() => member.stop());
    const againMs = await timed(() => member.restart());
    return { firstMs, againMs, stopMs, residentMiB, ownMiB };
  } finally {
    await member.kill();
  }
}

const { names } = chosenServers(options.servers);
const lives = new Map<string, Life[]>(names.map((name) => [name, []]));
for (let round = 0; round < Number(options.starts); round += 1) {
  for (const name of names) {
    lives.get(name)?.push(await live(name, Number(options.idle)));
  }
}

const ms = (value: number): string => `${count(value)} ms`;
const mib = (value: number): string => `${count(value)} MiB`;
const rows = [...lives].map(([name, measured]) => [
  name,
  spread(
    measured.map(({ firstMs }) => firstMs),
    ms,
  ),
  spread(
    measured.map(({ againMs }) => againMs),
    ms,
  ),
  spread(
    measured.map(({ stopMs }) => stopMs),
    ms,
  ),
  spread(
    measured.map(({ residentMiB }) => residentMiB),
    mib,
  ),
  spread(
    measured.map(({ ownMiB }) => ownMiB),
    mib,
  ),
]);
const head = ['server', 'ready, empty', 'ready again', 'stop', 'RSS idle', 'of it own'];
process.stdout.write(`# Starting and stopping one member

- date: ${new Date().toISOString().slice(0, 10)}
- machine: ${machineText(describeMachine())}
- from the start of the process to \`ready to serve client requests\`; from SIGTERM to its end;
  memory after ${options.idle} ms without a client; median (lowest - highest) of ${options.starts}

${table(head, rows)}
`);
