// Tests of src/cluster/existing.ts and peer-urls.ts: what a member that is about to start learns
// from a cluster that runs, and in which words it is refused. The other servers are doubles.

import t from 'tap';

import { createLogger, type Logger } from '../../../src/base/log/logger.js';
import {
  askCluster,
  checkCompatible,
  matchMembers,
  type PeerQuestions,
  type RemoteCluster,
} from '../../../src/cluster/existing.js';
import type { PeerMembers, PeerVersion } from '../../../src/cluster/http/client.js';
import type { MemberInfo } from '../../../src/cluster/members/member-json.js';
import { comparePeerUrls } from '../../../src/cluster/peer-urls.js';
import { ManualClock } from '../../support/fakes/manual-clock.js';

function recorder(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line), close: () => undefined };
  return { log: createLogger({ level: 'info', format: 'json', outputs: [] }, sink), lines };
}

const { log } = recorder();

/** Peers by URL; others cannot be reached. */
function peers(
  members: Readonly<Record<string, PeerMembers>>,
  versions: Readonly<Record<string, PeerVersion>> = {},
): PeerQuestions {
  const answer = async <T>(answers: Readonly<Record<string, T>>, urls: readonly string[]) => {
    const found = urls.map((url) => answers[url]).find((known) => known !== undefined);
    if (found === undefined) {
      throw new Error(`connect ECONNREFUSED ${urls.join(',')}`);
    }
    return found;
  };
  return {
    fetchMembers: (urls) => answer(members, urls),
    fetchVersion: (urls) => answer(versions, urls),
  };
}

const http = peers({});

const A = 'http://127.0.0.1:31911';
const B = 'http://127.0.0.1:31912';
const C = 'http://127.0.0.1:31913';

const memberA: MemberInfo = {
  id: 0xc42678d96a151ae6n,
  name: 'a',
  peerUrls: [A],
  clientUrls: ['http://127.0.0.1:31921'],
  isLearner: false,
};
const memberB: MemberInfo = {
  id: 0x543191dba3f34a60n,
  name: '',
  peerUrls: [C],
  clientUrls: [],
  isLearner: false,
};

t.test('the first peer that knows a cluster tells it', async (t) => {
  const told = { clusterId: 0xd0844760d3268995n, members: [memberA, memberB] };
  const cluster = await askCluster([B, A], { log, http: peers({ [A]: told }) });
  t.same(cluster, { clusterId: 0xd0844760d3268995n, members: [memberB, memberA] });
  const two = peers({ [A]: told, [B]: { ...told, clusterId: 2n } });
  t.match(await askCluster([B, A], { log, http: two }), { clusterId: 2n });
});

t.test('answers that do not name a cluster', async (t) => {
  const told = { clusterId: 1n, members: [memberA] };
  const { log, lines } = recorder();
  const nameless = peers({ [A]: { clusterId: null, members: [memberA] }, [B]: told });
  t.match(await askCluster([A, B], { log, http: nameless }), { clusterId: 1n });
  t.match(JSON.parse(lines[0] ?? '{}'), {
    level: 'warn',
    msg: 'failed to get cluster response',
    address: `${A}/members`,
  });
  const empty = peers({ [A]: { clusterId: 0n, members: [] } });
  t.equal(await askCluster([A, B], { log, http: empty }), null, 'a server without a cluster');
  t.equal(await askCluster([], { log, http: empty }), null);
});

t.test('a question that need not be answered is not warned of', async (t) => {
  const { log, lines } = recorder();
  t.equal(await askCluster([A], { log, http, quiet: true }), null);
  t.same(lines, []);
});

const cluster: RemoteCluster = { clusterId: 0xd0844760d3268995n, members: [memberB, memberA] };
const text =
  'error validating peerURLs {ClusterID:d0844760d3268995 Members:[' +
  '&{ID:543191dba3f34a60 RaftAttributes:{PeerURLs:[http://127.0.0.1:31913] IsLearner:false} ' +
  'Attributes:{Name: ClientURLs:[]}} ' +
  '&{ID:c42678d96a151ae6 RaftAttributes:{PeerURLs:[http://127.0.0.1:31911] IsLearner:false} ' +
  'Attributes:{Name:a ClientURLs:[http://127.0.0.1:31921]}}] RemovedMemberIDs:[]}: ';

t.test('members are found by their peer URLs and keep the ids that they have', async (t) => {
  const expected = [
    { name: 'x', peerUrls: [A] },
    { name: 'y', peerUrls: [C] },
  ];
  const found = await matchMembers(cluster, expected, { log, http });
  t.equal(found.get('x'), memberA);
  t.equal(found.get('y'), memberB);
});

t.test('members that do not match, in the words of the reference', async (t) => {
  const a = { name: 'a', peerUrls: [A] };
  await t.rejects(matchMembers(cluster, [a], { log, http }), {
    message: `${text}member count is unequal`,
  });
  await t.rejects(matchMembers(cluster, [a, { name: 'b', peerUrls: [B] }], { log, http }), {
    message:
      `${text}PeerURLs: no match found for existing member ` +
      '(543191dba3f34a60, [http://127.0.0.1:31913]), last resolver error ' +
      `(resolved urls: "${C}" != "${B}")`,
  });
  await t.rejects(matchMembers(cluster, [a, { name: 'b', peerUrls: [B, C] }], { log, http }), {
    message: /last resolver error \(len\(\["http:\/\/127\.0\.0\.1:31913"\]\) != len\(\[/,
  });
});

t.test('names of other members need not be resolvable where the texts agree', async (t) => {
  const named = { ...memberB, peerUrls: ['http://b.example:1'] };
  const expected = [
    { name: 'c', peerUrls: ['http://c.example:1'] },
    { name: 'b', peerUrls: ['http://b.example:1'] },
  ];
  const resolve = async () => {
    throw new Error('asked');
  };
  const other = { ...memberA, peerUrls: ['http://c.example:1'] };
  const found = await matchMembers({ clusterId: 1n, members: [named, other] }, expected, {
    log,
    http,
    resolve,
  });
  t.equal(found.get('b'), named);
});

function version(cluster: string, metastore: string | null = '0.1.0'): PeerVersion {
  return { server: '3.7.1', cluster, storage: '3.7.0', metastore };
}

t.test('versions that this server can live with', async (t) => {
  const check = (a: string | null, c: string | null) => {
    const versions = {
      ...(a === null ? {} : { [A]: version(a) }),
      ...(c === null ? {} : { [C]: version(c) }),
    };
    return checkCompatible([memberA, memberB], '3.7.0', { log, http: peers({}, versions) });
  };
  const incompatible = { message: 'incompatible with current running cluster' };
  await t.resolves(check('3.7.0', '3.7.0'));
  await t.resolves(check('3.6.0', null), 'one answer is enough');
  await t.resolves(check('3.7.0', 'not_decided'));
  await t.rejects(check('3.8.0', '3.7.0'), incompatible);
  await t.rejects(check('2.3.0', null), incompatible);
  await t.rejects(check('4.0.0', null), incompatible);
  await t.rejects(check('not_decided', null), incompatible);
  await t.rejects(check('junk', null), incompatible);
  await t.rejects(check(null, null), incompatible);
});

t.test('a cluster of another kind of server is refused by name', async (t) => {
  const http = peers({}, { [A]: version('3.7.0', null) });
  await t.rejects(checkCompatible([memberA], '3.7.0', { log, http }), {
    message:
      `the member at ${A} is another kind of server (etcd 3.7.1): MetaStore cannot join its ` +
      'cluster; copy the data into a new cluster instead',
  });
});

t.test('URLs are compared as sets, with names resolved', async (t) => {
  const addresses: Record<string, string> = { 'a.example': '10.0.0.1', 'b.example': '::1' };
  const resolve = async (host: string) => {
    const address = addresses[host];
    if (address === undefined) {
      throw new Error(`getaddrinfo ENOTFOUND ${host}`);
    }
    return address;
  };
  const compare = (a: string[], b: string[]) => comparePeerUrls(a, b, { log, resolve });
  t.equal(await compare([A, B], [B, A]), null);
  t.equal(await compare(['http://a.example:1'], ['http://10.0.0.1:1']), null);
  t.equal(await compare(['http://b.example:1'], ['http://[::1]:1']), null);
  t.equal(
    await compare(['http://a.example:1'], ['http://10.0.0.1:2']),
    'resolved urls: "http://10.0.0.1:1" != "http://10.0.0.1:2"',
  );
  t.equal(
    await compare(['http://localhost:1'], ['http://127.0.0.1:1']),
    'resolved urls: "http://localhost:1" != "http://127.0.0.1:1"',
  );
  t.equal(
    await compare(['unix://a:1'], ['unix://b:1']),
    'resolved urls: "unix://a:1" != "unix://b:1"',
  );
  t.equal(await compare([A], [A, B]), `len(["${A}"]) != len(["${A}" "${B}"])`);
});

t.test('names that do not resolve are tried again for half a minute', async (t) => {
  const clock = new ManualClock();
  let tries = 0;
  const resolve = async () => {
    tries++;
    throw new Error('ENOTFOUND');
  };
  let outcome: string | null | undefined;
  const done = comparePeerUrls(['http://late.example:1'], [A], { log, resolve, clock }).then(
    (difference) => {
      outcome = difference;
    },
  );
  for (let second = 0; second < 40 && outcome === undefined; second++) {
    await new Promise(setImmediate);
    clock.advance(1000);
  }
  await done;
  t.equal(outcome, 'failed to resolve url: "http://late.example:1" (ENOTFOUND)');
  t.ok(tries >= 29 && tries <= 31, `${tries} tries`);
});

t.test('a name that becomes resolvable in time', async (t) => {
  const clock = new ManualClock();
  let tries = 0;
  const resolve = async () => {
    tries++;
    if (tries < 3) {
      throw new Error('ENOTFOUND');
    }
    return '127.0.0.1';
  };
  const compared = comparePeerUrls(['http://late.example:31911'], [A], { log, resolve, clock });
  for (let second = 0; second < 3; second++) {
    await new Promise(setImmediate);
    clock.advance(1000);
  }
  t.equal(await compared, null);
});
