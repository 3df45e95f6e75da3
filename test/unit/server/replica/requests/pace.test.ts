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
  /** Rounds that are answered at once, each of so many. */
  const rounds = (count: number, operations: number) => {
    for (let i = 0; i < count; i++) {
      pace.begins(operations);
      clock.advance(1);
      pace.atLeast(false);
    }
  };
  return { clock, state, pace, rounds };
}

t.test('a round holds what comes until it is answered, or old', async (t) => {
  const { clock, state, pace } = made();
  t.equal(pace.atLeast(true), 0, 'nothing has been asked');
  pace.begins(3);
  t.same(state.holds, [NOBODY]);
  t.equal(pace.atLeast(true), Number.POSITIVE_INFINITY);
  t.ok(pace.isHeld);
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

t.test('clients that come back are waited for, once it is known how many do', async (t) => {
  const { clock, state, pace, rounds } = made();
  rounds(63, 10);
  t.ok(pace.isFree, 'nobody is waited for before it has been tried');
  pace.begins(10);
  clock.advance(1);
  state.holds.length = 0;
  t.equal(pace.atLeast(false), 18, 'those of the last two rounds, but for a few');
  t.same(state.holds, [18], 'the one who completes them wakes');
  t.ok(pace.isGathering);
  t.notOk(pace.isHeld, 'what is handed over needs a turn');
  t.equal(pace.atLeast(false), 18);
  pace.begins(19);
  t.same(state.holds, [18, NOBODY]);
  clock.advance(1);
  t.equal(pace.atLeast(false), 18, 'of those who came back');
  state.wakes = 0;
  clock.advance(1);
  t.equal(state.wakes, 1, 'a turn comes when they do not');
  t.ok(pace.isGathering);
  t.equal(pace.atLeast(false), 0);
  pace.took(12);
  pace.begins(12);
  clock.advance(2);
  t.equal(pace.atLeast(false), 11, 'fewer are waited for then');
  clock.advance(0.9);
  t.equal(pace.atLeast(false), 11, 'for a moment behind the answer');
  clock.advance(0.1);
  t.equal(pace.atLeast(false), 0);
  pace.took(0);
  pace.begins(1);
  t.equal(pace.atLeast(false), 0, 'nobody came back');
});

t.test('a round that is old makes room for another without waiting for clients', async (t) => {
  const { clock, pace, rounds } = made();
  rounds(63, 10);
  pace.begins(10);
  clock.advance(4);
  t.equal(pace.atLeast(true), 0);
  pace.begins(10);
  t.equal(pace.atLeast(true), Number.POSITIVE_INFINITY);
});
