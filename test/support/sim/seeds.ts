// Which seeds a test of test/sim runs: those that ever found something, then a range, in groups, so
// that a group is one test. A failure names its seed; METASTORE_SIM_SEED=<seed> runs that one alone
// and prints what the members log.

import type { Logger } from '../../../src/base/logger.js';
import { Violation } from './checks/violation.js';
import type { RunResult } from './run.js';
import { printingLog, silentLog } from './silent-log.js';

/** What tap's test object gives to these tests. */
export interface TestLike {
  test(name: string, body: (t: TestLike) => Promise<void>): unknown;
  comment(text: string): void;
  ok(value: unknown, message: string): unknown;
  strictSame(found: unknown, wanted: unknown, message: string): unknown;
}

export type Run = (seed: number, log: Logger) => Promise<RunResult>;

export interface Plan {
  /** Seeds that once found something. */
  readonly kept: readonly number[];
  readonly first: number;
  readonly count: number;
  readonly groups: number;
}

/** Failures that are listed before the rest of a group is left out. */
const FAILURES_MAX = 3;

async function runGroup(t: TestLike, seeds: readonly number[], run: Run): Promise<void> {
  const failures: string[] = [];
  const sums = { steps: 0, acknowledged: 0, terms: 0, crashes: 0, joined: 0 };
  for (const seed of seeds) {
    try {
      const result = await run(seed, silentLog);
      for (const name of Object.keys(sums) as (keyof typeof sums)[]) {
        sums[name] += result[name];
      }
    } catch (error) {
      if (!(error instanceof Violation) || failures.push(error.message) === FAILURES_MAX) {
        throw error;
      }
    }
  }
  t.strictSame(failures, [], `${seeds.length} seeds`);
  t.comment(`${seeds.length} seeds: ${JSON.stringify(sums)}`);
}

/** Adds the tests of a plan, or the one of the seed that the environment names. */
export function testSeeds(t: TestLike, { kept, first, count, groups }: Plan, run: Run): void {
  const only = process.env.METASTORE_SIM_SEED;
  if (only !== undefined) {
    t.test(`seed ${only}`, async (t) => {
      const result = await run(
        Number(only),
        printingLog(() => ''),
      );
      t.comment(JSON.stringify(result));
      t.ok(result.acknowledged > 0, 'something was acknowledged');
    });
    return;
  }
  t.test('the same seed gives the same run', async (t) => {
    t.strictSame(await run(first, silentLog), await run(first, silentLog), 'results are equal');
  });
  t.test('seeds that once found something', (t) => runGroup(t, kept, run));
  const size = Math.ceil(count / groups);
  for (let group = 0; group < groups; group++) {
    const from = first + group * size;
    const seeds = Array.from({ length: size }, (_, i) => from + i);
    t.test(`seeds ${from} to ${from + size - 1}`, (t) => runGroup(t, seeds, run));
  }
}
