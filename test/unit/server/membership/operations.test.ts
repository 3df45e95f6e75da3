// Tests of src/server/membership/operations.ts and what it stands on (quorum-rules.ts,
// peer-urls.ts, ask-leader.ts) over doubles of the member and of other members' HTTP.

import t from 'tap';

import { bytesOf } from '../../../../src/base/bytes.js';
import { MetaStoreError } from '../../../../src/base/errors.js';
import { type AskOptions, PeerHttpError } from '../../../../src/cluster/http/client.js';
import { runtimeMemberId } from '../../../../src/cluster/ids.js';
import { decodeMemberContext, Membership } from '../../../../src/cluster/membership.js';
import { type ConfChange, ConfChangeType } from '../../../../src/raft/index.js';
import {
  type MembershipHost,
  MembershipOperations,
} from '../../../../src/server/membership/operations.js';
import { checkedPeerUrls } from '../../../../src/server/membership/peer-urls.js';
import {
  type ClusterView,
  objectionToAdding,
  objectionToPromoting,
  objectionToRemoving,
} from '../../../../src/server/membership/quorum-rules.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';

interface Voter {
  readonly started: boolean;
  /** How long its connection has held; null without one. */
  readonly connectedMs: number | null;
  readonly isLearner?: boolean;
}

const up: Voter = { started: true, connectedMs: 60_000 };
const down: Voter = { started: true, connectedMs: null };
const young: Voter = { started: true, connectedMs: 4999 };
const unstarted: Voter = { started: false, connectedMs: null };
const learner: Voter = { ...up, isLearner: true };

/** Member 1 is the one that is asked. */
function view(...members: readonly Voter[]): ClusterView {
  const nowMs = 100_000;
  return {
    self: 1n,
    nowMs,
    members: members.map(({ started, isLearner = false }, i) => ({
      id: BigInt(i + 1),
      name: started ? `m${i + 1}` : '',
      peerUrls: [],
      clientUrls: [],
      isLearner,
    })),
    connectedSinceMs: (id) => {
      const connectedMs = members[Number(id) - 1]?.connectedMs ?? null;
      return connectedMs === null || id === 1n ? null : nowMs - connectedMs;
    },
  };
}

const fewStarted = 'NotEnoughStartedMembers';

t.test('when a voter may be added', async (t) => {
  const cases: [string, ClusterView, string | null][] = [
    ['to one member, always', view(up), null],
    ['to two', view(up, up), null],
    ['to two of which one is young', view(up, young), 'Unhealthy'],
    ['to two of which one is down', view(up, down), 'Unhealthy'],
    ['to two of which one has not started', view(up, unstarted), fewStarted],
    ['to three', view(up, up, up), null],
    ['to three of which one is young', view(up, up, young), 'Unhealthy'],
    ['to three of which one has not started', view(up, up, unstarted), fewStarted],
    ['to four of which one is down', view(up, up, up, down), null],
    ['to four of which one has not started', view(up, up, up, unstarted), null],
    ['to four of which two are down', view(up, up, down, down), 'Unhealthy'],
    ['to one and a learner that is down', view(up, { ...learner, connectedMs: null }), null],
    ['five seconds are enough', view(up, { ...young, connectedMs: 5000 }), null],
  ];
  for (const [title, cluster, expected] of cases) {
    t.equal(objectionToAdding(cluster, false), expected, title);
  }
});

t.test('when a learner may be added', async (t) => {
  t.equal(objectionToAdding(view(up), true), null);
  t.equal(objectionToAdding(view(up, up, up), true), null);
  t.equal(objectionToAdding(view(up, up, unstarted), true), 'Unhealthy', 'for want of connections');
  t.equal(objectionToAdding(view(up, up, young), true), 'Unhealthy');
});

t.test('when a member may be removed', async (t) => {
  const cases: [string, ClusterView, bigint, string | null][] = [
    ['the last one', view(up), 1n, fewStarted],
    ['nobody, of one', view(up), 77n, null],
    ['one of two', view(up, up), 2n, null],
    ['oneself of two', view(up, up), 1n, null],
    ['one of two that is young', view(up, young), 2n, 'Unhealthy'],
    ['the one of two that is down', view(up, down), 2n, null],
    ['oneself, when the other is down', view(up, down), 1n, 'Unhealthy'],
    ['the one of two that never started', view(up, unstarted), 2n, null],
    ['the one of two that has started', view(up, unstarted), 1n, fewStarted],
    ['one of three', view(up, up, up), 3n, null],
    ['oneself of three', view(up, up, up), 1n, null],
    ['one of three, another being down', view(up, up, down), 2n, 'Unhealthy'],
    ['one of three, another being young', view(up, up, young), 2n, 'Unhealthy'],
    ['the one of three that is down', view(up, up, down), 3n, null],
    ['a learner, whatever else', view(up, down, learner), 3n, null],
  ];
  for (const [title, cluster, id, expected] of cases) {
    t.equal(objectionToRemoving(cluster, id), expected, title);
  }
});

t.test('when a learner may become a voter', async (t) => {
  t.equal(objectionToPromoting(view(up, learner)), null);
  t.equal(objectionToPromoting(view(up, unstarted, learner)), null);
  t.equal(objectionToPromoting(view(up, unstarted, unstarted, learner)), fewStarted);
});

t.test('peer URLs', async (t) => {
  t.same(checkedPeerUrls([' http://b:2 ', 'HTTPS://a:1']), ['http://b:2', 'https://a:1']);
  const good = [
    'http://127.0.0.1:2380',
    'http://[::1]:2380',
    'http://host:',
    'http://:2380',
    'unix://anything/at all',
    'unixs://x',
    'http://user@host:1',
    'http://h:1?q=/',
  ];
  for (const url of good) {
    t.same(checkedPeerUrls([url]), [url], url);
  }
  const bad = [
    '',
    'foo',
    'host:2380',
    'ftp://h:1',
    'http://h',
    'http://h:1/',
    'http://h:1/path',
    'http://h:port',
    'http://::1:2380',
    'http://h:1\u0000',
    'http://a b:1',
  ];
  for (const url of bad) {
    t.throws(() => checkedPeerUrls(['http://ok:1', url]), { code: 'BadMemberUrls' }, url);
  }
  t.throws(() => checkedPeerUrls([]), { code: 'BadMemberUrls' });
});

t.test('ids of members that are added differ by second, not by the order of URLs', async (t) => {
  const id = runtimeMemberId(['http://a:1', 'http://b:1'], 1_700_000_000_999);
  t.equal(runtimeMemberId(['http://b:1', 'http://a:1'], 1_700_000_000_000), id);
  t.not(runtimeMemberId(['http://a:1', 'http://b:1'], 1_700_000_001_000), id);
});

function made(fields: Partial<MembershipHost> = {}) {
  const clock = new ManualClock();
  const membership = new Membership();
  const proposed: ConfChange[] = [];
  const asked: { urls: readonly string[]; timeoutMs: number | undefined }[] = [];
  const answers: (Error | string)[] = [];
  let ids = 10n;
  const add = (id: bigint, isLearner: boolean) => {
    membership.add(id, { name: `m${id}`, peerUrls: [`http://p:${id}`], isLearner });
  };
  add(1n, false);
  add(2n, false);
  add(3n, true);
  const host: MembershipHost = {
    id: 1n,
    isLeader: true,
    leader: 1n,
    membership,
    committedIndex: 100,
    options: { requestTimeoutMs: 7000, strictReconfigCheck: true, maxLearners: 4 },
    connections: { connectedSinceMs: () => -60_000 },
    leaderKnown: async () => undefined,
    appliedUpTo: async () => undefined,
    raftProgress: (id) => ({ match: id === 3n ? 90 : 100 }),
    nextId: () => ++ids,
    proposeConfChange: async (change) => {
      proposed.push(change);
      return membership.list();
    },
    ...fields,
  };
  const peers = {
    promote: async (urls: readonly string[], _id: bigint, { timeoutMs }: AskOptions = {}) => {
      asked.push({ urls, timeoutMs });
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return membership.list();
    },
  };
  const operations = new MembershipOperations(host, peers, clock);
  return { clock, membership, proposed, asked, answers, operations, host };
}

const contextOf = (change: ConfChange | undefined) =>
  decodeMemberContext(change?.context ?? new Uint8Array());

t.test('what is proposed for each change', async (t) => {
  const { operations, proposed, clock, membership } = made();
  const added = await operations.add(['http://z:1', 'http://y:1'], false);
  const id = runtimeMemberId(['http://z:1', 'http://y:1'], clock.unixMs());
  t.same(added.member, {
    id,
    name: '',
    peerUrls: ['http://y:1', 'http://z:1'],
    clientUrls: [],
    isLearner: false,
  });
  t.same(added.members, membership.list());
  t.match(proposed[0], { id: 11n, type: ConfChangeType.AddNode, nodeId: id });
  t.match(contextOf(proposed[0]), { peerUrls: ['http://y:1', 'http://z:1'], maxLearners: null });
  await operations.add(['http://z:1'], true);
  t.match(proposed[1], { id: 12n, type: ConfChangeType.AddLearnerNode });
  t.match(contextOf(proposed[1]), { isLearner: true, maxLearners: 4 });
  await operations.update(2n, ['foo']);
  t.match(proposed[2], { type: ConfChangeType.UpdateNode, nodeId: 2n });
  t.same(contextOf(proposed[2]).peerUrls, ['foo'], 'taken as they are');
  await operations.remove(3n);
  t.same(proposed[3], { id: 14n, type: ConfChangeType.RemoveNode, nodeId: 3n, context: null });
  await operations.promote(3n);
  t.match(proposed[4], { type: ConfChangeType.AddNode, nodeId: 3n });
  t.equal(contextOf(proposed[4]).isPromote, true);
  t.ok(bytesOf(Buffer.from(proposed[4]?.context ?? [])).length > 0);
});

t.test('the first check that fails decides, and nothing is proposed', async (t) => {
  const { operations, proposed } = made({ connections: { connectedSinceMs: () => null } });
  await t.rejects(operations.add(['foo'], false), { code: 'BadMemberUrls' });
  await t.rejects(operations.add(['http://h:1'], false), { code: 'Unhealthy' });
  await t.rejects(operations.remove(1n), { code: 'Unhealthy' });
  t.equal(proposed.length, 0);
  const options = { requestTimeoutMs: 7000, strictReconfigCheck: false, maxLearners: 1 };
  const loose = made({ options, connections: { connectedSinceMs: () => null } });
  await loose.operations.add(['http://h:1'], false);
  await loose.operations.remove(1n);
  t.equal(loose.proposed.length, 2, 'without the strict rules the log decides alone');
});

t.test('what a leader says of a promotion', async (t) => {
  const { operations, membership, proposed } = made();
  await t.rejects(operations.promote(9n), { code: 'MemberNotFound' });
  await t.rejects(operations.promote(2n), { code: 'MemberNotLearner' });
  const behind = made({ raftProgress: (id) => ({ match: id === 3n ? 89 : 100 }) });
  await t.rejects(behind.operations.promote(3n), { code: 'LearnerNotReady' });
  const gone = made({ raftProgress: (id) => (id === 3n ? null : { match: 100 }) });
  await t.rejects(gone.operations.promote(3n), { code: 'MemberNotFound' });
  for (const id of [5n, 6n, 7n]) {
    membership.add(id, { name: '', peerUrls: [`http://p:${id}`], isLearner: false });
  }
  await t.rejects(operations.promote(3n), { code: 'NotEnoughStartedMembers' });
  t.equal(proposed.length, 0);
});

/** Lets promises go on while time passes. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 50) {
    await new Promise(setImmediate);
    clock.advance(50);
  }
  await new Promise(setImmediate);
}

t.test('a follower asks the leader, and the next one when that changes', async (t) => {
  const host = { isLeader: false, leader: 2n };
  const { operations, asked, answers, clock, host: member } = made(host);
  answers.push(new PeerHttpError('refused'), 'promoted');
  const promoted = operations.promote(3n);
  await new Promise(setImmediate);
  t.same(asked, [{ urls: ['http://p:2'], timeoutMs: 7000 }]);
  (member as { leader: bigint }).leader = 3n;
  await pass(clock, 100);
  t.equal((await promoted).length, 3);
  t.same(asked[1]?.urls, ['http://p:3']);
  answers.push(MetaStoreError.of('LearnerNotReady'));
  await t.rejects(operations.promote(3n), { code: 'LearnerNotReady' });
  t.equal(asked.length, 3, 'what the leader says is final');
});

t.test('a member that has just lost the lead asks the next leader', async (t) => {
  const { operations, asked, clock, host } = made({ raftProgress: () => null });
  const promoted = operations.promote(3n);
  await new Promise(setImmediate);
  Object.assign(host, { isLeader: false, leader: 2n });
  await pass(clock, 100);
  await promoted;
  t.same(asked[0]?.urls, ['http://p:2']);
});

t.test('asking ends: no leader, no answer, nobody waiting', async (t) => {
  const none = made({
    isLeader: false,
    leaderKnown: async () => {
      throw MetaStoreError.of('NoLeader');
    },
  });
  await t.rejects(none.operations.promote(3n), { code: 'NoLeader' });
  const silent = made({ isLeader: false, leader: 2n });
  silent.answers.push(...Array.from({ length: 500 }, () => new PeerHttpError('refused')));
  const lost = silent.operations.promote(3n);
  lost.catch(() => undefined);
  await pass(silent.clock, 7100);
  await t.rejects(lost, { code: 'Timeout' });
  t.ok(silent.asked.length <= 141, `${silent.asked.length} questions in seven seconds`);
  const caller = new AbortController();
  const unheard = made({ isLeader: false, leader: 2n });
  unheard.answers.push(...Array.from({ length: 500 }, () => new PeerHttpError('refused')));
  const dropped = unheard.operations.promote(3n, caller.signal);
  dropped.catch(() => undefined);
  await pass(unheard.clock, 100);
  caller.abort();
  await pass(unheard.clock, 100);
  await t.rejects(dropped, { code: 'Canceled' });
});
