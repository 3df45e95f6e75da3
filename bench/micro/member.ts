// Durable Puts through a whole member in process: the real replica loop over the real addon, no
// transport. The requests come from JavaScript, which costs about as much as the loop itself: with
// `node --cpu-prof` the two are told apart. Prints one JSON object.
//
//   node dist/bench/micro/member.js [--engine=] [--in-flight=100] [--seconds=3] [--keys=100000]

import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../../src/base/clock.js';
import { createLogger } from '../../src/base/log/logger.js';
import { Member } from '../../src/server/member.js';
import { loadAddon } from '../../src/storage/loader.js';
import type { OpenOptions } from '../../src/storage/native.js';
import { memberOptions } from '../../test/support/fakes/fake-core.js';
import { noPeers } from '../../test/support/fakes/no-peers.js';
import { tempDir } from '../../test/support/temp-dir.js';

const { values: options } = parseArgs({
  options: {
    engine: { type: 'string', default: 'rocksdb' },
    'in-flight': { type: 'string', default: '100' },
    seconds: { type: 'string', default: '3' },
    keys: { type: 'string', default: '100000' },
  },
});
const keys = Number(options.keys);
const VALUE_BYTES = 256;

// Neither the member's timers nor its native threads keep a process alive.
const alive = setInterval(() => undefined, 1000);
const dataDir = tempDir('member-bench');
const defaults = memberOptions((message) => {
  throw new Error(message);
});
const core: OpenOptions = {
  ...defaults.core,
  dataDir,
  walDir: null,
  engine: options.engine as OpenOptions['engine'],
  unsafeNoFsync: false,
  quotaBytes: -1,
  maxRequestBytes: 1.5 * 2 ** 20,
  maxTxnOps: 128,
  minLeaseTtlSeconds: 2,
  walSegmentBytes: 64 * 2 ** 20,
  compactionBatchLimit: 1000,
  compactionSleepMs: 10,
  compactionHashLimitBytes: 0,
  watchProgressNotifyMs: 600_000,
  slowApplyMs: 1000,
  maxQueuedOperations: 100_000,
  maxQueuedBytes: 2 ** 28,
  maxApplyBacklog: 50_000,
  extraRevokeBacklog: 0,
  rocks: {
    blockCacheBytes: 2 ** 28,
    writeBufferBytes: 2 ** 26,
    metadataCacheBytes: 2 ** 28,
    backgroundJobs: 2,
    bloomBitsPerKey: 10,
  },
  fileLayer: '',
  stepped: false,
};

const log = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);
const checkpoints = { ...defaults.checkpoints, snapshotCount: 100_000, catchupEntries: 5000 };
const member = await Member.open(
  loadAddon(),
  { ...defaults, core, checkpoints },
  systemClock,
  log,
  noPeers,
);
await member.start();

function put(key: number): Buffer {
  const name = `key/${key.toString().padStart(10, '0')}`;
  const head = [0x0a, name.length, ...Buffer.from(name), 0x12, 0x80 | (VALUE_BYTES & 0x7f)];
  return Buffer.concat([Buffer.from([...head, VALUE_BYTES >> 7]), Buffer.alloc(VALUE_BYTES, 'v')]);
}
const requests = Array.from({ length: Math.min(keys, 200_000) }, (_, key) => put(key));

let answered = 0;
let stopped = false;
const latenciesMs: number[] = [];
async function client(): Promise<void> {
  while (!stopped) {
    const begunMs = performance.now();
    await member.execute('Put', requests[Math.trunc(Math.random() * keys)] as Buffer);
    answered++;
    latenciesMs.push(performance.now() - begunMs);
  }
}

const clients = Array.from({ length: Number(options['in-flight']) }, client);
const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
const seconds = Number(options.seconds);
await pause(seconds / 4);
const [firstPut, firstTurn] = [answered, member.turns];
const beginMs = performance.now();
const cpu = process.cpuUsage();
latenciesMs.length = 0;
await pause(seconds);
const took = (performance.now() - beginMs) / 1000;
const used = process.cpuUsage(cpu);
const puts = answered - firstPut;
const turns = member.turns - firstTurn;
latenciesMs.sort((a, b) => a - b);
const quantileUs = (q: number) =>
  Math.round(1000 * (latenciesMs[Math.trunc(latenciesMs.length * q)] ?? 0));
stopped = true;
await Promise.all(clients);
await member.stop();
clearInterval(alive);
rmSync(dataDir, { recursive: true, force: true });
const row = {
  name: `put through a member, ${options['in-flight']} in flight, ${options.engine}`,
  per_second: Math.round(puts / took),
  p50_us: quantileUs(0.5),
  p99_us: quantileUs(0.99),
  turns_per_second: Math.round(turns / took),
  cpu_us_per_put: Number(((used.user + used.system) / puts).toFixed(2)),
};
process.stdout.write(`${JSON.stringify(row)}\n`);
