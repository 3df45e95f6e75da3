// Runs seeds in a thread of its own, for seeds.ts. The test framework follows every promise of its
// thread, which would make a simulation, that lives on promises, several times slower.

import { parentPort, workerData } from 'node:worker_threads';

import { Violation } from '../checks/violation.js';
import { printingLog, silentLog } from './silent-log.js';
import { runVariant, type VariantName } from './variants.js';

export interface Work {
  readonly variant: VariantName;
  readonly seeds: readonly number[];
  readonly print: boolean;
}

export interface Outcome {
  readonly failures: string[];
  /** Sums over all seeds, and the wall time in milliseconds. */
  readonly sums: Record<string, number>;
}

/** Failures that are listed before the rest is left out. */
const FAILURES_MAX = 3;

/** Runs the seeds one after the other. Throws what is no violation: a mistake of the simulator. */
export async function runAll({ variant, seeds, print }: Work): Promise<Outcome> {
  const failures: string[] = [];
  const sums: Record<string, number> = { seeds: 0 };
  const startedMs = performance.now();
  for (const seed of seeds) {
    try {
      const result = await runVariant(variant, seed, print ? printingLog(() => '') : silentLog);
      sums.seeds = (sums.seeds ?? 0) + 1;
      for (const [name, value] of Object.entries(result)) {
        sums[name] = (sums[name] ?? 0) + (value as number);
      }
    } catch (error) {
      if (!(error instanceof Violation)) {
        throw error;
      }
      if (failures.push(error.message) === FAILURES_MAX) {
        break;
      }
    }
  }
  sums.ms = Math.round(performance.now() - startedMs);
  return { failures, sums };
}

if (parentPort !== null) {
  parentPort.postMessage(await runAll(workerData as Work));
}
