// Tests of src/api/peer: statuses, headers and bodies of the peer port's HTTP endpoints, as members
// and tools know them. The member is a double.

import t from 'tap';

import { type PeerParts, peerRouter } from '../../../../src/api/peer/router.js';
import { bytesOf } from '../../../../src/base/bytes.js';
import type { HttpHandler, HttpRequest, HttpResponse } from '../../../../src/base/call.js';
import { ErrorTable, MetaStoreError } from '../../../../src/base/errors.js';
import { createLogger } from '../../../../src/base/log/logger.js';
import * as rpc from '../../../../src/base/proto/messages.js';
import { packIntegers, unpackIntegers } from '../../../../src/cluster/http/client.js';
import { Membership } from '../../../../src/cluster/membership.js';
import type { Member } from '../../../../src/server/member.js';
import { nobody } from '../../../../src/server/serving/caller.js';
import { nativeErrorRows } from '../../../support/fakes/native-errors.js';

interface Script {
  linearizable?: string;
  hashKv?: string;
  promote?: string;
  /** What tokens are answered with; everybody passes without. */
  tokens?: Readonly<Record<string, string | undefined>>;
  lease?: string;
}

const aClient = {
  peer: '127.0.0.1:5',
  secure: false,
  commonName: null,
  async *chunks() {},
};

/** Sends `METHOD url`; an error for a body is a client that goes away in it. */
function asking(handle: HttpHandler) {
  return (
    line: string,
    body: Buffer | string | Error = '',
    headers: HttpRequest['headers'] = {},
  ): Promise<HttpResponse> => {
    const [method = '', url = ''] = line.split(' ');
    return handle({
      method,
      url,
      headers,
      ...aClient,
      signal: new AbortController().signal,
      body: async (limit) => {
        if (body instanceof Error) throw body;
        const bytes = typeof body === 'string' ? Buffer.from(body) : body;
        return bytes.length > limit ? null : bytes;
      },
    });
  };
}

function made(script: Script = {}) {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger(
    { level: 'info', format: 'json', outputs: [] },
    { write: (line) => lines.push(JSON.parse(String(line))), close: () => undefined },
  );
  const membership = new Membership();
  membership.add(2n ** 64n - 1n, { name: 'a', peerUrls: ['http://p:1'], isLearner: false });
  membership.add(7n, { name: '', peerUrls: ['http://p:2?a&b'], isLearner: true });
  membership.setAttributes(2n ** 64n - 1n, 'a', ['http://c:1']);
  membership.setVersion('3.7.0');
  const orThrow = async <T>(code: string | undefined, value: T): Promise<T> => {
    if (code !== undefined) throw MetaStoreError.named(code);
    return value;
  };
  const asked: unknown[] = [];
  const member = {
    membership,
    clusterId: 0xabcn,
    errors: new ErrorTable(nativeErrorRows()),
    linearizable: () => orThrow(script.linearizable, undefined),
    execute: (method: string, request: Buffer) => {
      asked.push([method, rpc.hashKvRequest.decode(bytesOf(request)).revision]);
      const reply = { header: { revision: 3n }, hash: 9, compact_revision: -1n, hash_revision: 2n };
      return orThrow(script.hashKv, rpc.hashKvResponse.encode(reply));
    },
  } as unknown as Member;
  const operations: PeerParts['operations'] = {
    promote: (id, _signal, token) => {
      asked.push(token === null ? id : [id, token]);
      return orThrow(script.promote, membership.list());
    },
  };
  const leases: PeerParts['leases'] = {
    renewManyHere: (ids) =>
      orThrow(
        script.lease,
        ids.map((id) => (id < 0n ? 60n : 0n)),
      ),
    renewHere: (id) => {
      asked.push(id);
      return orThrow(script.lease, 60n);
    },
    timeToLiveHere: (ID, keys) => {
      const found = keys ? [Buffer.from('k')] : [];
      return orThrow(script.lease, { ID, TTL: 5n, grantedTTL: 60n, keys: found });
    },
  };
  const access: PeerParts['access'] = {
    requireAdmin: (context) => {
      const token = context.metadata('authorization') ?? 'none';
      return orThrow(script.tokens?.[token], nobody);
    },
  };
  const handle = peerRouter({ member, operations, leases, access, log });
  return { ask: asking(handle), asked, lines };
}

const plain = {
  'content-type': 'text/plain; charset=utf-8',
  'x-content-type-options': 'nosniff',
};
const cluster = { 'x-etcd-cluster-id': 'abc' };
const json = { 'content-type': 'application/json' };

t.test('members and version', async (t) => {
  const { ask } = made();
  t.same(await ask('GET /members'), {
    status: 200,
    headers: { ...json, ...cluster },
    body:
      '[{"id":7,"peerURLs":["http://p:2?a\\u0026b"],"isLearner":true},' +
      '{"id":18446744073709551615,"peerURLs":["http://p:1"],"name":"a",' +
      '"clientURLs":["http://c:1"]}]\n',
  });
  const version = await ask('GET /version');
  t.equal(version.body, '{"etcdserver":"3.7.1","etcdcluster":"3.7.0","storage":"3.7.0"}');
  t.match(version.headers, { ...json, 'x-metastore-version': /^\d/ });
  t.equal((await ask('GET /version?x=y')).status, 200);
});

t.test('wrong methods and unknown paths', async (t) => {
  const { ask } = made();
  const refused = { status: 405, body: 'Method Not Allowed\n' };
  for (const path of ['/members', '/version', '/members/hashkv', '/downgrade/enabled']) {
    t.same(await ask(`POST ${path}`), { ...refused, headers: { ...plain, allow: 'GET' } }, path);
  }
  t.same(await ask('GET /members/promote/1'), {
    ...refused,
    headers: { ...plain, allow: 'POST' },
  });
  t.same(await ask('GET /leases'), { ...refused, headers: plain });
  t.same(await ask('PUT /leases/internal'), { ...refused, headers: plain });
  for (const path of ['/', '/health', '/metrics', '/members/', '/leases/', '/rafts', '/toString']) {
    const answer = await ask(`GET ${path}`);
    t.same(answer, { status: 404, headers: plain, body: '404 page not found\n' }, path);
  }
});

t.test('promotions', async (t) => {
  const { ask, asked } = made();
  const answer = await ask('POST /members/promote/18446744073709551615');
  t.match(answer, { status: 200, headers: { ...json, ...cluster }, body: /^\[\{"id":7,.*\]\n$/ });
  t.same(asked, [2n ** 64n - 1n]);
  for (const id of ['abc', '', '-1', '18446744073709551616', '1/2']) {
    t.same(await ask(`POST /members/promote/${id}`), {
      status: 404,
      headers: { ...plain, ...cluster },
      body: `member ${id} not found in cluster\n`,
    });
  }
  t.equal(asked.length, 1);
  const errors: [string, number, string][] = [
    ['MemberNotFound', 404, 'membership: ID not found\n'],
    ['MemberNotLearner', 412, 'membership: can only promote a learner member\n'],
    [
      'LearnerNotReady',
      412,
      'etcdserver: can only promote a learner member which is in sync with leader\n',
    ],
    ['NotEnoughStartedMembers', 500, '{"message":"Internal Server Error"}'],
    ['NoLeader', 500, '{"message":"Internal Server Error"}'],
  ];
  for (const [promote, status, body] of errors) {
    const reply = await made({ promote }).ask('POST /members/promote/7');
    t.match(reply, { status, body, headers: cluster }, promote);
  }
  const named = await made({ promote: 'NoLeader' }).ask('POST /members/promote/7');
  t.equal(named.headers['x-metastore-error'], 'NoLeader');
});

t.test('with authentication a promotion wants the token of an administrator', async (t) => {
  const { ask, asked } = made({ tokens: { none: 'UserEmpty', ann: 'PermissionDenied' } });
  const path = 'POST /members/promote/7';
  for (const [headers, error] of [
    [{}, 'UserEmpty'],
    [{ authorization: 'ann' }, 'PermissionDenied'],
  ] as const) {
    const refused = await ask(path, '', headers);
    t.match(refused, { status: 500, body: '{"message":"Internal Server Error"}' });
    t.equal(refused.headers['x-metastore-error'], error);
  }
  t.same(asked, []);
  t.match(await ask(path, '', { authorization: 'Bearer root' }), { status: 200 });
  t.same(asked, [[7n, 'root']], 'the leader is shown the token too');
});

t.test('hashes', async (t) => {
  const { ask, asked } = made();
  const ok = {
    status: 200,
    headers: { ...json, ...cluster },
    body: '{"header":{"revision":3},"hash":9,"compact_revision":-1,"hash_revision":2}',
  };
  const get = 'GET /members/hashkv';
  t.same(await ask(get, '{"revision":2}'), ok);
  t.same(await ask(get, 'null', { 'x-etcd-cluster-id': 'abc' }), ok);
  t.same(await ask(get, '{"revision":-9223372036854775808}'), ok);
  t.same(asked, [
    ['HashKv', 2n],
    ['HashKv', 0n],
    ['HashKv', -(2n ** 63n)],
  ]);
  const bad = ['', '[]', '7', '{"revision":"1"}', '{"revision":1.5}', '{"revision":null}'];
  for (const body of [...bad, '{"revision":9223372036854775808}', '{"revision":']) {
    const refused = { status: 400, headers: plain, body: 'error unmarshalling request\n' };
    t.same(await ask(get, body), refused, body);
  }
  t.match(await ask(get, new Error('gone')), { status: 400, body: 'error reading body\n' });
  t.match(await ask(get, 'x'.repeat(70_000)), { status: 400, body: 'error reading body\n' });
  t.same(await ask(get, '', { 'x-etcd-cluster-id': '12' }), {
    status: 412,
    headers: plain,
    body: 'cluster ID mismatch\n',
  });
  t.match(await made({ hashKv: 'Compacted' }).ask(get, '{}'), {
    status: 400,
    body: 'mvcc: required revision has been compacted\n',
  });
  t.match(await made({ hashKv: 'FutureRevision' }).ask(get, '{}'), {
    status: 400,
    body: 'mvcc: required revision is a future revision\n',
  });
});

t.test('leases', async (t) => {
  const { ask, asked } = made();
  const renew = rpc.leaseKeepAliveRequest.encode({ ID: -5n });
  const renewed = await ask('POST /leases', renew);
  t.match(renewed, { status: 200, headers: { 'content-type': 'application/protobuf' } });
  const reply = rpc.leaseKeepAliveResponse.decode(bytesOf(renewed.body as Buffer));
  t.match(reply, { ID: -5n, TTL: 60n, header: null });
  t.match(await ask('POST /leases', ''), { status: 200 }, 'an empty body names lease 0');
  t.same(asked, [-5n, 0n]);
  const look = rpc.leaseInternalRequest.encode({ LeaseTimeToLiveRequest: { ID: 5n, keys: true } });
  const found = await ask('POST /leases/internal', look);
  const { LeaseTimeToLiveResponse: ttl } = rpc.leaseInternalResponse.decode(
    bytesOf(found.body as Buffer),
  );
  t.match(ttl, { ID: 5n, TTL: 5n, grantedTTL: 60n });
  t.equal(ttl?.keys.length, 1);
  t.not(ttl?.header, null, 'other members expect a header, empty or not');
  t.match(await ask('POST /leases/internal', ''), {
    status: 400,
    body: 'error unmarshalling request\n',
  });
  t.match(await ask('POST /leases', 'xxx'), { status: 400, body: 'error unmarshalling request\n' });
  t.match(await ask('POST /leases', new Error('gone')), {
    status: 400,
    body: 'error reading body\n',
  });
  t.match(await ask('POST /leases', 'x'.repeat(65_537)), {
    status: 413,
    headers: { connection: 'close' },
    body: 'request body too large\n',
  });
  const many = await ask('POST /leases/renewals', packIntegers([-5n, 7n, -(2n ** 63n)]));
  t.same(unpackIntegers(many.body as Buffer), [60n, 0n, 60n]);
  t.match(await ask('POST /leases/renewals', 'half of one'), { status: 400 });
  t.match(await ask('GET /leases/renewals'), { status: 405 });
  const errors: [string, number, string][] = [
    ['LeaseNotFound', 404, 'lease not found\n'],
    ['NotPrimaryLessor', 400, 'not a primary lessor\n'],
    ['TimeoutWaitApplied', 408, 'waiting for node to catch up its applied index has timed out\n'],
  ];
  for (const [lease, status, body] of errors) {
    const refused = { status, body, headers: plain };
    t.same(await made({ lease }).ask('POST /leases', renew), refused);
    t.same(await made({ lease }).ask('POST /leases/internal', look), refused);
  }
});

t.test('whether a downgrade is under way', async (t) => {
  t.same(await made().ask('GET /downgrade/enabled'), {
    status: 200,
    headers: { 'content-type': 'text/plain', ...cluster },
    body: 'false',
  });
  t.same(await made({ linearizable: 'Timeout' }).ask('GET /downgrade/enabled'), {
    status: 500,
    headers: { ...plain, ...cluster },
    body: 'failed linearized read: etcdserver: request timed out\n',
  });
});

t.test("etcd's members are refused with a text that says why, and one warning each", async (t) => {
  const { ask, lines } = made();
  const from = (id: string) => ({ 'x-server-from': id, 'x-server-version': '3.7.1' });
  for (const line of ['GET /raft/stream/message/1', 'POST /raft', 'GET /raft/probing']) {
    t.match(await ask(line, '', from('1')), { status: 404, body: /MetaStore member/ }, line);
  }
  await ask('POST /raft', '', from('2'));
  t.same(
    lines.map((line) => [line.level, line['remote-peer-id'], line['remote-version']]),
    [
      ['warn', '1', '3.7.1'],
      ['warn', '2', '3.7.1'],
    ],
  );
  for (let i = 0; i < 1000; i++) {
    await ask('POST /raft', '', from(`x${i}`));
  }
  t.equal(lines.length, 100, 'no more than that, whatever they call themselves');
});
