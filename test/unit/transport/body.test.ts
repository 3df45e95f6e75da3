// Tests of src/transport/body.ts: an answer in pieces goes no faster than it is taken, leaves off
// when nobody takes it any more, and keeps nothing of its waits; a body that is too large is taken
// off the wire for a little while, so that its sender gets to read the answer.

import { PassThrough, Writable } from 'node:stream';
import t from 'tap';

import { readBody, sendPieces } from '../../../src/transport/body.js';

async function* pieces(count: number, made: string[]): AsyncGenerator<string> {
  for (let i = 0; i < count; i += 1) {
    made.push(`${i}`);
    yield `${i}`;
  }
}

t.test('a slow client', async (t) => {
  const taken: string[] = [];
  const made: string[] = [];
  let ahead = 0;
  const out = new Writable({
    highWaterMark: 1,
    write: (chunk, _encoding, done) => {
      ahead = Math.max(ahead, made.length - taken.length);
      setImmediate(() => {
        taken.push(String(chunk));
        done();
      });
    },
  });
  const before = [out.listenerCount('drain'), out.listenerCount('close')];
  let most = 0;
  out.on('newListener', () => {
    most = Math.max(most, out.listenerCount('drain'), out.listenerCount('close'));
  });
  await sendPieces(out, pieces(50, made), new AbortController().signal);
  t.equal(made.length, 50);
  t.same(taken, made, 'each piece, in order');
  t.ok(ahead <= 2, `${ahead} pieces ahead`);
  t.ok(most <= 1, 'a wait leaves nothing behind for the next');
  t.same([out.listenerCount('drain'), out.listenerCount('close')], before);
  t.equal(out.writableEnded, true);
});

t.test('a client that goes away', async (t) => {
  const made: string[] = [];
  const gone = new AbortController();
  const out = new Writable({ highWaterMark: 1, write: () => undefined });
  out.once('close', () => gone.abort());
  const sent = sendPieces(out, pieces(50, made), gone.signal);
  setImmediate(() => out.destroy());
  await sent;
  t.ok(made.length <= 2, `${made.length} pieces were made`);
  t.equal(out.writableEnded, false);
});

t.test('a body that is too large and ends', async (t) => {
  const request = new PassThrough({ highWaterMark: 10 });
  const read = readBody(request, 100);
  let isRead = false;
  void read.then(() => {
    isRead = true;
  });
  for (let i = 0; i < 20; i += 1) {
    if (!request.write(Buffer.alloc(10))) {
      await new Promise<void>((resolve) => request.once('drain', () => resolve()));
    }
    t.equal(isRead, false, `${10 * (i + 1)} bytes: it goes on being taken`);
  }
  const startedMs = performance.now();
  request.end();
  t.equal(await read, null);
  t.ok(performance.now() - startedMs < 400, 'the end is all that is waited for');
});

t.test('a body that is too large and has no end', async (t) => {
  const request = new PassThrough();
  const startedMs = performance.now();
  const read = readBody(request, 100);
  const timer = setInterval(() => request.write(Buffer.alloc(200)), 20);
  t.teardown(() => clearInterval(timer));
  t.equal(await read, null);
  const tookMs = performance.now() - startedMs;
  t.ok(tookMs > 400 && tookMs < 5000, `answered all the same, after ${tookMs.toFixed(0)} ms`);
});

t.test('the sender of a body that is too large goes away', async (t) => {
  const request = new PassThrough();
  const read = readBody(request, 100);
  request.write(Buffer.alloc(200));
  setImmediate(() => request.destroy());
  await t.rejects(read, /went away/);
});
