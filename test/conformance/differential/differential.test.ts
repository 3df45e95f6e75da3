// The differential test: one seeded sequence of KV, transaction, compaction, lease and watch
// requests to MetaStore with both engines and to a real etcd, in lock step, with equal answers.
// METASTORE_DIFFERENTIAL_SEED and _STEPS repeat a run; _SERVERS=etcd,etcd tries the test itself,
// and a path in place of a name is another etcd.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { hasReference, type ProgramOptions, scratchDirectory } from '../support/programs.js';
import { DifferentialRun } from './run.js';
import { Server } from './server.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';
const seed = Number(process.env.METASTORE_DIFFERENTIAL_SEED ?? 20_261_121);
const steps = Number(process.env.METASTORE_DIFFERENTIAL_STEPS ?? (isFull ? 20_000 : 3000));
const wanted = process.env.METASTORE_DIFFERENTIAL_SERVERS ?? 'etcd,memory,rocksdb';

function referenceVersion(): string {
  const program = process.env.METASTORE_ETCD;
  if (!program) return '3.7.1';
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return /etcd Version: (\S+)/.exec(stdout)?.[1] ?? 'unknown';
}

function optionsFor(name: string, index: number, folder: string): ProgramOptions {
  const common = {
    name: `${name}-${index}`,
    dataDir: join(folder, String(index)),
    flags: ['--unsafe-no-fsync=true'],
  };
  if (name === 'etcd') return { kind: 'etcd', ...common };
  if (name.startsWith('/'))
    return { kind: 'etcd', ...common, program: name, name: `other-${index}` };
  if (name !== 'memory' && name !== 'rocksdb') throw new Error(`no server called ${name}`);
  return { kind: 'metastore', engine: name, ...common };
}

async function compare(t: Test, names: readonly string[]): Promise<void> {
  const folder = scratchDirectory('differential');
  const servers: Server[] = [];
  t.teardown(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });
  for (const [index, name] of names.entries()) {
    servers.push(await Server.start(optionsFor(name, index, folder)));
  }
  const version = referenceVersion();
  const run = new DifferentialRun(servers, { seed, steps, referenceVersion: version });
  const result = await run.run();
  t.comment(
    `${names.join(', ')} (etcd ${version}): ${result.requests} requests, of them ` +
      `${result.errors} errors; ${result.watchers} watchers, ${result.events} events; ` +
      `revision ${result.revision}; seed ${seed}`,
  );
  for (const [name, count] of result.knownDifferences) t.comment(`known: ${name}: ${count} times`);
  t.equal(result.requests, steps, 'all requests were answered alike');
}

t.setTimeout(3 * 3_600_000);
const names = wanted.split(',').filter((name) => name !== 'etcd' || hasReference());
const only = names.length < 2 ? { skip: 'nothing to compare with' } : {};

t.test(`equal answers: ${names.join(', ')}`, only, async (t) => {
  await compare(t, names);
});

if (wanted.includes('etcd') && !hasReference()) {
  t.test('equal answers to a real etcd', { skip: 'neither Go nor an etcd here' }, async () => {});
}
