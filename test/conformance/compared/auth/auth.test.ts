// Authentication held against a real etcd: one seeded sequence of calls about users and roles, and
// of calls by those users, with equal answers from MetaStore with both engines. Once with simple
// tokens, once with signed ones. METASTORE_AUTH_SEED and _STEPS repeat a run.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import {
  hasReference,
  type ProgramOptions,
  scratchDirectory,
  start,
} from '../../support/programs.js';
import { AuthRun } from './run.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';
const seed = Number(process.env.METASTORE_AUTH_SEED ?? 20_261_121);
const steps = Number(process.env.METASTORE_AUTH_STEPS ?? (isFull ? 10_000 : 1000));
const secret = Buffer.from('the secret of both servers, long enough') as unknown as Uint8Array;

t.setTimeout(3_600_000);
const only = hasReference() ? {} : { skip: 'neither Go nor an etcd here' };

for (const kind of ['simple', 'jwt'] as const) {
  t.test(`equal answers with ${kind} tokens`, only, async (t) => {
    const folder = scratchDirectory(`auth-${kind}`);
    const secretFile = join(folder, 'secret');
    writeFileSync(secretFile, secret);
    const token = kind === 'simple' ? kind : `jwt,sign-method=HS256,priv-key=${secretFile}`;
    const common = {
      flags: ['--unsafe-no-fsync=true', '--bcrypt-cost=4', `--auth-token=${token}`],
    };
    const wanted: readonly ProgramOptions[] = [
      { kind: 'etcd', name: 'etcd', dataDir: join(folder, '0'), ...common },
      {
        kind: 'metastore',
        engine: 'memory',
        name: 'memory',
        dataDir: join(folder, '1'),
        ...common,
      },
      {
        kind: 'metastore',
        engine: 'rocksdb',
        name: 'rocksdb',
        dataDir: join(folder, '2'),
        ...common,
      },
    ];
    const programs = await Promise.all(wanted.map((options) => start(options)));
    t.teardown(() => Promise.all(programs.map((program) => program.stop())));
    const run = new AuthRun(programs, { seed, steps, secret: kind === 'jwt' ? secret : null });
    t.teardown(() => run.close());
    const counts = await run.run();
    for (const [kind, count] of [...counts].sort()) {
      t.comment(`${kind}: ${count}`);
    }
    // A run in which nobody is refused, or nobody gets through, would prove nothing.
    for (const call of ['KV/Range', 'KV/Put', 'KV/Txn', 'Watch/Watch']) {
      const kinds = [...counts.keys()].filter((name) => name.startsWith(`${call} `));
      t.ok(kinds.length >= 2, `${call} had different ends`);
    }
  });
}
