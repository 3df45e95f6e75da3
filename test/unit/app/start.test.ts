// Tests of how a start is decided: from the flags through src/app/config.ts to the plan that
// src/server/bootstrap/prepare.ts makes of them and notes in the data directory.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

import { buildConfig } from '../../../src/app/config.js';
import { parseCommandLine } from '../../../src/app/flags/parser.js';
import { resolveFlags } from '../../../src/app/flags/sources.js';
import { flagTable } from '../../../src/app/flags/table.js';
import { validate } from '../../../src/app/validate.js';
import { createLogger } from '../../../src/base/logger.js';
import { START_RECORD } from '../../../src/server/bootstrap/directory.js';
import { plannedMembers } from '../../../src/server/bootstrap/plan.js';
import { prepareStart } from '../../../src/server/bootstrap/prepare.js';
import { FakeAddon } from '../../support/fake-core.js';
import { tempDir } from '../../support/temp-dir.js';

const log = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);

function configIn(dataDir: string, ...args: string[]) {
  const commandLine = parseCommandLine([`--data-dir=${dataDir}`, ...args], flagTable);
  const { flags } = resolveFlags(commandLine, {}, flagTable);
  validate(flags, flagTable);
  return buildConfig(flags, {});
}

async function startIn(dataDir: string, ...args: string[]) {
  const config = configIn(dataDir, ...args);
  return prepareStart(new FakeAddon(), config.member.core, config.start, log);
}

const start = (...args: string[]) => startIn(tempDir('start'), ...args);

/** What the native side leaves behind as soon as it has opened a directory. */
function makeLog(dataDir: string): void {
  mkdirSync(join(dataDir, 'member', 'wal'), { recursive: true });
  writeFileSync(join(dataDir, 'member', 'wal', '0000000000000000.wal'), '');
}

const peer = 'http://127.0.0.1:5';
const advertised = `--initial-advertise-peer-urls=${peer}`;

t.test('identity is the reference one for the default flags', async (t) => {
  const { core, bootstrap } = await start();
  t.equal(core.memberId.toString(16), '8e9e05c52164694d');
  t.equal(core.clusterId.toString(16), 'cdf818194e3a8c32');
  t.match(bootstrap, { kind: 'new', token: 'etcd-cluster' });
  t.not((await start('--initial-cluster-token=other')).core.memberId, core.memberId);
});

t.test('members of a new cluster agree on its id and differ in theirs', async (t) => {
  const cluster =
    '--initial-cluster=a=http://127.0.0.1:1,b=http://127.0.0.1:2,b=http://127.0.0.1:3';
  const a = await start(cluster, '--name=a', '--initial-advertise-peer-urls=http://127.0.0.1:1');
  const b = await start(
    cluster,
    '--name=b',
    '--initial-advertise-peer-urls=http://127.0.0.1:3,http://127.0.0.1:2',
  );
  t.equal(a.core.clusterId, b.core.clusterId);
  const members = plannedMembers(a.bootstrap);
  t.same(members, plannedMembers(b.bootstrap));
  t.match(members, [
    { id: a.core.memberId, name: 'a', peerUrls: ['http://127.0.0.1:1'], isLearner: false },
    { id: b.core.memberId, name: 'b', peerUrls: ['http://127.0.0.1:2', 'http://127.0.0.1:3'] },
  ]);
});

t.test('initial clusters that do not fit are refused', async (t) => {
  const refused: [string[], string][] = [
    [
      ['--name=x', `--initial-cluster=y=${peer}`, advertised],
      `couldn't find local name "x" in the initial cluster configuration`,
    ],
    [
      [`--initial-cluster=default=${peer},b=${peer}`, advertised],
      `initial cluster b=${peer},default=${peer} has duplicate url`,
    ],
    [
      ['--initial-cluster=default=http://127.0.0.1:9', advertised],
      `--initial-cluster has default=http://127.0.0.1:9 but missing from ` +
        `--initial-advertise-peer-urls=${peer} (resolved urls: "${peer}" != "http://127.0.0.1:9")`,
    ],
    [
      ['--initial-cluster=default=http://localhost:5', advertised],
      `--initial-cluster has default=http://localhost:5 but missing from ` +
        `--initial-advertise-peer-urls=${peer} (resolved urls: "${peer}" != "http://localhost:5")`,
    ],
    [
      [`--initial-cluster=default=${peer},default=http://127.0.0.1:6`, advertised],
      `--initial-cluster has default=http://127.0.0.1:6 but missing from ` +
        `--initial-advertise-peer-urls=${peer} ` +
        `(len(["${peer}"]) != len(["${peer}" "http://127.0.0.1:6"]))`,
    ],
    [
      [`--initial-cluster=default=${peer}`, `${advertised},http://127.0.0.1:6`],
      `--initial-advertise-peer-urls has http://127.0.0.1:6 but missing from ` +
        `--initial-cluster=default=${peer},default=http://127.0.0.1:6`,
    ],
    [
      [`--initial-cluster=default=${peer},default=${peer}`, advertised],
      `failed to resolve ${peer} to match --initial-cluster=default=${peer} ` +
        `(len(["${peer}"]) != len(["${peer}" "${peer}"]))`,
    ],
  ];
  for (const [args, message] of refused) {
    const dataDir = tempDir('refused');
    await t.rejects(startIn(dataDir, ...args), { message });
    t.notOk(existsSync(join(dataDir, START_RECORD)), 'nothing is noted of a start that failed');
  }
});

t.test('what is no initial cluster at all is refused before anything is opened', async (t) => {
  const title = 'discovery failed';
  const problem =
    'error setting up initial cluster: URL scheme must be http, https, unix, or unixs';
  t.throws(() => configIn(tempDir('bad'), '--initial-cluster=foo'), {
    message: `${problem}: `,
    title,
  });
  t.throws(() => configIn(tempDir('bad'), '--initial-cluster=a=ftp://b:1'), {
    message: `${problem}: ftp://b:1`,
    title,
  });
  t.throws(() => configIn(tempDir('bad'), '--initial-cluster=default=https://127.0.0.1:5'), {
    message: /TLS is not supported by this version of MetaStore yet \(https:\/\/127\.0\.0\.1:5\)/,
  });
});

t.test('a directory with a log restarts, whatever the flags say of the cluster', async (t) => {
  const dataDir = tempDir('restart');
  const first = await startIn(dataDir, advertised);
  makeLog(dataDir);
  const again = await startIn(dataDir, '--initial-cluster=nonsense', '--name=other');
  t.same(again.bootstrap, {
    kind: 'restart',
    forceNewCluster: false,
    unfinished: first.bootstrap,
  });
  t.equal(again.core.memberId, first.core.memberId);
  t.equal(again.core.clusterId, first.core.clusterId);
  t.same(plannedMembers(again.bootstrap), plannedMembers(first.bootstrap));
});

t.test('a directory whose log is older than the record of plans', async (t) => {
  const dataDir = tempDir('old');
  makeLog(dataDir);
  const { bootstrap, core } = await startIn(dataDir);
  t.same(bootstrap, { kind: 'restart', forceNewCluster: false, unfinished: null });
  t.equal(core.memberId, 0n, 'the log says who it is');
  t.same(plannedMembers(bootstrap), []);
});

t.test('a record that cannot be read is an error that names the file', async (t) => {
  const dataDir = tempDir('damaged');
  makeLog(dataDir);
  writeFileSync(join(dataDir, START_RECORD), '{');
  await t.rejects(startIn(dataDir), { message: /bootstrap\.json cannot be read: / });
});
