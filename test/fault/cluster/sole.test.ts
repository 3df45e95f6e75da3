// A member that is its whole cluster, under load: it is killed and comes back, gains another
// member, loses it again, and so changes between the two ways in which entries get into its log.
// Nothing acknowledged may be lost, nothing may happen twice.

import t, { type Test } from 'tap';

import type { Cluster } from '../../support/cluster/cluster.js';
import type { Engine } from '../../support/cluster/member.js';
import { sleep, waitFor, within } from '../../support/wait.js';
import { clusterFor, isFull, isReference, Scenario } from './scenario.js';

t.setTimeout(600_000);

const ROUNDS = isFull ? 6 : 1;

/** The first member stays; the other one is refused to go until it has been connected a while. */
async function shrink(cluster: Cluster): Promise<void> {
  const [first, other] = cluster.members;
  if (first === undefined || other === undefined) throw new Error('there are two members');
  const removal = () =>
    cluster.remove(other, first).then(
      () => true,
      () => false,
    );
  await waitFor('the removal', removal, 30_000, 200);
  await within(`${other.name} ending`, other.process.exited, 20_000);
  other.client.close();
}

async function killed(cluster: Cluster): Promise<void> {
  const [first] = cluster.members;
  if (first === undefined) throw new Error('there is a member');
  await first.kill();
  first.launch();
  await first.ready();
}

async function comeAndGo(t: Test, engine: Engine): Promise<void> {
  const cluster = await clusterFor(t, { name: engine, size: 1, engines: [engine] });
  const scenario = await Scenario.start(t, cluster, 'sole', { pauseMsMax: 2 });
  for (let round = 0; round < ROUNDS; round++) {
    await scenario.load.writes(200);
    await killed(cluster);
    await scenario.load.writes(200);
    await cluster.add(false, 60_000);
    await scenario.load.writes(50);
    await shrink(cluster);
    await scenario.load.writes(200);
    await killed(cluster);
    await sleep(200);
  }
  await scenario.load.writes(50);
  // Judged by two, so that a member that has replicated it all agrees.
  await cluster.add(false, 60_000);
  await scenario.judge();
}

for (const engine of isFull ? (['memory', 'rocksdb'] as const) : (['rocksdb'] as const)) {
  t.test(engine, { skip: isReference && 'of our own way to write' }, (t) => comeAndGo(t, engine));
}
