// When the replica loop looks how far native code has come without a word: soon where a turn here
// waits for it, and seldom where native code goes on by itself.

import t from 'tap';
import { QuietProgress } from '../../../../../src/server/replica/disk/quiet-progress.js';
import { ManualClock } from '../../../../support/fakes/manual-clock.js';

function make() {
  const clock = new ManualClock();
  const looks: number[] = [];
  const quiet = new QuietProgress(clock, () => looks.push(clock.nowMs()));
  return { clock, looks, quiet };
}

t.test('what is applied quietly is looked for after 3 ms', async (t) => {
  const { clock, looks, quiet } = make();
  quiet.expect(10);
  quiet.turned(7);
  clock.advance(2);
  t.strictSame(looks, []);
  clock.advance(1);
  t.equal(looks.length, 1);
  quiet.turned(10);
  clock.advance(100);
  t.equal(looks.length, 1, 'it is all known');
});

t.test('after news there may be more, and nothing waits for it', async (t) => {
  const { clock, looks, quiet } = make();
  quiet.expect(10);
  quiet.news();
  quiet.turned(10);
  clock.advance(19);
  t.strictSame(looks, []);
  clock.advance(1);
  t.equal(looks.length, 1, 'once, 20 ms later');
  quiet.turned(10);
  clock.advance(100);
  t.equal(looks.length, 1, 'no news: native code wakes the loop');
});

t.test('a turn that learns of it otherwise spares the look', async (t) => {
  const { clock, looks, quiet } = make();
  quiet.expect(10);
  quiet.turned(7);
  clock.advance(1);
  quiet.turned(10);
  clock.advance(100);
  t.strictSame(looks, []);
});
