// Tests of what requests are told whose time is up: whoever knows only ages (the plane) says the
// same as who knows the moments, whatever the connections and the leader have been.

import t from 'tap';

import { createLogger } from '../../../../src/base/log/logger.js';
import type { Membership } from '../../../../src/cluster/membership.js';
import { Leadership, type LeadershipParts } from '../../../../src/server/election/leadership.js';
import { Prng } from '../../../../src/server/election/prng.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';

const log = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);

const TICK_MS = 100;
const ELECTION_TICKS = 10;

function makeLeadership(voters: number, lead: bigint, since: ReadonlyMap<bigint, number>) {
  const clock = new ManualClock();
  const members = Array.from({ length: voters }, (_, i) => ({ id: BigInt(i + 1) }));
  const list = [...members, { id: 100n, isLearner: true }];
  const parts = {
    id: 1n,
    loop: { lead, term: 2 },
    membership: { list: () => list } as unknown as Membership,
    connections: { connectedSinceMs: (id: bigint) => since.get(id) ?? null },
    clock,
    log,
    tickMs: TICK_MS,
    electionTicks: ELECTION_TICKS,
    requestTimeoutMs: 7000,
    linearizable: async () => undefined,
  };
  return { clock, leadership: new Leadership(parts as unknown as LeadershipParts) };
}

/** As native/plane/hot/hot_lane.cc decides. */
function reasonByAge(leadership: Leadership, ageMs: number): string {
  const { failureFromMs, failureToMs, connectedMs } = leadership.expiryAges();
  if (ageMs < failureFromMs && ageMs > failureToMs) {
    return 'TimeoutLeaderFailure';
  }
  return ageMs > connectedMs ? 'TimeoutConnectionLost' : 'Timeout';
}

t.test('ages and moments agree', async (t) => {
  const prng = new Prng(7);
  const seen = new Map<string, number>();
  for (let run = 0; run < 300; run++) {
    const voters = 1 + prng.nextBelow(5);
    const lead = BigInt(prng.nextBelow(voters + 1));
    const since = new Map<bigint, number>();
    for (let id = 2; id <= voters; id++) {
      if (prng.nextBelow(3) > 0) {
        since.set(BigInt(id), prng.nextBelow(20_000));
      }
    }
    const { clock, leadership } = makeLeadership(voters, lead, since);
    clock.advance(prng.nextBelow(15_000));
    leadership.changed(lead);
    clock.advance(prng.nextBelow(10_000));
    for (let i = 0; i < 20; i++) {
      const startedMs = prng.nextBelow(clock.nowMs() + 1);
      const expected = leadership.timeoutReason(startedMs);
      const actual = reasonByAge(leadership, clock.nowMs() - startedMs);
      if (actual !== expected) {
        t.fail(`${actual} instead of ${expected}`, { voters, lead, since: [...since], startedMs });
      }
      seen.set(expected, (seen.get(expected) ?? 0) + 1);
    }
  }
  for (const reason of ['Timeout', 'TimeoutLeaderFailure', 'TimeoutConnectionLost']) {
    t.ok((seen.get(reason) ?? 0) > 50, `${reason} has been among them`);
  }
});
