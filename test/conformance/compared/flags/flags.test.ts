// The same command line, environment and configuration file to MetaStore and to a real etcd: both
// serve, or both end with the same status and the same words. What differs has its reason in the
// table of cases.

import t, { type Test } from 'tap';

import { flagCases } from './cases.js';
import { type FlagCase, type Outcome, outcomeOf } from './outcome.js';

const reference = process.env.METASTORE_ETCD ?? '';
const AT_ONCE = 3;
const isFull = process.env.METASTORE_TEST_FULL === '1';
/** Reduced runs take every third case. */
const chosen = flagCases.filter((_case, at) => isFull || at % 3 === 0);

interface Compared {
  readonly theirs: { outcome: Outcome; log: string };
  readonly ours: { outcome: Outcome; log: string };
}

async function compare(flagCase: FlagCase): Promise<Compared> {
  const [theirs, ours] = await Promise.all([
    outcomeOf(flagCase, reference),
    outcomeOf(flagCase, null),
  ]);
  return { theirs, ours };
}

function judge(t: Test, { logs, differs }: FlagCase, { theirs, ours }: Compared): void {
  const isSame = JSON.stringify(theirs.outcome) === JSON.stringify(ours.outcome);
  if (differs !== undefined && !isSame) {
    t.match(ours.outcome, differs.to, differs.why);
  } else {
    t.strictSame(ours.outcome, theirs.outcome);
  }
  if (logs !== undefined) {
    t.match(theirs.log, logs);
    t.match(ours.log, logs);
  }
}

t.setTimeout(300_000);

t.test('every way to start', { skip: reference === '' && 'no etcd' }, async (t) => {
  t.setTimeout(300_000);
  const waiting = [...chosen];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const flagCase = next;
      const compared = await compare(flagCase);
      t.test(flagCase.name, async (t) => judge(t, flagCase, compared));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
});
