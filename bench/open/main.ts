// How long a directory of many keys takes to open after kill -9: from the start of the process to
// the answer of the first linearizable read, with the memory that it then holds. MetaStore and a
// real etcd one after the other, each filled through its own API. Run by bench/open/run.

import { mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../../src/base/package.js';
import { calls, type Message, must } from '../../test/conformance/support/calls.js';
import { Client } from '../../test/conformance/support/client.js';
import {
  launch,
  type Program,
  type ProgramOptions,
  start,
} from '../../test/conformance/support/programs.js';
import { chosenServers, residentBytes, serverOptions } from '../load/servers.js';
import { count, describeMachine, machineText, spread, table } from '../load/statistics.js';

const { values: options } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    starts: { type: 'string', default: '3' },
    servers: { type: 'string', default: 'etcd,rocksdb,memory' },
    out: { type: 'string', default: join(packageRoot, 'bench', 'reports') },
    name: { type: 'string', default: 'open' },
  },
});

const valueBytes = 256;
const keysPerTxn = 100;
const txnsInFlight = 32;
const openTimeoutMs = 300_000;

function keyOf(index: number): Buffer {
  return Buffer.from(`key/${String(index).padStart(12, '0')}`);
}

/** Fills a server with `keys` keys of 16 bytes and values of 256. */
async function fill(program: Program, keys: number): Promise<void> {
  const client = new Client(program.address);
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < keys) {
      const first = next;
      next += keysPerTxn;
      const success: Message[] = [];
      for (let index = first; index < Math.min(keys, first + keysPerTxn); index += 1) {
        const value = Buffer.alloc(valueBytes, `${index} `);
        success.push({ request_put: { key: keyOf(index), value } });
      }
      await must(client, calls.txn, { success });
    }
  };
  await Promise.all(Array.from({ length: txnsInFlight }, worker));
  client.close();
}

function accepts(address: string): Promise<boolean> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect(Number(port), host, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

interface Opened {
  readonly ms: number;
  readonly residentMiB: number;
}

/** Starts on a filled directory, measures up to the first linearizable read, and kills again. */
async function openOnce(server: ProgramOptions, keys: number): Promise<Opened> {
  const started = performance.now();
  const program = await launch(server);
  try {
    while (!(await accepts(program.address))) {
      if (performance.now() - started > openTimeoutMs || !program.running) {
        throw new Error(`${server.name} did not open:\n${program.log.slice(-2000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const client = new Client(program.address);
    const key = keyOf(keys - 1);
    const reply = await must(client, calls.range, { key }, { timeoutMs: openTimeoutMs });
    const ms = performance.now() - started;
    if ((reply.kvs as Message[]).length !== 1) throw new Error('the last key is not there');
    const residentMiB = (residentBytes(program.pid) ?? Number.NaN) / 2 ** 20;
    client.close();
    return { ms, residentMiB };
  } finally {
    await program.kill();
  }
}

async function measure(name: string, keys: number, starts: number): Promise<string[]> {
  const quota = '--quota-backend-bytes=8589934592';
  const server = serverOptions(name, [quota]);
  const program = await start(server);
  const fillStarted = performance.now();
  await fill(program, keys);
  const fillSeconds = (performance.now() - fillStarted) / 1000;
  await program.kill();
  const opened: Opened[] = [];
  for (let index = 0; index < starts; index += 1) opened.push(await openOnce(server, keys));
  process.stderr.write(`${name}: ${opened.map(({ ms }) => `${Math.round(ms)} ms`).join(', ')}\n`);
  return [
    name,
    `${count(keys / fillSeconds)} keys/s`,
    spread(
      opened.map(({ ms }) => ms),
      (value) => `${count(value)} ms`,
    ),
    opened[0] === undefined ? '-' : `${count(opened[0].ms)} ms`,
    spread(
      opened.map(({ residentMiB }) => residentMiB),
      (value) => `${count(value)} MiB`,
    ),
  ];
}

const keys = Number(options.keys);
const { names } = chosenServers(options.servers);
const rows: string[][] = [];
for (const name of names) rows.push(await measure(name, keys, Number(options.starts)));
const machine = describeMachine();
const head = [
  'server',
  'filled at',
  'open to first linearizable read',
  'first open after the load',
  'RSS then',
];
const text = `# Opening ${count(keys)} keys after kill -9

- date: ${new Date().toISOString().slice(0, 10)}
- machine: ${machineText(machine)}
- keys of 16 bytes, values of ${valueBytes} bytes, ${keysPerTxn} a transaction
- page cache warm, ${options.starts} starts each
- time from the start of the process; median (lowest - highest)

${table(head, rows)}
`;
mkdirSync(options.out, { recursive: true });
writeFileSync(join(options.out, `${options.name}.md`), text);
process.stdout.write(text);
