// The second isolate's ends: by a failure of its own, by a heap that is too large, for want of
// work, and with the server. What is under way fails with a clear error; the next one goes on.

import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';

import { encodeJson } from '../../../../../src/api/http/gateway/json/encode.js';
import { gatewayRoutes } from '../../../../../src/api/http/gateway/routes.js';
import {
  Transcoder,
  type TranscoderOptions,
} from '../../../../../src/api/http/transcoder/transcoder.js';
import { methodTypes } from '../../../../../src/base/proto/codec.js';
import { RecordingLog } from './support.js';

const real = new URL('../../../../../src/api/http/transcoder/worker.js', import.meta.url);
const nobodyGoes = new AbortController().signal;
const method = '/etcdserverpb.KV/Range';

function open(t: Test, options: Partial<TranscoderOptions> = {}) {
  const log = new RecordingLog();
  const bounds = { waitingMax: 100, waitingMaxBytes: 1e9, heapMiB: 512, idleMs: 60_000 };
  const transcoder = new Transcoder({ ...bounds, program: real, ...options }, log);
  t.teardown(() => transcoder.stop());
  const translate = (text: string) =>
    transcoder.translate(
      { kind: 'decode', form: 'body', method, bytes: new Uint8Array(Buffer.from(text)) },
      { signal: nobodyGoes, refusable: true },
    );
  return { log, transcoder, translate };
}

/** An isolate that ends at a message with an X, and otherwise gives its bytes back. */
function fragile(end: string): URL {
  const program = `import { parentPort } from 'node:worker_threads';
    parentPort.on('message', ({ id, bytes }) => {
      if (Buffer.from(bytes).includes('X')) { ${end} }
      else parentPort.postMessage({ kind: 'done', id, bytes });
    });`;
  return new URL(`data:text/javascript,${encodeURIComponent(program)}`);
}

const outcome = (asked: Promise<Buffer>): Promise<string> =>
  asked.then(String, (error: { code: string }) => error.code);

t.test('it is started at the first work, and ends by itself', async (t) => {
  for (const end of ['process.exit(3);', "throw new Error('broken');"]) {
    const { log, transcoder, translate } = open(t, { program: fragile(end) });
    t.notOk(transcoder.running);
    const asked = ['a', 'X', 'b', 'X', 'c'].map((text) => outcome(translate(text)));
    t.ok(transcoder.running);
    t.same(await Promise.all(asked), ['a', 'Internal', 'b', 'Internal', 'c'], end);
    t.equal(log.errors.length, 2);
    t.match(log.errors[0], /JSON for the gateway has ended: Error: (?:broken|.*exit code 3)/);
  }
  const never = open(t, { program: new URL('data:text/javascript,process.exit(1)') });
  const asked = ['a', 'b', 'c'].map((text) => outcome(never.translate(text)));
  t.same(
    await Promise.all(asked),
    ['Internal', 'Internal', 'Internal'],
    'not one that never works',
  );
  await t.rejects(never.translate('d'), { code: 'Internal', message: /^the gateway lost / });
});

t.test('a heap that grows too large ends it, not the process', async (t) => {
  const grows = 'const kept = []; for (;;) kept.push({ id, kept: [kept.length] });';
  const { log, translate } = open(t, { heapMiB: 24, program: fragile(grows) });
  const asked = ['a', 'X', 'b'].map((text) => outcome(translate(text)));
  t.same(await Promise.all(asked), ['a', 'Internal', 'b']);
  t.match(log.errors, [/memory limit/]);
});

t.test('an answer of which a part has gone breaks off', async (t) => {
  const { response } = methodTypes('etcdserverpb.KV.Range');
  const kvs = Array.from({ length: 30_000 }, () => ({
    key: Buffer.alloc(20),
    value: Buffer.alloc(9),
  }));
  const reply = response.encode(response.fromObject({ kvs })).finish();
  const order = { kind: 'encode', form: 'pieces', method } as const;
  const { transcoder } = open(t);
  const options = { signal: nobodyGoes, refusable: true };
  const pieces = await transcoder.pieces({ ...order, bytes: new Uint8Array(reply) }, options);
  let text = String((await pieces.next()).value);
  await transcoder.stop();
  await t.rejects(
    (async () => {
      for await (const piece of pieces) text += String(piece);
    })(),
  );
  const shape = gatewayRoutes().get('/v3/kv/range')?.response;
  if (shape === undefined) throw new Error('no such route');
  t.ok(encodeJson(shape, reply as Buffer).startsWith(text), 'what has gone was right');
});

t.test('without work it is let go, but not while an answer is under way', async (t) => {
  const { log, transcoder, translate } = open(t, { idleMs: 200 });
  await translate('{}');
  t.ok(transcoder.running);
  for (let tries = 0; transcoder.running && tries < 100; tries += 1) await sleep(50);
  t.notOk(transcoder.running);
  t.equal(await outcome(translate('{"key":"Zm9v"}')), '\n\x03foo', 'and started again');

  const { response } = methodTypes('etcdserverpb.KV.Range');
  const kvs = Array.from({ length: 30_000 }, () => ({ key: Buffer.alloc(20) }));
  const reply = new Uint8Array(response.encode(response.fromObject({ kvs })).finish());
  const order = { kind: 'encode', form: 'pieces', method, bytes: reply } as const;
  const pieces = await transcoder.pieces(order, { signal: nobodyGoes, refusable: true });
  await pieces.next();
  await sleep(600);
  t.ok(transcoder.running);
  let rest = 0;
  for await (const piece of pieces) rest += piece.length;
  t.ok(rest > 0, `${rest} bytes after a long pause`);
  t.same(log.errors, []);
});

t.test('it ends with the server', async (t) => {
  const { log, transcoder, translate } = open(t);
  const asked = Array.from({ length: 20 }, () => outcome(translate(`{"x":"${'y'.repeat(3e5)}"}`)));
  await transcoder.stop();
  t.notOk(transcoder.running);
  t.same(new Set(await Promise.all(asked)), new Set(['Stopped']));
  await t.rejects(translate('{}'), { code: 'Stopped' });
  t.same(log.errors, []);
});
