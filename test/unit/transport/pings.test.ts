// Tests of src/transport/grpc-js/pings.ts: when a client pings too often. Time and what has been
// written are given.

import t from 'tap';

import { PingPolicy } from '../../../src/transport/grpc-js/pings.js';

/** Pings every `gapMs`; `writes` bytes go out between two. The answer counts up to the last one. */
function pingsUntilTooMany(minMs: number, gapMs: number, streams: number, writes: number): number {
  let now = 1000;
  let written = 0;
  const policy = new PingPolicy(minMs, () => now);
  for (let sent = 1; sent <= 50; sent++) {
    if (policy.isTooMany(streams, written)) {
      return sent;
    }
    now += gapMs;
    written += writes;
  }
  return 0;
}

const PONG = 17;

t.test('the fourth ping that comes too early is one too many', async (t) => {
  t.equal(pingsUntilTooMany(5000, 100, 1, PONG), 4);
  t.equal(pingsUntilTooMany(5000, 4999, 1, PONG), 4);
  t.equal(pingsUntilTooMany(5000, 5000, 1, PONG), 0);
});

t.test('without calls two hours must lie between pings', async (t) => {
  t.equal(pingsUntilTooMany(10, 60_000, 0, PONG), 4);
  t.equal(pingsUntilTooMany(10, 2 * 3600_000, 0, PONG), 0);
});

t.test('who is answered in between may ping as he likes', async (t) => {
  t.equal(pingsUntilTooMany(5000, 1, 1, PONG + 60), 0);
  t.equal(pingsUntilTooMany(5000, 1, 1, PONG + 9), 4, 'what is no answer does not count');
});
