// Tests of how a start is decided: from the flags through src/app/config/config.ts to the plan that
// src/server/bootstrap/prepare.ts makes of them and notes in the data directory.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';

import { buildConfig } from '../../../src/app/config/config.js';
import { validate } from '../../../src/app/config/validate.js';
import { parseCommandLine } from '../../../src/app/flags/parser.js';
import { resolveFlags } from '../../../src/app/flags/sources.js';
import { flagTable } from '../../../src/app/flags/table.js';
import { defaultHost, defaultInterface } from '../../../src/app/flags/values/default-host.js';
import { createLogger } from '../../../src/base/log/logger.js';
import { START_RECORD } from '../../../src/server/bootstrap/directory.js';
import { plannedMembers } from '../../../src/server/bootstrap/plan.js';
import { prepareStart } from '../../../src/server/bootstrap/prepare.js';
import { FakeAddon } from '../../support/fakes/fake-core.js';
import { tempDir } from '../../support/temp-dir.js';

const log = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);

function configIn(dataDir: string, ...args: string[]) {
  const commandLine = parseCommandLine([`--data-dir=${dataDir}`, ...args], flagTable);
  const { flags } = resolveFlags(commandLine, {}, flagTable, null);
  validate(flags);
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

t.test('schemes are the same in any case', async (t) => {
  const { core, bootstrap } = await start(
    `--initial-cluster=default=${peer.replace('http', 'HTTP')}`,
    advertised.replace('http', 'Http'),
  );
  t.match(plannedMembers(bootstrap), [{ id: core.memberId, peerUrls: [peer] }]);
  t.equal(core.memberId, (await start(advertised)).core.memberId);
});

t.test('a member that listens everywhere names the address of the default route', async (t) => {
  const everywhere = '--listen-peer-urls=http://0.0.0.0:4444';
  const { start: untold } = configIn(tempDir('host'), everywhere, '--name=x');
  const host = defaultHost();
  const expected = host === null ? 'http://localhost:2380' : `http://${host}:4444`;
  t.same(untold.peerUrls, [expected]);
  t.match(untold.request, { members: [{ name: 'x', peerUrls: [expected] }] });
  const { start: told } = configIn(tempDir('host'), everywhere, advertised);
  t.same(told.peerUrls, [peer]);
  const here = configIn(tempDir('host'), '--listen-peer-urls=http://127.0.0.1:4444');
  t.same(here.start.peerUrls, ['http://localhost:2380']);
  const table =
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n' +
    'eth1\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n' +
    'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n';
  t.equal(defaultInterface(table), 'eth0');
  t.equal(defaultInterface(table.split('eth0')[0] ?? ''), null);
  t.equal(defaultInterface(''), null);
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
  t.throws(() => configIn(tempDir('bad'), '--max-learners=-1'), {
    message: 'membership: too many learner members in cluster',
    title,
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

interface Peer {
  readonly url: string;
  /** What it answers, by path. */
  readonly answers: Map<string, { body: string; headers?: Record<string, string> }>;
  readonly asked: string[];
}

/** Another server as it looks over its peer port. */
async function runPeer(t: Test, path?: string): Promise<Peer> {
  const answers: Peer['answers'] = new Map();
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const found = answers.get(request.url ?? '');
    response.writeHead(found === undefined ? 404 : 200, found?.headers ?? {});
    response.end(found?.body ?? '404 page not found\n');
  });
  await new Promise<void>((resolve) => {
    if (path === undefined) {
      server.listen(0, '127.0.0.1', resolve);
    } else {
      server.listen(path, resolve);
    }
  });
  t.teardown(() => server.close());
  const address = server.address() as AddressInfo | string;
  const url =
    typeof address === 'string' ? `unix://${address}` : `http://127.0.0.1:${address.port}`;
  return { url, answers, asked };
}

function answersAsCluster(peer: Peer, members: string): void {
  peer.answers.set('/members', {
    body: members,
    headers: { 'X-Etcd-Cluster-ID': 'd0844760d3268995' },
  });
  peer.answers.set('/version', {
    body: '{"etcdserver":"3.7.1","etcdcluster":"3.7.0","storage":"3.7.0"}',
    headers: { 'X-MetaStore-Version': '0.1.0' },
  });
}

const joining = (other: string) => [
  '--name=b',
  '--initial-cluster-state=existing',
  `--initial-cluster=a=${other},b=${peer}`,
  advertised,
];

t.test('a member that was added to a running cluster takes its ids from there', async (t) => {
  for (const path of [undefined, join(tempDir('socket'), 'peer.sock')]) {
    const other = await runPeer(t, path);
    const { url } = other;
    answersAsCluster(
      other,
      `[{"id":14134117355731884774,"peerURLs":["${url}"],"name":"a","clientURLs":["http://c"]},` +
        `{"id":6066552480434506336,"peerURLs":["${peer}"]}]`,
    );
    const dataDir = tempDir('join');
    const { core, bootstrap } = await startIn(dataDir, ...joining(url));
    t.equal(core.memberId, 6066552480434506336n);
    t.equal(core.clusterId, 0xd0844760d3268995n);
    t.equal(bootstrap.kind, 'join');
    t.match(plannedMembers(bootstrap), [
      { id: 6066552480434506336n, peerUrls: [peer], name: '', isLearner: false },
      { id: 14134117355731884774n, peerUrls: [url], name: 'a', clientUrls: ['http://c'] },
    ]);
    makeLog(dataDir);
    const again = await startIn(dataDir);
    t.same(again.bootstrap, { kind: 'restart', forceNewCluster: false, unfinished: bootstrap });
    t.equal(again.core.memberId, core.memberId, 'a start that is resumed has the same ids');
  }
});

t.test('joining is refused in the words of the reference', async (t) => {
  const other = await runPeer(t);
  await t.rejects(start(...joining(other.url)), {
    message:
      'cannot fetch cluster info from peer urls: could not retrieve cluster information from ' +
      'the given URLs',
  });
  answersAsCluster(other, `[{"id":1,"peerURLs":["${other.url}"],"name":"a"}]`);
  await t.rejects(start(...joining(other.url)), {
    message:
      'error validating peerURLs {ClusterID:d0844760d3268995 Members:[&{ID:1 RaftAttributes:' +
      `{PeerURLs:[${other.url}] IsLearner:false} Attributes:{Name:a ClientURLs:[]}}] ` +
      'RemovedMemberIDs:[]}: member count is unequal',
  });
  answersAsCluster(other, `[{"id":1,"peerURLs":["${other.url}"]},{"id":2,"peerURLs":["${peer}"]}]`);
  other.answers.set('/version', { body: '{"etcdserver":"3.7.1","etcdcluster":"3.7.0"}' });
  await t.rejects(start(...joining(other.url)), {
    message: /another kind of server \(etcd 3\.7\.1\)/,
  });
  await t.rejects(start('--initial-cluster-state=existing', '--name=x', advertised), {
    message: /cannot fetch cluster info from peer urls/,
  });
  t.throws(
    () =>
      configIn(
        tempDir('both'),
        '--initial-cluster-state=existing',
        '--discovery-token=t',
        '--discovery-endpoints=127.0.0.1:1',
      ),
    { message: 'discovery URL should not be set when joining existing initial cluster' },
  );
});

t.test('a member that lost its directory is not taken for a new one', async (t) => {
  const other = await runPeer(t);
  const flags = ['--name=b', `--initial-cluster=a=${other.url},b=${peer}`, advertised];
  const { core } = await start(...flags);
  const self = `{"id":${core.memberId},"peerURLs":["${peer}"],"name":"b"`;
  answersAsCluster(other, `[${self}}]`);
  await t.resolves(start(...flags), 'known, but not started yet');
  answersAsCluster(other, `[${self},"clientURLs":["http://c"]}]`);
  await t.rejects(start(...flags), {
    message: `member ${core.memberId.toString(16)} has already been bootstrapped`,
  });
});

t.test('a peer that accepts and never answers does not hold up a new cluster', async (t) => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.teardown(() => silent.closeAllConnections());
  t.teardown(() => silent.close());
  const { port } = silent.address() as AddressInfo;
  const started = Date.now();
  await start('--name=b', `--initial-cluster=a=http://127.0.0.1:${port},b=${peer}`, advertised);
  t.ok(Date.now() - started < 3000);
});
