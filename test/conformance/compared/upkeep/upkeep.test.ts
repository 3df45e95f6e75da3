// What a server does besides storing: locks, elections, downgrades, alarms, health. The same calls
// to MetaStore with both engines and to a real etcd, each scenario on a fresh server, with equal
// transcripts. METASTORE_UPKEEP_SCENARIO names the only one to run.

import { join } from 'node:path';
import t, { type Test } from 'tap';

import {
  hasReference,
  type ProgramOptions,
  scratchDirectory,
  start,
} from '../../support/programs.js';
import { concurrency } from './concurrency.js';
import { maintenance } from './maintenance.js';
import { rangeStreams } from './range-stream.js';
import { type Scenario, Transcript } from './transcript.js';
import { withAuth } from './with-auth.js';

const only = process.env.METASTORE_UPKEEP_SCENARIO;
const scenarios: readonly Scenario[] = [
  ...concurrency,
  ...maintenance,
  ...rangeStreams,
  ...withAuth,
];

async function transcriptOf(scenario: Scenario, options: ProgramOptions): Promise<string[]> {
  const program = await start({ ...options, flags: scenario.flags ?? [] });
  const transcript = new Transcript(program.address);
  try {
    await scenario.run(transcript);
    return [...transcript.lines, ...transcript.said];
  } finally {
    transcript.close();
    await program.kill();
  }
}

async function compare(t: Test, scenario: Scenario): Promise<void> {
  const folder = scratchDirectory('upkeep');
  const [reference, memory, rocksdb] = await Promise.all([
    transcriptOf(scenario, { kind: 'etcd', name: 'etcd', dataDir: join(folder, 'etcd') }),
    transcriptOf(scenario, {
      kind: 'metastore',
      engine: 'memory',
      name: 'memory',
      dataDir: join(folder, 'memory'),
    }),
    transcriptOf(scenario, {
      kind: 'metastore',
      engine: 'rocksdb',
      name: 'rocksdb',
      dataDir: join(folder, 'rocksdb'),
    }),
  ]);
  t.ok(reference.length > 0, 'something was asked');
  t.same(memory, reference, 'memory answers as etcd does');
  t.same(rocksdb, reference, 'rocksdb answers as etcd does');
}

const skip = hasReference() ? {} : { skip: 'METASTORE_ETCD names no etcd' };
t.setTimeout(600_000);
for (const scenario of scenarios) {
  if (only === undefined || only === scenario.name) {
    t.test(scenario.name, skip, (t) => compare(t, scenario));
  }
}
