// Tests of src/server/replica/control.ts and change-waits.ts over a real Raft node: which changes
// the log may make, what a refused one leaves as it was, and who hears of it.

import t from 'tap';

import { bytesOf } from '../../../../src/base/bytes.js';
import { ErrorTable, MetaStoreError } from '../../../../src/base/errors.js';
import { createLogger } from '../../../../src/base/log/logger.js';
import { internalRaftRequest } from '../../../../src/base/proto/messages.js';
import { restoreConfState } from '../../../../src/cluster/conf-state.js';
import {
  encodeChangeContext,
  type MemberContext,
} from '../../../../src/cluster/members/member-json.js';
import { Membership } from '../../../../src/cluster/membership.js';
import {
  type ConfChange,
  ConfChangeType,
  EntryType,
  encodeConfChange,
  encodeConfChangeV2,
  MemoryStorage,
  RaftError,
  RawNode,
} from '../../../../src/raft/index.js';
import { ChangeWaits } from '../../../../src/server/membership/change-waits.js';
import { ControlEntries } from '../../../../src/server/replica/control/control.js';
import { AuthState } from '../../../../src/state/auth/auth-state.js';
import { AuthCommands } from '../../../../src/state/auth/commands.js';
import { noKeeper } from '../../../../src/state/auth/tokens/types.js';
import type { MetaRow } from '../../../../src/storage/native.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';
import { nativeErrorRows } from '../../../support/fakes/native-errors.js';

const quiet = {
  debug: () => undefined,
  info: () => undefined,
  warning: () => undefined,
  error: () => undefined,
  fatal: () => undefined,
};

const url = (id: bigint) => [`http://p:${id}`];

function node(): RawNode {
  return new RawNode({
    id: 1n,
    electionTick: 10,
    heartbeatTick: 1,
    storage: new MemoryStorage(quiet),
    asyncStorageWrites: true,
    maxSizePerMsg: 1 << 20,
    maxInflightMsgs: 64,
    logger: quiet,
    random: () => 0,
  });
}

function made() {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger(
    { level: 'info', format: 'json', outputs: [] },
    { write: (line) => lines.push(JSON.parse(String(line))), close: () => undefined },
  );
  const raw = node();
  const meta = new Map<string, Buffer>();
  const membership = new Membership();
  let index = 0;
  let removals = 0;
  const core = {
    controlDone: (_index: number, rows: readonly MetaRow[]) => {
      for (const { key, value } of rows) {
        if (value === null) meta.delete(key);
        else meta.set(key, Buffer.from(value));
      }
    },
  };
  const control = new ControlEntries({
    core,
    errors: new ErrorTable(nativeErrorRows()),
    auth: new AuthCommands(new AuthState(), noKeeper),
    header: () => ({ cluster_id: 1n, member_id: 1n, revision: 1n, raft_term: 1n }),
    raw,
    storage: { setConfState: () => undefined },
    membership,
    log,
    removedSelf: () => removals++,
  });
  const apply = (bytes: Uint8Array, type: number = EntryType.ConfChange) =>
    control.decide(++index, type, Buffer.from(bytes));
  /** Applies a change; the error's code, or null. */
  const change = async (
    type: ConfChangeType,
    nodeId: bigint,
    context: Partial<MemberContext> | string = {},
  ): Promise<string | null> => {
    const id = BigInt(index) + 100n;
    const bytes =
      typeof context === 'string' ? Buffer.from(context) : encodeChangeContext(nodeId, context);
    const decided = control.changes.wait(id);
    const outcome = decided.then(
      () => null,
      (error: { code: string }) => error.code,
    );
    apply(encodeConfChange({ id, type, nodeId, context: bytesOf(bytes) }));
    return outcome;
  };
  const voters = () => restoreConfState(meta).voters;
  const learners = () => restoreConfState(meta).learners;
  return {
    membership,
    control,
    change,
    apply,
    meta,
    lines,
    voters,
    learners,
    removals: () => removals,
  };
}

const { AddNode, AddLearnerNode, RemoveNode, UpdateNode } = ConfChangeType;

t.test('changes that may be made', async (t) => {
  const { change, membership, voters, learners, meta, lines } = made();
  t.equal(await change(AddNode, 1n, { peerUrls: url(1n), name: 'a' }), null);
  t.equal(await change(AddNode, 2n, { peerUrls: url(2n) }), null);
  t.equal(await change(AddLearnerNode, 3n, { peerUrls: url(3n), isLearner: true }), null);
  t.same([voters(), learners()], [[1n, 2n], [3n]]);
  t.equal(await change(AddNode, 3n, { isPromote: true }), null);
  t.same([voters(), learners()], [[1n, 2n, 3n], []]);
  t.match(
    membership.get(3n),
    { isLearner: false, peerUrls: url(3n) },
    'a promotion keeps the rest',
  );
  t.equal(await change(UpdateNode, 3n, { peerUrls: ['foo'] }), null, 'URLs are stored as given');
  t.equal(await change(UpdateNode, 3n, { peerUrls: [] }), null);
  t.same(membership.get(3n)?.peerUrls, []);
  t.equal(await change(RemoveNode, 2n), null);
  t.same(voters(), [1n, 3n]);
  t.same(Membership.restore(meta).list(), membership.list(), 'rows bring it back');
  t.ok(Membership.restore(meta).isRemoved(2n));
  t.same(
    lines.map(({ msg }) => msg),
    [
      'added member',
      'added member',
      'added member',
      'promote member',
      'updated member',
      'updated member',
      'removed member',
    ],
  );
});

t.test('changes that must not be made leave everything as it was', async (t) => {
  const { change, membership, voters, learners, meta } = made();
  await change(AddNode, 1n, { peerUrls: url(1n) });
  await change(AddNode, 2n, { peerUrls: url(2n) });
  await change(AddNode, 9n, { peerUrls: url(9n) });
  await change(RemoveNode, 9n);
  await change(AddLearnerNode, 3n, { peerUrls: url(3n), isLearner: true });
  const before = membership.list();
  const rows = new Map(meta);
  const refused: [string | null, string][] = [
    [await change(AddNode, 9n, { peerUrls: url(9n) }), 'MemberNotFound'],
    [await change(RemoveNode, 9n), 'MemberNotFound'],
    [await change(UpdateNode, 9n, { peerUrls: url(9n) }), 'MemberNotFound'],
    [await change(AddNode, 9n, { isPromote: true }), 'MemberNotFound'],
    [await change(AddNode, 2n, { peerUrls: url(8n) }), 'MemberExists'],
    [await change(AddLearnerNode, 2n, { peerUrls: url(8n) }), 'MemberExists'],
    [await change(AddNode, 2n, { peerUrls: url(1n) }), 'MemberExists'],
    [await change(AddNode, 4n, { peerUrls: ['x', ...url(1n)] }), 'PeerUrlExists'],
    [await change(UpdateNode, 2n, { peerUrls: url(1n) }), 'PeerUrlExists'],
    [await change(AddLearnerNode, 4n, { peerUrls: url(4n) }), 'TooManyLearners'],
    [await change(AddLearnerNode, 4n, { peerUrls: url(4n), maxLearners: 0 }), 'TooManyLearners'],
    [await change(AddNode, 2n, { isPromote: true }), 'MemberNotLearner'],
    [await change(AddNode, 7n, { isPromote: true }), 'MemberNotFound'],
    [await change(RemoveNode, 7n), 'MemberNotFound'],
    [await change(UpdateNode, 7n, {}), 'MemberNotFound'],
    [await change(AddNode, 0n, { peerUrls: url(4n) }), 'Internal'],
    [await change(AddNode, 2n ** 64n - 1n, { peerUrls: url(4n) }), 'Internal'],
    [await change(AddLearnerNode, 3n, { isPromote: true }), 'Internal'],
    [await change(AddNode, 4n, 'no JSON'), 'Internal'],
    [await change(AddNode, 4n, '{"peerURLs":7}'), 'Internal'],
  ];
  for (const [got, expected] of refused) {
    t.equal(got, expected);
  }
  t.same(membership.list(), before);
  t.same(meta, rows);
  t.same([voters(), learners()], [[1n, 2n], [3n]]);
  t.equal(
    await change(AddLearnerNode, 4n, { peerUrls: url(4n), maxLearners: 2 }),
    null,
    'the change says how many learners there may be',
  );
  t.equal(await change(UpdateNode, 2n, { peerUrls: url(2n) }), null, 'its own URLs again');
});

t.test('the last voter stays; learners may go', async (t) => {
  const { change, voters } = made();
  await change(AddNode, 1n, { peerUrls: url(1n) });
  await change(AddLearnerNode, 2n, { peerUrls: url(2n) });
  t.equal(await change(RemoveNode, 1n), 'NotEnoughStartedMembers');
  t.equal(await change(RemoveNode, 2n), null);
  t.same(voters(), [1n]);
});

t.test('bytes that no member proposes change nothing and do not stop apply', async (t) => {
  const { apply, change, voters, membership } = made();
  await change(AddNode, 1n, { peerUrls: url(1n) });
  apply(Uint8Array.from([0xff, 0xff, 0xff]));
  apply(new Uint8Array(0));
  apply(new Uint8Array(0), EntryType.ConfChangeV2);
  const several = encodeConfChangeV2({
    transition: 0,
    changes: [
      { type: AddNode, nodeId: 2n },
      { type: RemoveNode, nodeId: 1n },
    ],
    context: null,
  });
  apply(several, EntryType.ConfChangeV2);
  t.same(voters(), [1n]);
  t.equal(membership.list().length, 1);
});

t.test('a member hears of its own removal, once', async (t) => {
  const { change, removals, voters } = made();
  await change(AddNode, 1n, { peerUrls: url(1n) });
  await change(AddNode, 2n, { peerUrls: url(2n) });
  await change(RemoveNode, 2n);
  t.equal(removals(), 0, 'not of that of others');
  await change(AddNode, 3n, { peerUrls: url(3n) });
  await change(RemoveNode, 1n);
  t.equal(removals(), 1);
  t.equal(await change(RemoveNode, 1n), 'MemberNotFound');
  t.equal(removals(), 1);
  t.same(voters(), [3n]);
});

t.test('the cluster version, and requests from the future', async (t) => {
  const { apply, membership, lines } = made();
  const version = (ver: string) =>
    apply(bytesOf(internalRaftRequest.encode({ cluster_version_set: { ver } })), EntryType.Normal);
  version('3.6.0');
  version('3.7.0');
  version('3.7.0');
  t.equal(membership.version, '3.7.0');
  apply(new Uint8Array(0), EntryType.Normal);
  t.match(
    lines.map(({ msg, level }) => [level, msg]),
    [
      ['info', 'set initial cluster version'],
      ['info', 'updated storage version'],
      ['info', 'updated cluster version'],
      ['info', 'updated storage version'],
      ['warn', /does not know/],
    ],
  );
});

t.test('waits end with the change, the caller or the member', async (t) => {
  const waits = new ChangeWaits();
  const caller = new AbortController();
  const canceled = waits.wait(1n, caller.signal);
  const refused = waits.wait(2n, caller.signal);
  const made = waits.wait(3n, caller.signal);
  const open = waits.wait(4n);
  waits.refuse(2n, 'PeerUrlExists');
  waits.settle(3n, []);
  waits.settle(77n, []);
  caller.abort();
  await t.rejects(canceled, { code: 'Canceled' });
  await t.rejects(refused, { code: 'PeerUrlExists' });
  t.same(await made, []);
  await t.rejects(waits.wait(5n, caller.signal), { code: 'Canceled' }, 'nobody waits any more');
  t.equal(waits.size, 1);
  waits.stop();
  await t.rejects(open, { code: 'Stopped' });
  await t.rejects(waits.wait(6n), { code: 'Stopped' });
  t.equal(waits.size, 0);
});

t.test('a proposal outlives times without a leader and passing refusals', async (t) => {
  const waits = new ChangeWaits();
  const clock = new ManualClock();
  const change: ConfChange = { id: 5n, type: AddNode, nodeId: 2n, context: null };
  const script: (string | null)[] = ['NoLeader', 'dropped', null];
  let proposals = 0;
  const gate = {
    leaderKnown: async () => {
      if (script[0] === 'NoLeader') {
        script.shift();
        throw MetaStoreError.of('NoLeader');
      }
    },
    propose: () => {
      proposals++;
      if (script.shift() === 'dropped') throw new RaftError('proposal-dropped');
    },
  };
  const decided = waits.propose(change, gate, clock);
  for (let i = 0; i < 4; i++) {
    await new Promise(setImmediate);
    clock.advance(100);
  }
  await new Promise(setImmediate);
  t.equal(proposals, 2, 'not again once it has been taken');
  waits.settle(5n, []);
  t.same(await decided, []);

  const fails = waits.propose(
    change,
    {
      ...gate,
      propose: () => {
        throw MetaStoreError.of('Stopped');
      },
    },
    clock,
  );
  await t.rejects(fails, { code: 'Stopped' });
  const caller = new AbortController();
  const never = new Promise<void>(() => undefined);
  const lost = waits.propose(change, { ...gate, leaderKnown: () => never }, clock, caller.signal);
  caller.abort();
  await t.rejects(lost, { code: 'Canceled' });
  t.equal(waits.size, 0);
});
