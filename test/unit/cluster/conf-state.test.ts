// The stored form of the membership for consensus, and which memberships from outside are refused.
// The row must come back as it was, with ids of all 64 bits.

import t from 'tap';
import {
  decodeConfState,
  encodeConfState,
  isConfState,
  restoreConfState,
} from '../../../src/cluster/conf-state.js';
import { type ConfState, emptyConfState } from '../../../src/raft/index.js';

function state(fields: Partial<ConfState>): ConfState {
  return { ...emptyConfState, ...fields };
}

const joint = state({
  voters: [1n, 2n ** 64n - 3n],
  learners: [9n],
  votersOutgoing: [1n, 4n],
  learnersNext: [4n],
  autoLeave: true,
});

t.test('a membership comes back from its row', async (t) => {
  for (const one of [emptyConfState, state({ voters: [1n] }), joint]) {
    const value = encodeConfState(one).value;
    t.strictSame(decodeConfState(Buffer.from(value as Uint8Array)), one);
  }
  const row = encodeConfState(joint);
  const meta = new Map([[row.key, Buffer.from(row.value as Uint8Array)]]);
  t.strictSame(restoreConfState(meta), joint);
  t.strictSame(restoreConfState(new Map()), emptyConfState);
});

t.test('impossible memberships are told apart', async (t) => {
  t.ok(isConfState(state({ voters: [1n] })));
  t.ok(isConfState(joint));
  const impossible: readonly [string, ConfState][] = [
    ['nobody votes', emptyConfState],
    ['only learners', state({ learners: [1n] })],
    ['no id', state({ voters: [0n] })],
    ['a voter named twice', state({ voters: [1n, 1n] })],
    ['a voter that learns', state({ voters: [1n], learners: [1n] })],
    ['an outgoing voter that learns', state({ ...joint, learners: [4n] })],
    ['a next learner that is not outgoing', state({ voters: [1n], learnersNext: [2n] })],
    ['a next learner that votes', state({ ...joint, learnersNext: [1n] })],
    ['leaving a configuration that is not joint', state({ voters: [1n], autoLeave: true })],
  ];
  for (const [what, one] of impossible) {
    t.notOk(isConfState(one), what);
  }
});
