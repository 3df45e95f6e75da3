// Tests of src/transport/body.ts: an answer in pieces goes no faster than it is taken, leaves off
// when nobody takes it any more, and keeps nothing of its waits.

import { Writable } from 'node:stream';
import t from 'tap';

import { sendPieces } from '../../../src/transport/body.js';

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
