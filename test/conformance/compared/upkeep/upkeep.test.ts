// What a server does besides storing: locks, elections, downgrades, alarms, health. The same calls
// to MetaStore with both engines and to a real etcd, each scenario on a fresh server, with equal
// transcripts. METASTORE_UPKEEP_SCENARIO names the only one to run.

import { join } from 'node:path';
import t, { type Test } from 'tap';

import {
  type Engine,
  hasReference,
  type ProgramOptions,
  scratchDirectory,
  start,
} from '../../support/programs.js';
import { versionIsDecided } from '../../support/version.js';
import { concurrency } from './concurrency.js';
import { maintenance } from './maintenance.js';
import { rangeStreams } from './range-stream.js';
import { type Scenario, Transcript } from './transcript.js';
import { withAuth } from './with-auth.js';

const only = process.env.METASTORE_UPKEEP_SCENARIO;
const isFull = process.env.METASTORE_TEST_FULL === '1';
/** In reduced runs the scenarios take them in turns. */
const engines: readonly Engine[] = ['memory', 'rocksdb'];
const scenarios: readonly Scenario[] = [
  ...concurrency,
  ...maintenance,
  ...rangeStreams,
  ...withAuth,
];

async function transcriptOf(scenario: Scenario, options: ProgramOptions): Promise<string[]> {
  const program = await start({
    ...options,
    flags: ['--bcrypt-cost=4', ...(scenario.flags ?? [])],
  });
  const transcript = new Transcript(program.address);
  try {
    await versionIsDecided(program.address);
    await scenario.run(transcript);
    return [...transcript.lines, ...transcript.said];
  } finally {
    transcript.close();
    await program.kill();
  }
}

async function compare(t: Test, scenario: Scenario, engines: readonly Engine[]): Promise<void> {
  const folder = scratchDirectory('upkeep');
  const [reference = [], ...ours] = await Promise.all([
    transcriptOf(scenario, { kind: 'etcd', name: 'etcd', dataDir: join(folder, 'etcd') }),
    ...engines.map((engine) => {
      const dataDir = join(folder, engine);
      return transcriptOf(scenario, { kind: 'metastore', engine, name: engine, dataDir });
    }),
  ]);
  t.ok(reference.length > 0, 'something was asked');
  engines.forEach((engine, at) => {
    t.same(ours[at], reference, `${engine} answers as etcd does`);
  });
}

const skip = hasReference() ? {} : { skip: 'METASTORE_ETCD names no etcd' };
t.setTimeout(600_000);
t.jobs = 2; // Servers of their own, and much waiting for locks and versions.
scenarios.forEach((scenario, at) => {
  if (only === undefined || only === scenario.name) {
    const those = isFull ? engines : engines.slice(at % 2, (at % 2) + 1);
    t.test(scenario.name, { ...skip }, (t) => compare(t, scenario, those));
  }
});
