// Tests of src/server/election/prng.ts and src/base/bytes.ts.
// Runs without a server and without the addon.

import t from 'tap';

import { assert, assertIndex } from '../../../src/base/assert.js';
import { hexId } from '../../../src/base/bytes.js';
import { Prng } from '../../../src/server/election/prng.js';

t.test('equal seeds give equal sequences, others do not', async (t) => {
  const take = (seed: number) => {
    const prng = new Prng(seed);
    return Array.from({ length: 100 }, () => prng.nextUint32());
  };
  t.same(take(1), take(1));
  t.notSame(take(1), take(2));
  t.notSame(take(0), take(1));
  t.ok(new Set(take(0)).size > 95, 'seed 0 is as good as others');
});

t.test('numbers stay below the bound and spread over it', async (t) => {
  const prng = new Prng(7);
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const n = prng.nextBelow(10);
    if (!(n >= 0 && n < 10 && Number.isInteger(n))) {
      t.fail(`out of bounds: ${n}`);
    }
    counts[n] = (counts[n] ?? 0) + 1;
  }
  t.ok(
    counts.every((count) => count > 850 && count < 1150),
    counts.join(' '),
  );
});

t.test('ids are hexadecimal without leading zeros', async (t) => {
  t.equal(hexId(0x8e9e05c52164694dn), '8e9e05c52164694d');
  t.equal(hexId(15n), 'f');
  t.equal(hexId(-1n), 'ffffffffffffffff');
});

t.test('assertions throw with what does not hold', async (t) => {
  assert(true, 'fine');
  t.throws(() => assert(false, 'this'), { name: 'AssertionError', message: 'this' });
  assertIndex(0, 'i');
  for (const bad of [-1, 1.5, Number.NaN, 2 ** 53]) {
    t.throws(() => assertIndex(bad, 'i'), { name: 'AssertionError' });
  }
});
