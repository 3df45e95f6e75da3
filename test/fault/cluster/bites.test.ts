// The judgement of the other scenarios has to notice what it is there for: reads from the past, and
// acknowledged writes that are gone. Both are brought about here, by reads that may be stale and by
// putting old copies of the data directories back.

import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import type { Cluster } from '../../support/cluster/cluster.js';
import { Violation } from '../../support/cluster/linearizability/checks.js';
import { canFindDialler } from '../../support/cluster/proxy/dialler.js';
import { tempDir } from '../../support/temp-dir.js';
import { clusterFor, Scenario } from './scenario.js';

t.setTimeout(300_000);

const shape = { name: '3 members, mixed', size: 3, engines: ['memory', 'rocksdb'] } as const;

async function isNoticed(t: Test, scenario: Scenario, text: RegExp): Promise<void> {
  try {
    await scenario.judgement();
    t.fail('it went unnoticed');
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    t.match(error.message, text, 'it was noticed');
    for (const line of error.message.split('\n').slice(0, 4)) t.comment(line.slice(0, 200));
  }
}

async function killAll(cluster: Cluster): Promise<void> {
  await Promise.all(cluster.members.map((member) => member.kill()));
}

async function startAll(cluster: Cluster): Promise<void> {
  for (const member of cluster.members) member.launch();
  await Promise.all(cluster.members.map((member) => member.ready()));
  await cluster.leader();
}

t.test('reads from the past', { skip: !canFindDialler && 'no /proc here' }, async (t) => {
  const cluster = await clusterFor(t, shape, { isProxied: true });
  const scenario = await Scenario.start(t, cluster, 'stale', { isStale: true });
  const leader = await cluster.leader();
  for (const other of cluster.others(leader)) {
    cluster.links.setBoth(leader.name, other.name, { mode: 'hold' });
  }
  await cluster.leader(15_000, leader);
  await scenario.load.writes(100);
  // The clients may all be elsewhere or waiting: the past is asked for, not hoped for.
  await scenario.load.readsAt(leader);
  cluster.links.heal();
  await scenario.load.writes(20);
  await isNoticed(t, scenario, /the store went back|is not linearizable/);
});

t.test('acknowledged writes that are gone', async (t) => {
  const cluster = await clusterFor(t, shape);
  await cluster.healthy();
  await killAll(cluster);
  const copies = tempDir('copies');
  const { members } = cluster;
  for (const { name, settings } of members) {
    cpSync(settings.dataDir, join(copies, name), { recursive: true });
  }
  await startAll(cluster);
  const scenario = await Scenario.start(t, cluster, 'lost');
  await scenario.load.writes(50);
  await killAll(cluster);
  for (const { name, settings } of members) {
    rmSync(settings.dataDir, { recursive: true });
    cpSync(join(copies, name), settings.dataDir, { recursive: true });
  }
  await startAll(cluster);
  await isNoticed(t, scenario, /acknowledged and lost/);
});
