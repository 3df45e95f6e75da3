// Which seeds a test of test/sim runs: those that ever found something, then a range, in groups, so
// that a group is one test. A failure names its seed; METASTORE_SIM_SEED=<seed> runs that one alone
// and prints what the members log.

import { Worker } from 'node:worker_threads';

import type { VariantName } from './variants.js';
import type { Outcome, Work } from './worker.js';

/** What is used of tap's test object. */
export interface TestLike {
  test(name: string, body: (t: TestLike) => Promise<void>): unknown;
  comment(text: string): void;
  strictSame(found: unknown, wanted: unknown, message: string): unknown;
}

export interface Plan {
  readonly variant: VariantName;
  /** Seeds that once found something. */
  readonly kept: readonly number[];
  readonly first: number;
  readonly count: number;
  readonly groups: number;
}

function inWorker(work: Work): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: work });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the worker ended with code ${code}`)));
  });
}

async function runGroup(t: TestLike, work: Work): Promise<void> {
  const { failures, sums } = await inWorker(work);
  t.strictSame(failures, [], `${work.seeds.length} seeds`);
  t.comment(JSON.stringify(sums));
}

/** Adds the tests of a plan, or the one of the seed that the environment names. */
export function testSeeds(t: TestLike, { variant, kept, first, count, groups }: Plan): void {
  const only = process.env.METASTORE_SIM_SEED;
  if (only !== undefined) {
    t.test(`seed ${only}`, (t) => runGroup(t, { variant, seeds: [Number(only)], print: true }));
    return;
  }
  t.test('the same seed gives the same run', async (t) => {
    const work = { variant, seeds: [first], print: false };
    const [one, two] = [await inWorker(work), await inWorker(work)];
    t.strictSame({ ...one.sums, ms: 0 }, { ...two.sums, ms: 0 }, 'all figures are equal');
  });
  t.test('seeds that once found something', (t) =>
    runGroup(t, { variant, seeds: kept, print: false }),
  );
  const size = Math.ceil(count / groups);
  for (let group = 0; group < groups; group++) {
    const from = first + group * size;
    const seeds = Array.from({ length: size }, (_, i) => from + i);
    t.test(`seeds ${from} to ${from + size - 1}`, (t) =>
      runGroup(t, { variant, seeds, print: false }),
    );
  }
}
