// Majority and joint quorum arithmetic against their definitions, over all small cases and
// random ones (Raft paper §5.2, §5.3; dissertation §4.3).

import t from 'tap';
import { JointConfig } from '../../../src/raft/quorum/joint.js';
import { MajorityConfig, VoteResult } from '../../../src/raft/quorum/majority.js';
import { seeded } from '../../support/raft/cluster/prng.js';

function definition(ids: readonly bigint[], acked: ReadonlyMap<bigint, number>): number {
  if (ids.length === 0) {
    return Number.POSITIVE_INFINITY;
  }
  let best = 0;
  for (const candidate of [0, ...acked.values()]) {
    const reached = ids.filter((id) => (acked.get(id) ?? 0) >= candidate).length;
    if (reached * 2 > ids.length && candidate > best) {
      best = candidate;
    }
  }
  return best;
}

t.test('a majority commits what more than half have reached', (test) => {
  const random = seeded(1);
  for (let round = 0; round < 2000; round++) {
    const ids = Array.from({ length: random(8) }, () => BigInt(1 + random(12)));
    const config = new MajorityConfig(ids);
    const acked = new Map<bigint, number>();
    for (const id of config.ids) {
      if (random(4) > 0) {
        acked.set(id, random(6));
      }
    }
    const actual = config.committedIndex((id) => acked.get(id));
    test.equal(actual, definition(config.ids, acked), `round ${round}`);
  }
  test.end();
});

t.test('a joint configuration commits what both halves have reached', (test) => {
  const random = seeded(2);
  for (let round = 0; round < 2000; round++) {
    const pick = (): bigint[] => Array.from({ length: random(5) }, () => BigInt(1 + random(6)));
    const incoming = new MajorityConfig(pick());
    const outgoing = new MajorityConfig(pick());
    const acked = new Map<bigint, number>();
    for (let id = 1n; id <= 6n; id++) {
      acked.set(id, random(5));
    }
    const joint = new JointConfig(incoming, outgoing);
    const expected = Math.min(definition(incoming.ids, acked), definition(outgoing.ids, acked));
    test.equal(
      joint.committedIndex((id) => acked.get(id)),
      expected,
      `round ${round}`,
    );
    test.equal(joint.isJoint, outgoing.size > 0);
    test.same(joint.ids, new MajorityConfig([...incoming.ids, ...outgoing.ids]).ids);
  }
  test.end();
});

t.test('a vote is won, lost or open exactly when further answers cannot change it', (test) => {
  const ids = [1n, 2n, 3n, 4n, 5n];
  for (let n = 0; n <= ids.length; n++) {
    const config = new MajorityConfig(ids.slice(0, n));
    for (let code = 0; code < 3 ** n; code++) {
      const votes = new Map<bigint, boolean>();
      let rest = code;
      for (const id of config.ids) {
        if (rest % 3 !== 0) {
          votes.set(id, rest % 3 === 1);
        }
        rest = Math.floor(rest / 3);
      }
      const yes = [...votes.values()].filter(Boolean).length;
      const missing = n - votes.size;
      const quorum = Math.floor(n / 2) + 1;
      let expected: VoteResult = VoteResult.Pending;
      if (n === 0 || yes >= quorum) {
        expected = VoteResult.Won;
      } else if (yes + missing < quorum) {
        expected = VoteResult.Lost;
      }
      test.equal(config.voteResult(votes), expected, `${n} voters, case ${code}`);
    }
  }
  test.end();
});

t.test('a joint vote needs both halves, and either can lose it', (test) => {
  const config = new JointConfig(new MajorityConfig([1n, 2n]), new MajorityConfig([2n, 3n]));
  const result = (...yes: bigint[]): VoteResult =>
    config.voteResult(new Map(yes.map((id) => [id, true])));
  test.equal(result(), VoteResult.Pending);
  test.equal(result(1n, 2n), VoteResult.Pending, 'one half won, the other open');
  test.equal(result(1n, 2n, 3n), VoteResult.Won);
  test.equal(config.voteResult(new Map([[3n, false]])), VoteResult.Lost);
  test.ok(config.has(1n) && config.has(3n) && !config.has(4n));
  test.end();
});
