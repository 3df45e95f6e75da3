// Tests of src/server/replica/requests/pace.ts: what is held while a round is under way, how many
// clients are waited for, and that a turn always comes.

import t from 'tap';

import { Pace } from '../../../../../src/server/replica/requests/pace.js';
import { ManualClock } from '../../../../support/fakes/manual-clock.js';

const NOBODY = 2 ** 32 - 1;

function made() {
  const clock = new ManualClock();
  const state = { holds: [] as number[], wakes: 0 };
  const pace = new Pace({ holdProposals: (wakeAt) => state.holds.push(wakeAt) }, clock, () => {
    state.wakes++;
  });
  /** A round of so many that is answered after 2 ms. */
  const round = (operations: number) => {
    pace.begins(operations);
    clock.advance(2);
    return pace.atLeast(false);
  };
  return { clock, state, pace, round };
}

t.test('a round holds what comes until it is answered, or old', async (t) => {
  const { clock, state, pace } = made();
  t.equal(pace.atLeast(true), 0, 'nothing has been asked');
  pace.begins(3);
  t.same(state.holds, [NOBODY]);
  t.equal(pace.atLeast(true), Number.POSITIVE_INFINITY);
  t.notOk(pace.isFree);
  t.equal(pace.atLeast(false), 0, 'few are not waited for');
  t.same(state.holds, [NOBODY, 0]);
  t.ok(pace.isFree);
  pace.begins(3);
  clock.advance(3.9);
  t.equal(pace.atLeast(true), Number.POSITIVE_INFINITY);
  t.equal(state.wakes, 0);
  clock.advance(0.1);
  t.equal(state.wakes, 1, 'a turn comes');
  t.equal(pace.atLeast(true), 0);
});

t.test('rounds that take longer are given longer, but for a limit', async (t) => {
  const { clock, pace } = made();
  for (const [answeredMs, nextMs] of [
    [3.5, 7],
    [6.5, 10],
    [9, 10],
    [1, 4],
  ] as const) {
    pace.begins(3);
    clock.advance(answeredMs);
    t.equal(pace.atLeast(false), 0);
    pace.begins(3);
    clock.advance(nextMs - 0.1);
    t.equal(pace.atLeast(true), Number.POSITIVE_INFINITY, `after ${answeredMs} ms`);
    if (answeredMs === 9) {
      clock.advance(0.1);
      t.equal(pace.atLeast(true), 0, 'nobody answered');
      pace.begins(3);
      clock.advance(4);
      t.equal(pace.atLeast(true), 0, 'so the next one is not given as long');
    } else {
      pace.atLeast(false);
    }
  }
});

t.test('clients that come back are waited for', async (t) => {
  const { clock, state, pace, round } = made();
  t.equal(round(20), 18, 'but for a few');
  t.same(state.holds, [NOBODY, 18], 'the one who completes them wakes');
  t.ok(pace.isGathering);
  t.equal(pace.atLeast(false), 18);
  clock.advance(1.9);
  t.equal(pace.atLeast(false), 18, 'for as long as the round took');
  t.equal(state.wakes, 0);
  clock.advance(0.1);
  t.equal(state.wakes, 1, 'a turn comes when they do not');
  t.ok(pace.isGathering);
  t.equal(pace.atLeast(false), 0);
  t.ok(pace.isFree);
});

t.test('fewer are waited for when too few come back again and again', async (t) => {
  const { clock, pace, round } = made();
  const missed = (operations: number) => {
    clock.advance(2);
    t.equal(pace.atLeast(false), 0, 'the time is over');
    pace.begins(operations);
    pace.took(operations);
    clock.advance(2);
    return pace.atLeast(false);
  };
  t.equal(round(20), 18);
  t.equal(missed(10), 18);
  t.equal(missed(12), 18);
  t.equal(missed(18), 18, 'at the last moment there were enough');
  t.equal(missed(10), 18);
  t.equal(missed(12), 18);
  t.equal(missed(11), 11, 'most of those who came in time');
  for (let i = 0; i < 3; i++) {
    missed(2);
  }
  t.ok(pace.isFree, 'so few are not waited for');
});

t.test('who has not waited for the answer shows that there are more clients', async (t) => {
  const { clock, pace, round } = made();
  const crowded = (times: number) => {
    let waitedFor = 0;
    for (let i = 0; i < times; i++) {
      waitedFor = round(20);
    }
    return waitedFor;
  };
  // Two groups that take turns.
  t.equal(crowded(4), 18);
  t.equal(crowded(1), 36, 'those of two rounds');
  t.equal(pace.atLeast(false), 36);
  for (let i = 0; i < 3; i++) {
    clock.advance(2);
    t.equal(pace.atLeast(false), 0);
    pace.begins(20);
    pace.took(20);
    clock.advance(2);
    pace.atLeast(false);
  }
  t.equal(pace.atLeast(false), 18, 'they did not come together');
  t.equal(crowded(100), 18, 'it is not tried again soon');
  t.equal(crowded(40), 36);
});

t.test('a batch behind which others may follow holds nothing', async (t) => {
  const { state, pace, round } = made();
  round(20);
  pace.passes();
  t.ok(pace.isFree);
  t.equal(state.holds.at(-1), 0);
  pace.passes();
  t.equal(state.holds.length, 3, 'once');
});
