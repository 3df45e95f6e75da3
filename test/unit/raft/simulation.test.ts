// Random runs of whole clusters, each from its seed. A seed that ever failed stays in the list,
// with what it found.

import t from 'tap';
import { Simulation } from '../../support/raft/cluster/simulation.js';

const STEPS = 6000;
const seeds = Array.from({ length: 40 }, (_, i) => i + 1);

t.test('random runs keep the safety properties and come back to life', (test) => {
  const total = { applied: 0, leaders: 0, changes: 0, reads: 0, snapshots: 0 };
  for (const seed of seeds) {
    const simulation = new Simulation(seed);
    try {
      const result = simulation.run(STEPS);
      for (const key of Object.keys(total) as (keyof typeof total)[]) {
        total[key] += result[key];
      }
    } catch (error) {
      test.fail(`seed ${seed}: ${String(error)}`);
    }
  }
  // The runs are worth nothing if little happens in them.
  test.ok(total.applied > 1000, `${total.applied} entries applied`);
  test.ok(total.leaders > 100, `${total.leaders} terms with a leader`);
  test.ok(total.changes > 50, `${total.changes} membership changes proposed`);
  test.ok(total.reads > 50, `${total.reads} reads answered`);
  test.ok(total.snapshots > 10, `${total.snapshots} snapshots received`);
  test.end();
});
