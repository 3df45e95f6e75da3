// Durability: rounds of kill -9 under load on each engine, over the operating system's files and
// over a file layer that loses what was not synced. The same rounds have to notice a loss: with
// fsync turned off over the lossy files, and when an old copy of the directory is put back.

import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { calls, must } from '../../conformance/support/calls.js';
import { Client } from '../../conformance/support/client.js';
import {
  type Engine,
  type ProgramOptions,
  scratchDirectory,
  start,
} from '../../conformance/support/programs.js';
import { Violation } from './history.js';
import { DurabilityRounds } from './rounds.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';
const rounds = Number(process.env.METASTORE_DURABILITY_ROUNDS ?? (isFull ? 50 : 3));
const seed = Number(process.env.METASTORE_DURABILITY_SEED ?? 42);
/** `etcd` tries the test itself against a real one. */
const names = (process.env.METASTORE_DURABILITY_SERVERS ?? 'memory,rocksdb').split(',');

t.setTimeout(3 * 3_600_000);

interface Variant {
  readonly lossy: boolean;
  readonly noFsync: boolean;
}

function optionsFor(name: string, folder: string, variant: Variant): ProgramOptions {
  // Snapshots often, so that many kills meet one.
  const flags = ['--snapshot-count=400'];
  if (variant.noFsync) flags.push('--unsafe-no-fsync=true');
  const environment = variant.lossy ? { METASTORE_TEST_FILE_LAYER: `lossy:${seed}` } : {};
  const common = { name: `durable-${name}`, dataDir: join(folder, 'data'), flags, environment };
  if (name === 'etcd') return { kind: 'etcd', ...common };
  return { kind: 'metastore', engine: name as Engine, ...common };
}

async function runRounds(name: string, variant: Variant, count: number): Promise<DurabilityRounds> {
  const folder = scratchDirectory('durability');
  try {
    const run = new DurabilityRounds(optionsFor(name, folder, variant), seed);
    for (let round = 0; round < count; round += 1) await run.round();
    await run.finish();
    return run;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(t: Test, what: string, run: DurabilityRounds): void {
  const { acknowledged, compactions, killedWhileStarting, revision, startMsMax } = run.result;
  t.comment(
    `${what}: ${rounds} rounds, ${acknowledged} acknowledged writes, revision ${revision}, ` +
      `${compactions} compactions, ${killedWhileStarting} kills while starting, ` +
      `slowest start ${startMsMax} ms, seed ${seed}`,
  );
}

async function expectNoLoss(t: Test, name: string, variant: Variant): Promise<void> {
  const run = await runRounds(name, variant, rounds);
  report(t, `${name}${variant.lossy ? ', lossy files' : ''}`, run);
  t.ok(run.result.acknowledged > rounds * 20, 'there was load');
}

async function expectViolation(t: Test, run: Promise<unknown>): Promise<void> {
  try {
    await run;
    t.fail('a loss went unnoticed');
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    t.pass('the loss was noticed');
    t.comment(error.message.split('\n')[0]?.slice(0, 200) ?? '');
  }
}

/** An old copy of the directory in place of the newest state: acknowledged writes are gone. */
async function oldCopyIsNoticed(t: Test, name: string): Promise<void> {
  const folder = scratchDirectory('durability-old');
  const options = optionsFor(name, folder, { lossy: false, noFsync: false });
  const copy = join(folder, 'copy');
  try {
    const run = new DurabilityRounds(options, seed);
    await run.round();
    cpSync(options.dataDir, copy, { recursive: true });
    await run.round();
    rmSync(options.dataDir, { recursive: true });
    cpSync(copy, options.dataDir, { recursive: true });
    await expectViolation(t, run.finish());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A single write must be there after a kill that follows its answer at once. */
async function singleWrites(t: Test, name: string): Promise<void> {
  const folder = scratchDirectory('durability-single');
  const options = optionsFor(name, folder, { lossy: name !== 'etcd', noFsync: false });
  try {
    for (let index = 0; index < 3; index += 1) {
      const program = await start(options);
      const client = new Client(program.address);
      const reply = await must(client, calls.range, { key: Buffer.from('n') });
      const [kv] = reply.kvs as { value: Buffer }[];
      t.equal(kv?.value.toString() ?? '0', String(index), `write ${index} survived`);
      await must(client, calls.put, { key: Buffer.from('n'), value: Buffer.from(`${index + 1}`) });
      await program.kill();
      client.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

for (const name of names) {
  const isEtcd = name === 'etcd';
  t.test(`${name}: kill -9 under load loses nothing`, async (t) => {
    await expectNoLoss(t, name, { lossy: false, noFsync: false });
  });
  t.test(`${name}: a write is there after a kill right behind its answer`, async (t) => {
    await singleWrites(t, name);
  });
  t.test(`${name}: an old copy of the directory is noticed`, async (t) => {
    await oldCopyIsNoticed(t, name);
  });
  if (isEtcd) continue;
  t.test(`${name}: files that lose what was not synced lose nothing`, async (t) => {
    await expectNoLoss(t, name, { lossy: true, noFsync: false });
  });
  t.test(`${name}: without fsync, such files do lose, and it is noticed`, async (t) => {
    await expectViolation(t, runRounds(name, { lossy: true, noFsync: true }, 5));
  });
}
