// Tests of src/api/services/streams/keep-alives.ts: batches of renewals over a real lessor and
// doubles of the rest. What is answered at once, what later, and in which order.

import t from 'tap';
import { Leases } from '../../../../src/api/leases.js';
import {
  type KeepAliveMember,
  KeepAlives,
} from '../../../../src/api/services/streams/keep-alives.js';
import type { CallContext } from '../../../../src/base/call.js';
import { MetaStoreError } from '../../../../src/base/errors.js';
import { Membership } from '../../../../src/cluster/membership.js';
import { type Caller, nobody } from '../../../../src/server/serving/caller.js';
import { Lessor } from '../../../../src/state/lease/lessor.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';

const ASK_AGAIN = -65_536;
const codes: readonly string[] = ['Ok', 'NotPrimaryLessor', 'NoLeader', 'Internal', 'UserEmpty'];

function made() {
  const clock = new ManualClock();
  const lessor = new Lessor(clock, { checkpointIntervalMs: 300_000, revokeRetryMs: 7000 });
  for (const id of [1n, 2n, 3n]) lessor.granted(id, 60);
  lessor.promote(0);
  const log: string[] = [];
  const state = {
    confirmed: 0,
    confirm: async (): Promise<void> => undefined,
    revision: 10n,
    enabled: false,
    caller: nobody as Caller,
    checkpoint: Promise.resolve(),
  };
  const member = {
    lessor,
    membership: new Membership(),
    isLeader: true,
    leader: 1n,
    options: { requestTimeoutMs: 7000 },
    committedIndex: 10,
    appliedIndex: 10,
    leaderKnown: async () => undefined,
    appliedUpTo: async () => undefined,
    confirmLeadership: () => {
      state.confirmed++;
      return state.confirm();
    },
    checkpointLeases: async (all: readonly { id: bigint }[]) => {
      await state.checkpoint;
      for (const { id } of all) lessor.checkpointed(id, 0);
      return Buffer.alloc(0);
    },
    leaseKeys: async () => [],
    header: () => ({ cluster_id: 1n, member_id: 2n, revision: state.revision++, raft_term: 3n }),
    auth: { enabled: false, revision: 0, isRoot: () => true },
    native: { checkRange: () => 0 },
    errors: { fromCode: () => MetaStoreError.of('Internal') },
  };
  const leases = new Leases(
    member,
    { renewLease: async () => 7n, timeToLive: () => Promise.reject(new Error('not asked')) },
    clock,
  );
  const hosted: KeepAliveMember = member;
  const keepAlives = new KeepAlives({
    member: hosted,
    leases,
    access: {
      get enabled() {
        return state.enabled;
      },
      requireUser: async () => {
        if (state.caller.refusal !== null) throw state.caller.refusal;
        return state.caller;
      },
    },
    errors: {
      refusalCode: (refusal) => Math.max(codes.indexOf(refusal?.code ?? 'Ok'), 0),
    },
    askAgain: ASK_AGAIN,
    answer: (header, answers) =>
      log.push(
        `r${header.revision} ${answers.map(({ call, result }) => `${call}:${result}`).join(' ')}`,
      ),
  });
  return { clock, lessor, state, log, keepAlives, member };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) {
    await new Promise(setImmediate);
  }
}

const context = { metadata: () => undefined } as unknown as CallContext;

t.test('all that is ready is renewed in one turn', async (test) => {
  const { keepAlives, log, state, lessor } = made();
  await keepAlives.batch([
    { call: 8, lease: 1n },
    { call: 16, lease: 2n },
    { call: 8, lease: 3n },
  ]);
  test.strictSame(log, ['r10 8:60 16:60 8:60']);
  test.equal(state.confirmed, 1, 'leadership is confirmed once');
  test.equal(lessor.renewals, 3);
});

t.test('a lease that is unknown has TTL 0', async (test) => {
  const { keepAlives, log } = made();
  await keepAlives.batch([
    { call: 8, lease: 99n },
    { call: 16, lease: 2n },
  ]);
  await settle();
  test.strictSame(log, ['r10 16:60', 'r11 8:0']);
});

t.test('a call keeps its order behind a lease that has to wait', async (test) => {
  const { keepAlives, log, state, lessor } = made();
  lessor.checkpointed(1n, 30);
  let written = () => {};
  state.checkpoint = new Promise((resolve) => {
    written = resolve;
  });
  await keepAlives.batch([
    { call: 8, lease: 2n },
    { call: 8, lease: 1n },
    { call: 8, lease: 3n },
    { call: 16, lease: 3n },
  ]);
  await settle();
  test.strictSame(log, ['r10 8:60 16:60']);
  written();
  await settle();
  test.strictSame(log, ['r10 8:60 16:60', 'r11 8:60', 'r12 8:60']);
  test.equal(lessor.checkpointedSeconds(1n), 0);
});

t.test('an expired lease is answered when its revocation is applied', async (test) => {
  const { keepAlives, log, clock, lessor } = made();
  clock.advance(60_001);
  lessor.granted(4n, 60);
  await keepAlives.batch([
    { call: 8, lease: 1n },
    { call: 16, lease: 4n },
  ]);
  await settle();
  test.strictSame(log, ['r10 16:60']);
  lessor.revoked(1n);
  await settle();
  test.strictSame(log, ['r10 16:60', 'r11 8:0']);
});

t.test('doubt about leadership ends every call of the batch, once', async (test) => {
  const { keepAlives, log, state, lessor } = made();
  state.confirm = async () => {
    throw MetaStoreError.of('NotPrimaryLessor');
  };
  await keepAlives.batch([
    { call: 8, lease: 1n },
    { call: 8, lease: 2n },
    { call: 16, lease: 3n },
  ]);
  test.strictSame(log, ['r10 8:-1 16:-1']);
  test.equal(lessor.renewals, 0);
});

t.test('where another member leads, it is asked', async (test) => {
  const { keepAlives, log, lessor, member } = made();
  lessor.demote();
  member.isLeader = false;
  await keepAlives.batch([{ call: 8, lease: 1n }]);
  await settle();
  test.strictSame(log, ['r11 8:7']);
});

t.test('an error ends its own call and leaves what stood behind', async (test) => {
  const { keepAlives, log, lessor, member } = made();
  lessor.demote();
  member.leaderKnown = async () => {
    throw MetaStoreError.of('NoLeader');
  };
  await keepAlives.batch([
    { call: 8, lease: 1n },
    { call: 8, lease: 2n },
  ]);
  await settle();
  test.strictSame(log, ['r11 8:-2']);
});

t.test('with users every renewal is asked for again, with credentials', async (test) => {
  const { keepAlives, log, state } = made();
  state.enabled = true;
  await keepAlives.batch([
    { call: 8, lease: 1n },
    { call: 16, lease: 2n },
  ]);
  test.strictSame(log, [`r10 8:${ASK_AGAIN} 16:${ASK_AGAIN}`]);
  test.equal(state.confirmed, 0);
  await keepAlives.one({ call: 8, lease: 1n }, context);
  state.caller = { ...nobody, refusal: MetaStoreError.of('UserEmpty') };
  await keepAlives.one({ call: 8, lease: 1n }, context);
  test.strictSame(log.slice(1), ['r11 8:60', 'r12 8:-4']);
});

t.test('users that are switched on while a call waits', async (test) => {
  const { keepAlives, log, state, lessor } = made();
  lessor.checkpointed(1n, 30);
  let written = () => {};
  state.checkpoint = new Promise((resolve) => {
    written = resolve;
  });
  await keepAlives.batch([
    { call: 8, lease: 1n },
    { call: 8, lease: 2n },
  ]);
  await settle();
  state.enabled = true;
  written();
  await settle();
  test.strictSame(log, ['r11 8:60', `r12 8:${ASK_AGAIN}`]);
});
