// Tests of src/base/clock.ts: timers that repeat. Late calls do not add up, missed ones are left
// out, and both end.

import t from 'tap';
import { nextDueMs, systemClock } from '../../../src/base/clock.js';

t.test('when a call is due again', async (t) => {
  t.equal(nextDueMs(100, 100, 100), 200, 'in time');
  t.equal(nextDueMs(100, 99.5, 100), 200, 'a little early, as timers are');
  t.equal(nextDueMs(100, 160, 100), 200, 'late: the next one is not');
  t.equal(nextDueMs(100, 199.9, 100), 200);
  t.equal(nextDueMs(100, 200, 100), 300, 'so late that one was missed');
  t.equal(nextDueMs(100, 5_130, 100), 5_200, 'after a long pause there is one call, not fifty');
});

t.test('a thousand late calls take a thousand intervals', async (t) => {
  let dueMs = 100;
  for (let call = 1; call < 1000; call += 1) {
    dueMs = nextDueMs(dueMs, dueMs + ((call * 37) % 100), 100);
  }
  t.equal(dueMs, 100_000);
});

t.test('the calls themselves', async (t) => {
  const times: number[] = [];
  await new Promise<void>((resolve) => {
    const stop = systemClock.every(10, () => {
      times.push(systemClock.nowMs());
      if (times.length === 5) {
        stop();
        resolve();
      }
    });
    // The timers do not keep the process alive.
    setTimeout(() => {}, 1000);
  });
  for (const [index, time] of times.entries()) {
    t.ok(index === 0 || time > (times[index - 1] ?? 0));
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  t.equal(times.length, 5, 'none after the end, although it was ended within a call');
  const ended = systemClock.every(1, () => t.fail('ended before its first call'));
  ended();
  ended();
  await new Promise((resolve) => setTimeout(resolve, 20));
});
