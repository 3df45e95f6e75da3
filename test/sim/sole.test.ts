// The simulation over the real native core, with clusters that begin with one member: what is
// proposed to it is appended without TypeScript, until others join, and again when they have left.
// Crashes come between any two steps of all that.

import t from 'tap';

import { testSeeds } from '../support/sim/runner/seeds.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';

/** Every seed that ever failed, and what it found. */
const kept = [
  6, // a sole voter read behind a restart what its last hard state said, not what it had told
  85, // the log was cut in front of what Raft had yet to hear of
];

t.setTimeout(isFull ? 3_600_000 : 900_000);
testSeeds(t, {
  variant: 'sole',
  kept,
  first: 1,
  count: isFull ? 300 : 12,
  groups: isFull ? 10 : 3,
});
