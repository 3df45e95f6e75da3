// /kv as docs/http.md says it: keys of any bytes, ranges, revisions, leases, what is refused and
// how.

import { request } from 'node:http';
import t, { type Test } from 'tap';

import { engines, type HttpSubject, startSubject } from './support.js';

/** A request whose path goes out as it stands: other clients tidy it up. */
function raw(
  subject: HttpSubject,
  method: string,
  path: string,
  body: Buffer = Buffer.alloc(0),
): Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const { clientPort: port } = subject.member;
    const sent = request({ host: '127.0.0.1', port, method, path, agent: false }, (response) => {
      const chunks: Uint8Array[] = [];
      response.on('data', (chunk: Uint8Array) => chunks.push(chunk));
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, body: Buffer.concat(chunks) });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const encoded = (key: Buffer) => [...key].map((byte) => `%${byte.toString(16).padStart(2, '0')}`);

async function anyBytes(t: Test, subject: HttpSubject): Promise<void> {
  const keys = [
    Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
    Buffer.from([0]),
    Buffer.from([0xff, 0xff]),
    Buffer.from('//a//../b/./c//'),
    Buffer.from('a b+c%?#&='),
    Buffer.from('日本語 é'),
  ];
  for (const key of keys) {
    const path = `/kv/${encoded(key).join('')}`;
    const value = Buffer.concat([Buffer.from([0, 255]), key] as unknown as Uint8Array[]);
    t.equal((await raw(subject, 'PUT', path, value)).status, 200);
    const got = await raw(subject, 'GET', path);
    t.equal(got.status, 200);
    t.equal(got.headers['content-type'], 'application/octet-stream');
    t.ok(got.body.equals(value as unknown as Uint8Array), 'the value comes back');
    const { kvs } = await subject.grpc.range({ key: key as unknown as Uint8Array });
    t.ok(kvs[0]?.value.equals(value as unknown as Uint8Array), 'under the same key for gRPC');
    t.equal((await raw(subject, 'DELETE', path)).status, 200);
    t.equal((await raw(subject, 'GET', path)).status, 404);
  }
  t.comment('slashes and dots that are not encoded belong to the key as well');
  t.equal((await raw(subject, 'PUT', '/kv/x//y/../z/', Buffer.from('v'))).status, 200);
  t.equal((await subject.grpc.get('x//y/../z/'))?.value.toString(), 'v');
  t.equal((await raw(subject, 'PUT', '/kv/a+b', Buffer.from('v'))).status, 200);
  t.equal((await subject.grpc.get('a+b'))?.value.toString(), 'v', 'a plus is a plus');
  t.equal((await subject.fetch('/kv/?prefix', { method: 'DELETE' })).status, 200);
}

async function ranges(t: Test, subject: HttpSubject): Promise<void> {
  for (const key of ['r/a', 'r/b', 'r/c', 's']) await subject.grpc.put(key, key);
  const keysOf = (text: string) =>
    ((JSON.parse(text).kvs ?? []) as { key: string }[]).map(({ key }) =>
      Buffer.from(key, 'base64').toString(),
    );
  const get = async (path: string) => keysOf((await subject.fetch(path)).text);
  t.same(await get('/kv/r%2F?prefix'), ['r/a', 'r/b', 'r/c']);
  t.same(await get('/kv/r%2F?prefix=true&limit=2'), ['r/a', 'r/b']);
  t.same(await get('/kv/r%2Fa?range=r%2Fc'), ['r/a', 'r/b']);
  t.same(await get('/kv/r%2Fb?range=%00'), ['r/b', 'r/c', 's']);
  t.ok((await get('/kv/?prefix')).includes('s'), 'the empty prefix is everything');
  const one = await subject.fetch('/kv/r%2Fa?prefix=false');
  t.equal(one.text, 'r/a', 'prefix=false is one key');
  const local = await subject.fetch('/kv/r%2Fa?serializable');
  t.equal(local.text, 'r/a');
  const deleted = await subject.fetch('/kv/r%2F?prefix', { method: 'DELETE' });
  t.match(deleted.json(), { deleted: '3' });
  t.equal(deleted.headers.get('content-type'), 'application/json');
  await subject.grpc.put('\xff\xff', 'last');
  t.ok((await subject.fetch('/kv/%c3%bf?prefix')).text.includes('kvs'));
}

async function refusals(t: Test, subject: HttpSubject): Promise<void> {
  const answer = async (path: string, init: RequestInit = {}) => {
    const { status, text } = await subject.fetch(path, init);
    return [status, JSON.parse(text)];
  };
  t.same(await answer('/kv/nosuch'), [404, { code: 5, message: 'key not found' }]);
  t.same(await answer('/kv/'), [400, { code: 3, message: 'etcdserver: key is not provided' }]);
  t.same(await answer('/kv/a?rev=x'), [400, { code: 3, message: 'invalid rev: "x"' }]);
  t.same(await answer('/kv/a?limit=1.5'), [400, { code: 3, message: 'invalid limit: "1.5"' }]);
  t.same(await answer('/kv/a?rev=999999'), [
    400,
    { code: 11, message: 'etcdserver: mvcc: required revision is a future revision' },
  ]);
  t.same(await answer('/kv/a?lease=99', { method: 'PUT', body: 'x' }), [
    404,
    { code: 5, message: 'etcdserver: requested lease not found' },
  ]);
  t.same(await answer('/kv/a?prefix', { method: 'PUT', body: 'x' }), [
    400,
    { code: 3, message: 'a range cannot be put' },
  ]);
  t.same((await raw(subject, 'GET', '/kv/%zz')).status, 400);
  t.same((await raw(subject, 'GET', '/kv/a%2')).status, 400);
  const wrong = await subject.fetch('/kv/a', { method: 'POST', body: 'x' });
  t.equal(wrong.status, 405);
  t.equal(wrong.headers.get('allow'), 'GET, HEAD, PUT, DELETE');
  t.equal((await subject.fetch('/kv/a', { method: 'OPTIONS' })).status, 200);
  t.equal((await subject.fetch('/kv')).status, 404);
  const timeout = await subject.fetch('/kv/a', { headers: { 'grpc-timeout': '-1S' } });
  t.equal(timeout.status, 504);
}

async function sizes(t: Test, subject: HttpSubject): Promise<void> {
  const put = (size: number) =>
    subject.fetch('/kv/big', { method: 'PUT', body: Buffer.alloc(size, 'x').toString() });
  t.equal((await put(1_500_000)).status, 200);
  t.equal((await subject.fetch('/kv/big')).text.length, 1_500_000);
  const large = await put(1_700_000);
  t.same([large.status, large.json().message], [400, 'etcdserver: request is too large']);
  const larger = await put(5_000_000);
  t.equal(larger.status, 429);
  t.match(String(larger.json().message), /^grpc: received message larger than max \(5000000 vs\. /);
  t.equal((await subject.grpc.get('big'))?.value.length, 1_500_000, 'nothing was written');
  const empty = await subject.fetch('/kv/empty', { method: 'PUT' });
  t.equal(empty.status, 200);
  t.equal((await subject.fetch('/kv/empty')).text, '', 'an empty value is one');
  const head = await subject.fetch('/kv/big', { method: 'HEAD' });
  t.same([head.status, head.text, head.headers.get('content-length')], [200, '', '1500000']);
}

t.setTimeout(300_000);
for (const engine of engines) {
  t.test(engine, async (t) => {
    const subject = await startSubject(t, engine);
    await t.test('keys and values of any bytes', (t) => anyBytes(t, subject));
    await t.test('ranges and prefixes', (t) => ranges(t, subject));
    await t.test('refusals', (t) => refusals(t, subject));
    await t.test('sizes', (t) => sizes(t, subject));
  });
}
