// Tests of src/cluster/http over real sockets on 127.0.0.1: what is believed of an answer, what an
// error means, and that every question ends.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';

import { bytesOf } from '../../../../src/base/bytes.js';
import * as rpc from '../../../../src/base/proto/messages.js';
import {
  ERROR_HEADER,
  PeerHttp,
  packIntegers,
  unpackIntegers,
} from '../../../../src/cluster/http/client.js';
import { parseExactJson, unsigned64 } from '../../../../src/cluster/http/exact-json.js';
import { resetOrClose } from '../../../support/ports.js';
import { tempDir } from '../../../support/temp-dir.js';

type Handle = (request: IncomingMessage, body: Buffer, response: ServerResponse) => void;

/** A server whose answers a test gives. */
async function serve(handle: Handle, path?: string) {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      handle(request, Buffer.concat(chunks as unknown as Uint8Array[]), response);
    });
  });
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(path, resolve);
  });
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  const port = path === undefined ? (server.address() as AddressInfo).port : 0;
  return { url: `http://127.0.0.1:${port}`, close };
}

const client = new PeerHttp();
t.teardown(() => client.close());

t.test('JSON with ids of 64 bits', async (t) => {
  const text = '{"id":18446744073709551615,"s":"a 12345678901234567 \\"9","n":[1,-2.5e3,7e30]}';
  t.same(parseExactJson(text), {
    id: '18446744073709551615',
    s: 'a 12345678901234567 "9',
    n: [1, -2500, 7e30],
  });
  t.same(parseExactJson('[9007199254740991,9007199254740993]'), [
    9007199254740991,
    '9007199254740993',
  ]);
  t.throws(() => parseExactJson('{'), { name: 'SyntaxError' });
  t.equal(unsigned64(7, 'x'), 7n);
  t.equal(unsigned64('18446744073709551615', 'x'), 2n ** 64n - 1n);
  for (const bad of [-1, 1.5, '18446744073709551616', 'x', null, undefined, {}]) {
    t.throws(() => unsigned64(bad, 'x'), /x is not an unsigned integer/);
  }
});

t.test('members and versions, from the first URL that answers', async (t) => {
  const { url, close } = await serve((request, _body, response) => {
    response.setHeader('X-Etcd-Cluster-ID', '7c6ff28e07bd05e4');
    response.end(
      request.url === '/members'
        ? '[{"id":16152476114211684742,"peerURLs":["http://p"],"name":"m",' +
            '"clientURLs":["http://c"]},' +
            '{"id":1,"peerURLs":null,"isLearner":true}]\n'
        : '{"etcdserver":"3.7.1","etcdcluster":"not_decided","storage":"3.7.0"}',
    );
  });
  const dead = 'http://127.0.0.1:1';
  t.same(await client.fetchMembers([dead, url]), {
    clusterId: 0x7c6ff28e07bd05e4n,
    members: [
      {
        id: 16152476114211684742n,
        name: 'm',
        peerUrls: ['http://p'],
        clientUrls: ['http://c'],
        isLearner: false,
      },
      { id: 1n, name: '', peerUrls: [], clientUrls: [], isLearner: true },
    ],
  });
  t.same(await client.fetchVersion([url]), {
    server: '3.7.1',
    cluster: 'not_decided',
    storage: '3.7.0',
    metastore: null,
  });
  close();
  await t.rejects(client.fetchMembers([dead, url]), {
    name: 'PeerHttpError',
    message: /127\.0\.0\.1:1\/members.*; GET http.*members: /,
  });
});

t.test('answers that are none', async (t) => {
  let answer: [number, string] = [200, ''];
  const { url, close } = await serve((_request, _body, response) => {
    response.writeHead(answer[0]);
    response.end(answer[1]);
  });
  const bodies: [number, string, RegExp][] = [
    [200, '', /JSON/],
    [200, '{}', /not a list/],
    [200, '[7]', /not a JSON object/],
    [200, '[{"id":"x"}]', /id of a member/],
    [200, '[{"id":18446744073709551616}]', /id of a member/],
    [200, '[{"id":1,"peerURLs":[1]}]', /peerURLs/],
    [503, 'try later\n', /answered 503: try later$/],
  ];
  for (const [status, body, message] of bodies) {
    answer = [status, body];
    await t.rejects(client.fetchMembers([url]), { name: 'PeerHttpError', message }, body);
  }
  answer = [200, '{"etcdserver":3}'];
  await t.rejects(client.fetchVersion([url]), { message: /strings/ });
  answer = [200, 'not protobuf'];
  await t.rejects(client.renewLease([url], 1n), { name: 'PeerHttpError' });
  answer = [200, ''];
  await t.rejects(client.renewLease([url], 1n), { message: /not about these leases/ });
  await t.rejects(client.timeToLive([url], 1n, false), { message: /another lease/ });
  await t.rejects(client.fetchMembers([]), { message: /no URL/ });
  for (const odd of ['foo', 'http://h', 'http://h:99999', 'https://h', 'ftp://h:1']) {
    await t.rejects(client.fetchMembers([odd]), { message: /cannot be asked|can be asked/ }, odd);
  }
  for (const odd of ['https://127.0.0.1:1', 'unixs://x']) {
    await t.rejects(client.fetchMembers([odd]), { message: /no TLS towards other members/ }, odd);
  }
  close();
});

t.test('leases', async (t) => {
  const seen: string[] = [];
  const { url, close } = await serve((request, body, response) => {
    if (request.url === '/leases/renewals') {
      response.writeHead(404).end('404 page not found\n');
      return;
    }
    seen.push(`${request.method} ${request.url} ${request.headers['content-type']}`);
    if (request.url === '/leases') {
      const { ID } = rpc.leaseKeepAliveRequest.decode(bytesOf(body));
      if (ID === 404n) response.writeHead(404).end('lease not found\n');
      else if (ID === 400n) response.writeHead(400).end('not a primary lessor\n');
      else response.end(rpc.leaseKeepAliveResponse.encode({ ID, TTL: 60n }));
      return;
    }
    const asked = rpc.leaseInternalRequest.decode(bytesOf(body)).LeaseTimeToLiveRequest;
    if (asked?.ID === 404n) {
      response.writeHead(404).end('404 page not found\n');
      return;
    }
    const keys = asked?.keys ? [Buffer.from('k')] : [];
    response.end(
      rpc.leaseInternalResponse.encode({
        LeaseTimeToLiveResponse: { ID: asked?.ID ?? 0n, TTL: -1n, grantedTTL: 9n, keys },
      }),
    );
  });
  t.equal(await client.renewLease([url], -5n), 60n);
  await t.rejects(client.renewLease([url], 404n), { code: 'LeaseNotFound' });
  await t.rejects(client.renewLease([url], 400n), { message: /400: not a primary lessor/ });
  const found = await client.timeToLive([url], 7n, true);
  t.match(found, { ID: 7n, TTL: -1n, grantedTTL: 9n });
  t.same(found.keys.map(String), ['k']);
  await t.rejects(client.timeToLive([url], 404n, false), { name: 'PeerHttpError' }, 'no such path');
  t.equal(seen[0], 'POST /leases application/protobuf');
  close();
});

t.test('renewals that come together go together', async (t) => {
  const requests: bigint[][] = [];
  let broken = false;
  const { url, close } = await serve((request, body, response) => {
    if (request.url === '/leases') {
      const { ID } = rpc.leaseKeepAliveRequest.decode(bytesOf(body));
      response.end(rpc.leaseKeepAliveResponse.encode({ ID, TTL: 99n }));
      return;
    }
    const ids = unpackIntegers(body) ?? [];
    requests.push(ids);
    if (broken) response.writeHead(400).end('not a primary lessor\n');
    else response.end(packIntegers(ids.map((id) => (id === 13n ? 0n : id + 100n))));
  });
  const ids = Array.from({ length: 5000 }, (_, i) => BigInt(i));
  const ttls = await Promise.all(ids.map((id) => client.renewLease([url], id)));
  t.ok(ttls.every((ttl, i) => ttl === (i === 13 ? 99n : BigInt(i) + 100n)));
  t.same(
    requests.map(({ length }) => length),
    [1, 4096, 903],
  );
  t.equal(await client.renewLease([url], 5n), 105n, 'and again afterwards');
  broken = true;
  await t.rejects(client.renewLease([url], 5n), { message: /not a primary lessor/ });
  close();
  await t.rejects(client.renewLease([url], 5n), { name: 'PeerHttpError' });
});

t.test('promotions', async (t) => {
  let answer: [number, string, Record<string, string>] = [200, '[{"id":5}]', {}];
  let path = '';
  const { url, close } = await serve((request, _body, response) => {
    path = `${request.method} ${request.url}`;
    response.writeHead(answer[0], answer[2]);
    response.end(answer[1]);
  });
  const id = 2n ** 64n - 1n;
  t.match(await client.promote([url], id), [{ id: 5n }]);
  t.equal(path, 'POST /members/promote/18446744073709551615');
  const refusals: [typeof answer, string][] = [
    [[404, 'membership: ID not found\n', {}], 'MemberNotFound'],
    [[412, 'membership: can only promote a learner member\n', {}], 'MemberNotLearner'],
    [
      [412, 'etcdserver: can only promote a learner member which is in sync with leader\n', {}],
      'LearnerNotReady',
    ],
    [
      [500, '{"message":"Internal Server Error"}', { [ERROR_HEADER]: 'NotEnoughStartedMembers' }],
      'NotEnoughStartedMembers',
    ],
  ];
  for (const [reply, code] of refusals) {
    answer = reply;
    await t.rejects(client.promote([url], 5n), { code }, code);
  }
  answer = [500, '{"message":"Internal Server Error"}', { [ERROR_HEADER]: 'Nonsense' }];
  await t.rejects(client.promote([url], 5n), { name: 'PeerHttpError' });
  close();
});

t.test('hashes, and whether a downgrade is under way', async (t) => {
  let asked = '';
  const { url, close } = await serve((request, body, response) => {
    asked = `${request.method} ${request.headers['x-etcd-cluster-id']} ${body.toString()}`;
    if (request.url === '/downgrade/enabled') response.end('true');
    else response.end('{"header":{"revision":3},"hash":7,"compact_revision":-1}');
  });
  t.same(await client.hashKv([url], 2, 0xabn), {
    revision: 3,
    hash: 7,
    compactRevision: -1,
    hashRevision: 0,
  });
  t.equal(asked, 'GET ab {"revision":2}');
  t.equal(await client.downgradeEnabled([url]), true);
  close();
});

t.test('every question ends in time', async (t) => {
  const silent = await serve(() => undefined);
  await t.rejects(client.fetchMembers([silent.url], { timeoutMs: 50 }), {
    message: /no answer within 50 ms/,
  });
  const caller = new AbortController();
  const asked = client.fetchMembers([silent.url], { signal: caller.signal });
  setTimeout(() => caller.abort(), 20);
  await t.rejects(asked, { message: /nobody waits/ });
  await t.rejects(client.fetchMembers([silent.url], { signal: caller.signal }), {
    message: /nobody waits/,
  });
  silent.close();
  const trickle = await serve((_request, _body, response) => {
    const timer = setInterval(() => response.write('x'), 10);
    response.once('close', () => clearInterval(timer));
  });
  await t.rejects(client.fetchMembers([trickle.url], { timeoutMs: 100 }), {
    message: /no answer within/,
  });
  trickle.close();
});

t.test('an answer that is too large, or cut off', async (t) => {
  let cut = false;
  const large = await serve((_request, _body, response) => {
    response.writeHead(200, { 'content-length': String(100 << 20) });
    response.write('x'.repeat(1 << 20));
    if (cut) {
      setTimeout(() => response.destroy(), 20);
      return;
    }
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(1 << 20))) {}
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  await t.rejects(client.fetchMembers([large.url]), { message: /larger than 67108864 bytes/ });
  cut = true;
  await t.rejects(client.fetchMembers([large.url]), { name: 'PeerHttpError' });
  large.close();
});

t.test('no HTTP at all', async (t) => {
  const server = createNetServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await t.rejects(client.fetchMembers([`http://127.0.0.1:${port}`]), { name: 'PeerHttpError' });
  server.close();
});

t.test('a kept connection that the other side has closed is replaced', async (t) => {
  let connections = 0;
  const server = createNetServer((socket) => {
    connections++;
    let requests = 0;
    socket.on('error', () => undefined);
    socket.on('data', () => {
      // The first request is answered, the second meets a closed connection.
      if (++requests === 2) {
        resetOrClose(socket);
        return;
      }
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const own = new PeerHttp();
  t.same((await own.fetchMembers([url])).members, []);
  t.same((await own.fetchMembers([url])).members, []);
  t.equal(connections, 2);
  own.close();
  server.close();
});

t.test('unix sockets', async (t) => {
  const path = join(tempDir('peer-http'), 'sock');
  const { close } = await serve((_request, _body, response) => response.end('[]'), path);
  t.same(await client.fetchMembers([`unix://${path}`]), { clusterId: null, members: [] });
  close();
});
