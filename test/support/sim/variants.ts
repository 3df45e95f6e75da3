// The variants of the simulation, by what the members are made of. Each runs a seed to its end.
// Used by the tests of test/sim, through worker.ts, and by the mutations.

import type { Logger } from '../../../src/base/logger.js';
import { DoubleStore } from './cluster/store.js';
import { type RunResult, runSeed } from './run.js';

export type VariantName = 'double';

/** Simulated time during which things go wrong. */
const CHAOS_MS: Record<VariantName, number> = { double: 6000 };

/** Runs one seed. Throws a Violation. */
export function runVariant(name: VariantName, seed: number, log: Logger): Promise<RunResult> {
  return runSeed(seed, {
    makeStore: (parts) => new DoubleStore(parts),
    log,
    chaosMs: CHAOS_MS[name],
  });
}
