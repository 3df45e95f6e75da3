// JSON translated in the second isolate: the same bytes, texts and errors as at once; its order and
// bounds, and clients that go.

import { PassThrough } from 'node:stream';
import t, { type Test } from 'tap';

import { decodeJson } from '../../../../../src/api/http/gateway/json/decode.js';
import { encodeJson } from '../../../../../src/api/http/gateway/json/encode.js';
import { resultLine } from '../../../../../src/api/http/gateway/json/lines.js';
import { bodyLimits, firstMessage } from '../../../../../src/api/http/gateway/requests.js';
import { gatewayRoutes, type Route } from '../../../../../src/api/http/gateway/routes.js';
import { JsonCodec, SMALL_BYTES } from '../../../../../src/api/http/transcoder/codec.js';
import type { TranscoderOptions } from '../../../../../src/api/http/transcoder/transcoder.js';
import { methodTypes } from '../../../../../src/base/proto/codec.js';
import { sendPieces } from '../../../../../src/transport/body.js';
import { RecordingLog } from './support.js';

const routes = gatewayRoutes();
function routeOf(path: string): Route {
  const route = routes.get(`/v3/${path}`);
  if (route === undefined) throw new Error(`no route ${path}`);
  return route;
}
const put = routeOf('kv/put');
const txn = routeOf('kv/txn');
const range = routeOf('kv/range');
const watch = routeOf('watch');

const nobodyGoes = new AbortController().signal;
const base64 = (length: number): string => Buffer.alloc(length, 'v').toString('base64');
/** A body of a put whose value has a length; the key tells which one it is. */
const putBody = (key: number, length: number): Buffer =>
  Buffer.from(`{"key":"${Buffer.from(`k${key}`).toString('base64')}","value":"${base64(length)}"}`);

function open(t: Test, options: Partial<TranscoderOptions> = {}) {
  const log = new RecordingLog();
  const codec = new JsonCodec(bodyLimits(8 << 20), log, options);
  t.teardown(() => codec.stop());
  return { codec, log };
}

/** A reply to a Range with some keys. */
function rangeReply(keys: number, valueBytes: number): Buffer {
  const { response } = methodTypes('etcdserverpb.KV.Range');
  const value = Buffer.alloc(valueBytes, '<é>');
  const kvs = Array.from({ length: keys }, (_, i) => ({ key: Buffer.from(`k${i}`), value }));
  const message = response.fromObject({ header: { revision: '7' }, kvs, count: String(keys) });
  return response.encode(message).finish() as Buffer;
}

async function textOf(body: string | Buffer | AsyncIterable<Buffer>): Promise<string> {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return String(body);
  const parts: Buffer[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts as unknown as Uint8Array[]).toString();
}

t.test('requests are the same as at once', async (t) => {
  const { codec } = open(t);
  const operation = `{"requestPut":{"key":"Zm9v","value":"${base64(64)}","lease":"7"}}`;
  const bodies: [Route, string][] = [
    [put, String(putBody(1, 1_000_000))],
    [put, ` \n{"key":"Zm9v","value":"${base64(500_000)}"} and more`],
    [txn, `{"compare":[],"success":[${Array(10_000).fill(operation).join()}]}`],
    [range, `{"key":"Zm9v","é日本":"${'é'.repeat(100_000)}","limit":5}`],
    [range, ' '.repeat(SMALL_BYTES + 1)],
  ];
  for (const [route, body] of bodies) {
    const expected = firstMessage(route.request, Buffer.from(body));
    const found = await codec.request(route, Buffer.from(body), nobodyGoes);
    t.ok(found.equals(expected as unknown as Uint8Array), `${route.method}: ${found.length} bytes`);
    const text = Buffer.from(body).toString('latin1').replace(' and more', '').trimStart();
    if (text !== '') {
      const value = await codec.value(route, text, nobodyGoes);
      t.ok(value.equals(decodeJson(route.request, text) as unknown as Uint8Array), 'as a value');
    }
  }
});

t.test('what is wrong with a body is said in the same words', async (t) => {
  const { codec } = open(t);
  const long = 'y'.repeat(SMALL_BYTES);
  const bodies = [
    `{"x":"${long}",\n"key":5}`,
    `{"x":"${long}"`,
    `{"x":"${long}"}}`.replace('}}', ']'),
    `{"x":"${long}","key":"Zm9v","key":"Zm9v"}`,
    `{"x":"${long}\xff"}`,
    `[${long}]`,
    `${'['.repeat(SMALL_BYTES + 10)}`,
  ];
  for (const body of bodies) {
    const bytes = Buffer.from(body, 'latin1');
    let expected = 'nothing is wrong';
    try {
      firstMessage(range.request, Buffer.from(bytes as unknown as Uint8Array));
    } catch (error) {
      expected = (error as Error).message;
    }
    await t.rejects(codec.request(range, bytes, nobodyGoes), {
      name: 'JsonProblem',
      message: expected,
    });
  }
});

t.test('answers are the same as at once', async (t) => {
  const { codec } = open(t);
  const replies = [rangeReply(1, 5), rangeReply(1000, 100), rangeReply(60_000, 20)];
  for (const reply of [...replies, rangeReply(3, 2_000_000), rangeReply(0, 0)]) {
    const expected = encodeJson(range.response, reply);
    const before = Buffer.from(reply as unknown as Uint8Array);
    t.equal(await textOf(await codec.answer(range, reply, nobodyGoes)), expected);
    t.equal(await textOf(await codec.whole(range, reply, nobodyGoes)), expected);
    t.ok(reply.equals(before as unknown as Uint8Array), 'the reply itself is left as it is');
  }
  const { response } = methodTypes('etcdserverpb.Watch.Watch');
  const events = [{ kv: { key: Buffer.from('<k>'), value: Buffer.alloc(3_000_000, 'v') } }];
  const message = response.encode(response.fromObject({ events })).finish() as Buffer;
  const line = await codec.line(watch, message, nobodyGoes);
  t.ok(Buffer.isBuffer(line));
  t.equal(String(line), resultLine(watch.response, message));
  t.type(await codec.line(watch, Buffer.alloc(0), nobodyGoes), 'string', 'small ones at once');
  const broken = Buffer.alloc(SMALL_BYTES + 1, 0x0a);
  t.throws(() => encodeJson(range.response, broken), { message: /^a reply/ });
  await t.rejects(codec.whole(range, broken, nobodyGoes), { message: /^a reply/ });
});

t.test('the first isolate goes on meanwhile', async (t) => {
  const { codec } = open(t);
  await codec.request(put, putBody(0, SMALL_BYTES), nobodyGoes);
  const body = Buffer.from(`{"compare":[${'{},'.repeat(1_500_000)}{}]}`);
  let longest = 0;
  let turns = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
    turns += 1;
  }, 1);
  const started = performance.now();
  await codec.request(txn, body, nobodyGoes);
  const took = performance.now() - started;
  clearInterval(timer);
  t.ok(turns >= 10, `${turns} turns in ${took.toFixed(0)} ms`);
  t.ok(longest < took / 2, `the longest of ${longest.toFixed(0)} ms`);
});

t.test('work is done in its order, and only so much waits', async (t) => {
  const { codec } = open(t, { waitingMax: 4, waitingMaxBytes: 3_000_000 });
  const done: number[] = [];
  const ask = (key: number, length: number) =>
    codec.request(put, putBody(key, length), nobodyGoes).then(() => done.push(key));
  const first = [ask(1, 100_000), ask(2, 90_000), ask(3, 80_000), ask(4, 70_000), ask(5, 60_000)];
  await t.rejects(ask(6, 60_000), { code: 'TooManyRequests' }, 'too many wait');
  const large = rangeReply(1, 200_000);
  await t.rejects(codec.answer(range, large, nobodyGoes), { code: 'TooManyRequests' });
  const written = codec.answer(txn, rangeReply(1, 300_000), nobodyGoes).then(textOf);
  t.match(await written, /^\{.*\}$/s, 'what has changed something is answered');
  await Promise.all(first);
  t.same(done, [1, 2, 3, 4, 5]);
  const bytes = [ask(7, 900_000), ask(8, 900_000), ask(9, 900_000)];
  await t.rejects(ask(10, 900_000), { code: 'TooManyRequests' }, 'too many bytes wait');
  await Promise.all(bytes);
  await ask(11, 5_000_000);
  t.same(done.slice(5), [7, 8, 9, 11], 'a large one alone is taken');
});

t.test('a client that goes is forgotten', async (t) => {
  const { codec, log } = open(t);
  const clients = Array.from({ length: 5 }, () => new AbortController());
  const asked = clients.map(({ signal }, key) =>
    codec.request(put, putBody(key, 300_000), signal).then(
      () => 'done',
      (error: { code: string }) => error.code,
    ),
  );
  clients[0]?.abort();
  clients[2]?.abort();
  const canceled = 'ContextCanceled';
  t.same(await Promise.all(asked), [canceled, 'done', canceled, 'done', 'done']);
  await t.rejects(codec.request(put, putBody(0, 300_000), clients[0]?.signal ?? nobodyGoes), {
    code: canceled,
  });

  t.comment('in the middle of an answer, before it, and without ever reading it');
  const reply = rangeReply(20_000, 100);
  const reader = new AbortController();
  const body = await codec.answer(range, reply, reader.signal);
  const pieces = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  t.equal((await pieces.next()).done, false);
  reader.abort();
  await t.rejects(
    (async () => {
      while ((await pieces.next()).done !== true);
    })(),
  );
  await codec.answer(range, reply, reader.signal).then(
    () => t.fail('taken for nobody'),
    (error) => t.equal(error.code, canceled),
  );
  const left = await codec.answer(range, reply, nobodyGoes);
  const out = new PassThrough();
  const gone = new AbortController();
  gone.abort();
  await sendPieces(out, left as AsyncIterable<Buffer>, gone.signal);
  t.equal(
    await textOf(await codec.answer(range, reply, nobodyGoes)),
    encodeJson(range.response, reply),
  );
  t.same(log.errors, []);
});
