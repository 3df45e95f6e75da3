// Whole clusters in one thread, over the double of the native core: the real Raft core, replica
// loop and Member, with simulated clocks, network and disks. What is checked after every step
// stands in test/support/sim/checks; docs/testing.md says how to look at a seed.

import t from 'tap';

import { testSeeds } from '../support/sim/runner/seeds.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';

/** Every seed that ever failed, and what it found. */
const kept = [
  // A member that was behind the addition of the present leader had no way to answer it.
  13, 43,
  // A question for a read index was forwarded a second time, back to where it came from.
  413,
  // A snapshot that came a second time, since the answer to the first was lost, closed the import
  // that was being installed.
  2279, 2736,
  // The judge expected requests to end soon although the new leader had been lost again.
  1590, 1768, 1844,
];

t.setTimeout(isFull ? 3_600_000 : 900_000);
t.jobs = 2; // Groups of seeds are threads of their own.
testSeeds(t, { variant: 'double', kept, first: 1, count: isFull ? 10_000 : 1000, groups: 10 });
