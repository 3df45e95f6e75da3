// Tests of src/state/lease: deadlines, expiry, renewal, promotion, checkpoints; the expiry loop.
// Runs without a server and without the addon.

import t from 'tap';

import { createLogger } from '../../../src/base/log/logger.js';
import { Prng } from '../../../src/server/election/prng.js';
import { DeadlineQueue } from '../../../src/state/lease/deadline-queue.js';
import { LeaseExpiry } from '../../../src/state/lease/expiry.js';
import { Lessor } from '../../../src/state/lease/lessor.js';
import { ManualClock } from '../../support/fakes/manual-clock.js';

function primary(checkpointIntervalMs: number | null = null) {
  const clock = new ManualClock();
  const lessor = new Lessor(clock, { checkpointIntervalMs, revokeRetryMs: 7000 });
  lessor.promote(1000);
  return { clock, lessor };
}

const silent = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);

t.test('the queue gives ids in the order of their deadlines, as a sorted list would', async (t) => {
  const random = new Prng(3);
  const queue = new DeadlineQueue();
  const model = new Map<bigint, number>();
  let nowMs = 0;
  for (let step = 0; step < 5000; step++) {
    const id = BigInt(random.nextBelow(60));
    const choice = random.nextBelow(10);
    if (choice < 6) {
      const deadline = nowMs + random.nextBelow(200);
      queue.set(id, deadline);
      model.set(id, deadline);
    } else if (choice < 7) {
      queue.delete(id);
      model.delete(id);
    } else {
      nowMs += random.nextBelow(40);
      const limit = 1 + random.nextBelow(5);
      const taken = queue.takeDue(nowMs, limit);
      const due = [...model].filter(([, at]) => at <= nowMs).sort(([, a], [, b]) => a - b);
      const expected = due.slice(0, limit).map(([, at]) => at);
      t.same(
        taken.map((found) => model.get(found)),
        expected,
        `step ${step}`,
      );
      for (const found of taken) {
        model.delete(found);
      }
    }
    t.equal(queue.size, model.size);
  }
});

t.test('a granted lease counts down, in whole seconds cut off', async (t) => {
  const { clock, lessor } = primary();
  lessor.granted(5n, 10);
  t.same(lessor.timeToLive(5n), { remainingSeconds: 10, grantedSeconds: 10 });
  clock.advance(1);
  t.equal(lessor.timeToLive(5n)?.remainingSeconds, 9);
  clock.advance(9998);
  t.equal(lessor.timeToLive(5n)?.remainingSeconds, 0);
  clock.advance(1000);
  t.equal(lessor.timeToLive(5n)?.remainingSeconds, 0, 'overdue by less than a second');
  clock.advance(100);
  t.same(lessor.timeToLive(5n), { remainingSeconds: -1, grantedSeconds: 10 });
  clock.advance(60_000);
  t.equal(lessor.timeToLive(5n)?.remainingSeconds, -1, 'never less');
  t.equal(lessor.timeToLive(6n), null);
});

t.test('expiry takes what is over, once per retry time', async (t) => {
  const { clock, lessor } = primary();
  lessor.granted(1n, 2);
  lessor.granted(2n, 3);
  clock.advance(1999);
  t.same(lessor.takeExpired(10), []);
  clock.advance(1);
  t.same(lessor.takeExpired(10), [1n]);
  t.same(lessor.takeExpired(10), [], 'its revocation is on the way');
  clock.advance(1000);
  t.same(lessor.takeExpired(10), [2n]);
  lessor.revoked(2n);
  clock.advance(7000);
  t.same(lessor.takeExpired(10), [1n], 'asked again when it was not revoked');
  lessor.revoked(1n);
  clock.advance(60_000);
  t.same(lessor.takeExpired(10), []);
  t.equal(lessor.size, 0);
});

t.test('expiry is limited and goes by deadline', async (t) => {
  const { clock, lessor } = primary();
  for (let i = 0; i < 10; i++) {
    lessor.granted(BigInt(i), 20 - i);
  }
  clock.advance(30_000);
  t.same(lessor.takeExpired(3), [9n, 8n, 7n]);
  t.same(lessor.takeExpired(3), [6n, 5n, 4n]);
});

t.test('renewal gives the whole time again; the heap finds out later', async (t) => {
  const { clock, lessor } = primary();
  lessor.granted(1n, 2);
  for (let i = 0; i < 50; i++) {
    clock.advance(1500);
    t.equal(await lessor.renew(1n), 2);
    t.same(lessor.takeExpired(10), []);
  }
  clock.advance(2000);
  t.same(lessor.takeExpired(10), [1n]);
});

t.test('renewing what is unknown is no error; renewing elsewhere than the leader is', async (t) => {
  const { lessor } = primary();
  t.equal(await lessor.renew(99n), null);
  lessor.granted(1n, 5);
  lessor.demote();
  await t.rejects(lessor.renew(1n), { code: 'NotPrimaryLessor' });
  t.throws(() => lessor.timeToLive(1n), { code: 'NotPrimaryLessor' });
  t.equal(lessor.timeToLive(2n), null);
});

t.test('an expired lease is renewed no more: the renewal waits for its end', async (t) => {
  const { clock, lessor } = primary();
  lessor.granted(1n, 2);
  clock.advance(2500);
  let outcome: number | null | undefined;
  const renewal = lessor.renew(1n).then((ttl) => {
    outcome = ttl;
  });
  await new Promise(setImmediate);
  t.equal(outcome, undefined, 'still waiting');
  lessor.revoked(1n);
  await renewal;
  t.equal(outcome, null);
  lessor.granted(2n, 2);
  clock.advance(2500);
  const late = lessor.renew(2n);
  lessor.demote();
  await t.rejects(late, { code: 'NotPrimaryLessor' });
});

t.test('nothing expires without a leader, and a new one gives the time again', async (t) => {
  const clock = new ManualClock();
  const lessor = new Lessor(clock, { checkpointIntervalMs: null, revokeRetryMs: 7000 });
  lessor.restore([
    { id: 1n, ttlSeconds: 5, remainingTtlSeconds: 0 },
    { id: 2n, ttlSeconds: 500, remainingTtlSeconds: 3 },
  ]);
  lessor.granted(3n, 4);
  clock.advance(1_000_000);
  t.same(lessor.takeExpired(10), []);
  lessor.promote(1000);
  t.equal(lessor.timeToLive(1n)?.remainingSeconds, 6, 'whole time and an election timeout');
  t.same(lessor.timeToLive(2n), { remainingSeconds: 4, grantedSeconds: 500 }, 'what was noted');
  t.same(lessor.list(), [2n, 3n, 1n], 'by remaining time');
  clock.advance(5000);
  t.same(lessor.takeExpired(10), [2n, 3n]);
});

t.test('a new leader with many leases spreads their end', async (t) => {
  const clock = new ManualClock();
  const lessor = new Lessor(clock, { checkpointIntervalMs: null, revokeRetryMs: 1e9 });
  for (let i = 1; i <= 3000; i++) {
    lessor.granted(BigInt(i), 10);
  }
  lessor.promote(1000);
  clock.advance(10_999);
  t.equal(lessor.takeExpired(5000).length, 0, 'nobody ends early');
  const perSecond: number[] = [];
  for (let second = 0; second < 5; second++) {
    clock.advance(1000);
    perSecond.push(lessor.takeExpired(5000).length);
  }
  t.ok(
    perSecond.every((count) => count <= 751),
    perSecond.join(' '),
  );
  t.equal(
    perSecond.reduce((a, b) => a + b),
    3000,
  );
});

t.test('checkpoints note what is left of long leases, and renewals take it back', async (t) => {
  const { clock, lessor } = primary(300_000);
  lessor.granted(1n, 1000);
  lessor.granted(2n, 200);
  clock.advance(299_999);
  t.same(lessor.takeCheckpoints(10), []);
  clock.advance(1);
  t.same(lessor.takeCheckpoints(10), [{ id: 1n, remainingSeconds: 700 }]);
  t.same(lessor.takeCheckpoints(10), []);
  lessor.checkpointed(1n, 700);
  t.equal(lessor.checkpointedSeconds(1n), 700);
  clock.advance(300_000);
  t.same(lessor.takeCheckpoints(10), [{ id: 1n, remainingSeconds: 400 }]);
  t.equal(await lessor.renew(1n), 1000);
  t.equal(lessor.checkpointedSeconds(1n), 0);
  t.equal(lessor.timeToLive(1n)?.remainingSeconds, 1000);
});

t.test('the expiry loop confirms leadership, revokes, and retries what it could not', async (t) => {
  const { clock, lessor } = primary();
  const revoked: bigint[] = [];
  let leads = false;
  const expiry = new LeaseExpiry(
    lessor,
    {
      confirmLeadership: () => (leads ? Promise.resolve() : Promise.reject(new Error('unsure'))),
      revoke: (id) => {
        revoked.push(id);
        return Promise.resolve();
      },
      checkpoint: () => Promise.resolve(),
    },
    silent,
  );
  lessor.granted(1n, 2);
  clock.advance(2000);
  expiry.tick(clock.nowMs());
  await new Promise(setImmediate);
  t.same(revoked, [], 'not without knowing that it leads');
  leads = true;
  clock.advance(500);
  expiry.tick(clock.nowMs());
  await new Promise(setImmediate);
  t.same(revoked, [1n]);
  expiry.tick(clock.nowMs() + 500);
  await new Promise(setImmediate);
  t.same(revoked, [1n], 'not twice');
});
