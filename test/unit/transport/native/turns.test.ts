// Slices of what the plane tells: in order, a bounded part a turn, all of it at a flush.
// A turn of the event loop takes a slice, so that other clients get theirs.

import t from 'tap';

import { EventTurns } from '../../../../src/transport/native/turns.js';

/** A record of the border with this many bytes behind its length. */
function record(bytes: number, mark: number): Buffer {
  const made = Buffer.alloc(4 + bytes, mark);
  made.writeUInt32LE(bytes);
  return made;
}

const concat = (parts: readonly Buffer[]) => Buffer.concat(parts as unknown as Uint8Array[]);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

t.test('a little is dealt with at once', (t) => {
  const seen: number[] = [];
  const turns = new EventTurns((records) => seen.push(records.length));
  turns.push(concat([record(10, 1), record(20, 2)]));
  t.same(seen, [38]);
  t.end();
});

t.test('much takes several turns, in order, whole records each', async (t) => {
  const seen: Buffer[] = [];
  const turns = new EventTurns((records) => seen.push(records));
  const all = concat(Array.from({ length: 500 }, (_, i) => record(1000, i % 251)));
  const late = record(5, 7);
  turns.push(all);
  turns.push(late);
  t.equal(seen.length, 1, 'one slice before it returns');
  for (let i = 0; i < 20 && concat(seen).length < all.length + late.length; i++) {
    const before = seen.length;
    await turn();
    t.ok(seen.length <= before + 1, 'one a turn');
  }
  t.equal(concat(seen).compare(concat([all, late]) as never), 0);
  t.ok(seen.every((slice) => slice.length <= 128 << 10 && slice.length % 1004 <= 9));
});

t.test('a record that is larger than a slice is one', (t) => {
  const seen: number[] = [];
  const turns = new EventTurns((records) => seen.push(records.length));
  turns.push(concat([record(1 << 20, 1), record(10, 2)]));
  turns.flush();
  t.same(seen, [(1 << 20) + 4, 14]);
  t.end();
});

t.test('an exception loses nothing of the rest', async (t) => {
  const seen: number[] = [];
  const turns = new EventTurns((records) => {
    seen.push(records.length);
    if (seen.length === 1) throw new Error('a handler that fails');
  });
  t.throws(() => turns.push(concat([record(100_000, 1), record(100_000, 2)])));
  await turn();
  t.same(seen, [100_004, 100_004]);
});
