// Tests of src/server/replica/requests/batching.ts and of the announcement that lets entries hold
// several operations.

import t from 'tap';

import type { Cancel } from '../../../../../src/base/clock.js';
import { Membership } from '../../../../../src/cluster/membership.js';
import {
  BatchWait,
  defaultBatching,
  entryBatch,
} from '../../../../../src/server/replica/requests/batching.js';
import { ManualClock } from '../../../../support/fakes/manual-clock.js';

t.test('by default nothing waits, and no timer is set', async (t) => {
  const clock = new ManualClock();
  let wakes = 0;
  const wait = new BatchWait(defaultBatching, clock, () => wakes++);
  t.equal(wait.atLeast(), 0);
  t.equal(wait.maxOperations, 8192);
  clock.advance(10_000);
  t.equal(wakes, 0);
});

t.test('a batch waits for its size, and no longer than it may', async (t) => {
  const clock = new ManualClock();
  let wakes = 0;
  const wait = new BatchWait(
    { ...defaultBatching, maxOperations: 100, maxWaitMs: 5 },
    clock,
    () => wakes++,
  );
  t.equal(wait.atLeast(), 100, 'a full one goes at once');
  clock.advance(4);
  t.equal(wait.atLeast(), 100, 'the first one counts');
  clock.advance(1);
  t.equal(wakes, 1, 'a turn comes when the time is up');
  t.equal(wait.atLeast(), 0, 'then any number goes');
  wait.taken();
  t.equal(wait.atLeast(), 100, 'the next batch waits anew');
  clock.advance(5);
  t.equal(wakes, 2);
});

t.test('without batches proposals go one by one, in entries of their own', async (t) => {
  const off = { ...defaultBatching, enabled: false, maxWaitMs: 5, entryOperations: 512 };
  const wait = new BatchWait(off, new ManualClock(), () => t.fail('no timer'));
  t.equal(wait.maxOperations, 1);
  t.equal(wait.atLeast(), 0);
  t.same(entryBatch(off, 2), [1, 2 ** 20]);
});

t.test('entries hold several operations once every member reads them', async (t) => {
  const on = { ...defaultBatching, entryOperations: 64, entryBytes: 1000 };
  t.same(entryBatch(on, 1), [1, 1000]);
  t.same(entryBatch(on, 2), [64, 1000]);

  const rows = new Map<string, Buffer>();
  const keep = (changed: readonly { key: string; value: Uint8Array | null }[]) => {
    for (const { key, value } of changed) {
      if (value === null) {
        rows.delete(key);
      } else {
        rows.set(key, Buffer.from(value));
      }
    }
  };
  const membership = Membership.restore(rows);
  t.equal(membership.entryFormat, 1, 'nobody has said anything');
  keep(membership.add(1n, { name: 'a', peerUrls: ['http://a'], isLearner: false }));
  keep(membership.setAttributes(1n, 'a', [], 2));
  t.equal(membership.entryFormat, 2);
  keep(membership.add(2n, { name: '', peerUrls: ['http://b'], isLearner: true }));
  t.equal(membership.entryFormat, 1, 'a new member has not started yet');
  keep(membership.setAttributes(2n, 'b', [], 3));
  t.equal(membership.entryFormat, 2, 'the lowest counts');
  t.equal(Membership.restore(rows).entryFormat, 2, 'and is stored');
  keep(membership.setAttributes(1n, 'a', []));
  t.equal(membership.entryFormat, 1, 'an older version runs it now');
  keep(membership.remove(1n));
  t.equal(membership.entryFormat, 3);
  keep(membership.remove(2n));
  t.notOk(
    [...rows.keys()].some((key) => key.includes('format')),
    'nothing is left of them',
  );
  membership.reload(rows);
  t.equal(membership.entryFormat, 1);
});

/** Its timers come a quarter of a millisecond early, as those of the event loop may. */
class EarlyClock extends ManualClock {
  override after(delayMs: number, callback: () => void): Cancel {
    return super.after(delayMs - 0.25, callback);
  }
}

t.test('a timer that comes a moment early ends the wait all the same', async (t) => {
  const clock = new EarlyClock();
  let wakes = 0;
  const batching = { ...defaultBatching, maxOperations: 100, maxWaitMs: 1 };
  const wait = new BatchWait(batching, clock, () => wakes++);
  t.equal(wait.atLeast(), 100);
  clock.advance(0.75);
  t.equal(wakes, 1);
  t.equal(wait.atLeast(), 0);
  wait.taken();
  t.equal(wait.atLeast(), 100, 'the next one waits anew');
});
