// The variants of the simulation, by what the members are made of. Each runs a seed to its end.
// Used by the tests of test/sim, through worker.ts, and by the mutations.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Logger } from '../../../../src/base/log/logger.js';
import { DoubleDialect } from '../cluster/dialect.js';
import { DoubleStore } from '../cluster/store.js';
import { NativeDialect } from '../native/native-dialect.js';
import { type Engine, NativeStore } from '../native/native-store.js';
import { type RunResult, runSeed } from './run.js';

export type VariantName = 'double' | 'native' | 'sole';

/** What the members of a native cluster store their state in; each seed has the next line. */
const engines: readonly (readonly Engine[])[] = [['memory'], ['rocksdb'], ['memory', 'rocksdb']];

function runDouble(seed: number, log: Logger): Promise<RunResult> {
  return runSeed(seed, {
    makeStore: (parts) => new DoubleStore(parts),
    makeDialect: (cluster) => new DoubleDialect(cluster.model),
    log,
    chaosMs: 6000,
  });
}

async function runNative(seed: number, log: Logger, sizes?: readonly number[]): Promise<RunResult> {
  const directory = mkdtempSync(join(tmpdir(), 'metastore-sim-'));
  const mixed = engines[seed % engines.length] ?? ['memory'];
  let members = 0;
  try {
    return await runSeed(seed, {
      makeStore: (parts) => {
        const engine = mixed[members++ % mixed.length] ?? 'memory';
        return new NativeStore(parts, engine, join(directory, parts.name));
      },
      makeDialect: () => new NativeDialect(),
      log,
      chaosMs: 6000,
      ...(sizes === undefined ? {} : { sizes }),
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Clusters that begin with one member, gain others and may shrink to one again. */
function runSole(seed: number, log: Logger): Promise<RunResult> {
  return runNative(seed, log, [1]);
}

const variants = {
  double: runDouble,
  native: (seed: number, log: Logger) => runNative(seed, log),
  sole: runSole,
};

/** Runs one seed. Throws a Violation. */
export function runVariant(name: VariantName, seed: number, log: Logger): Promise<RunResult> {
  return variants[name](seed, log);
}
