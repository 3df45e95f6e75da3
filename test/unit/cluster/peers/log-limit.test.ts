// The same matter is logged more and more rarely, until it has been in order again; others are not
// held up by it.

import t from 'tap';
import { LogLimit } from '../../../../src/cluster/peers/log-limit.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';
import { CollectedLog } from './support/test-member.js';

t.test('a matter that lasts', async (t) => {
  const clock = new ManualClock();
  const log = new CollectedLog();
  const limit = new LogLimit(log, clock);
  const startMs = clock.nowMs();
  const linesAtS: number[] = [];
  for (let second = 0; second < 3600; second++) {
    const before = log.lines.length;
    limit.warn('a', 'cannot reach', { second });
    if (log.lines.length > before) {
      linesAtS.push((clock.nowMs() - startMs) / 1000);
    }
    clock.advance(1000);
  }
  t.strictSame(linesAtS, [0, 10, 30, 70, 150, 310, 630, 1230, 1830, 2430, 3030]);
});

t.test('matters and messages do not hold each other up', async (t) => {
  const log = new CollectedLog();
  const limit = new LogLimit(log, new ManualClock());
  for (const [matter, message] of [
    ['a', 'x'],
    ['a', 'y'],
    ['aa', 'x'],
    ['a', 'x'],
  ] as const) {
    limit.warn(matter, message, {});
  }
  t.equal(log.lines.length, 3);
  limit.settled('a');
  limit.warn('aa', 'x', {});
  t.equal(log.lines.length, 3);
  limit.warn('a', 'x', {});
  t.equal(log.lines.length, 4);
  for (let i = 0; i < 1000; i++) {
    limit.warn(`b${i}`, 'x', {});
  }
  limit.warn('a', 'x', {});
  t.equal(log.lines.length, 1005, 'what is long ago is forgotten');
});
