// Tests of src/api/leases.ts over a real lessor and doubles of the rest: who answers for a lease,
// and what a member says that does not lead.

import t from 'tap';
import { type LeaseMember, Leases } from '../../../src/api/leases.js';
import { MetaStoreError } from '../../../src/base/errors.js';
import { PeerHttpError } from '../../../src/cluster/http/client.js';
import { Membership } from '../../../src/cluster/membership.js';
import { Lessor } from '../../../src/state/lease/lessor.js';
import { ManualClock } from '../../support/fakes/manual-clock.js';

function made(fields: Partial<LeaseMember> = {}, renewsAtOnce = true) {
  const clock = new ManualClock();
  const lessor = new Lessor(clock, { checkpointIntervalMs: 300_000, revokeRetryMs: 7000 });
  lessor.granted(5n, 10);
  lessor.promote(0);
  const membership = new Membership();
  membership.add(2n, { name: 'm2', peerUrls: ['http://p:2'], isLearner: false });
  const checkpoints: unknown[] = [];
  const member: LeaseMember = {
    lessor,
    membership,
    isLeader: true,
    leader: 1n,
    options: { requestTimeoutMs: 7000 },
    committedIndex: 10,
    appliedIndex: 10,
    leaderKnown: async () => undefined,
    appliedUpTo: async () => undefined,
    confirmLeadership: async () => undefined,
    checkpointLeases: async (all) => {
      checkpoints.push(...all);
      for (const { id, remainingSeconds } of all) lessor.checkpointed(id, remainingSeconds);
      return Buffer.alloc(0);
    },
    leaseKeys: async () => [Buffer.from('k')],
    ...fields,
  };
  const asked: unknown[] = [];
  const answers: (Error | bigint)[] = [];
  const answer = (): bigint => {
    const next = answers.shift() ?? 7n;
    if (typeof next !== 'bigint') throw next;
    return next;
  };
  const peers = {
    renewLease: async (urls: readonly string[], id: bigint) => {
      asked.push([urls[0], id]);
      return answer();
    },
    timeToLive: async (urls: readonly string[], id: bigint, keys: boolean) => {
      asked.push([urls[0], id, keys]);
      return { ID: id, TTL: answer(), grantedTTL: 10n, keys: [] };
    },
  };
  const leases = new Leases(member, peers, clock, renewsAtOnce);
  return {
    clock,
    lessor,
    member: member as { -readonly [K in keyof LeaseMember]: LeaseMember[K] },
    leases,
    asked,
    answers,
    checkpoints,
  };
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 50) {
    await new Promise(setImmediate);
    clock.advance(50);
  }
  await new Promise(setImmediate);
}

t.test('the leader renews, within the turn', async (t) => {
  const { leases, clock, lessor } = made();
  clock.advance(4000);
  let ttl: bigint | null = null;
  void leases.renew(5n).then((renewed) => {
    ttl = renewed;
  });
  await new Promise((resolve) => process.nextTick(resolve));
  await new Promise((resolve) => queueMicrotask(() => resolve(null)));
  await new Promise(setImmediate);
  t.equal(ttl, 10n);
  t.equal(lessor.timeToLive(5n)?.remainingSeconds, 10);
});

t.test('a lease that nobody knows has no time', async (t) => {
  const { leases } = made();
  t.equal(await leases.renew(6n), 0n);
  t.equal(await leases.timeToLive(6n, true), null);
  await t.rejects(leases.renewHere(6n), { code: 'LeaseNotFound' });
  await t.rejects(leases.timeToLiveHere(6n, false), { code: 'LeaseNotFound' });
});

t.test('what was granted a moment ago is waited for, a second', async (t) => {
  const { leases, member, lessor, clock } = made({ committedIndex: 11 });
  member.appliedUpTo = async () => lessor.granted(6n, 20);
  t.equal(await leases.renew(6n), 20n);
  member.appliedUpTo = () => new Promise(() => undefined);
  t.equal(await leases.renew(6n), 20n, 'a lease that is known need not wait');
  const slow = leases.renew(7n);
  slow.catch(() => undefined);
  await pass(clock, 1000);
  await t.rejects(slow, { code: 'TimeoutWaitApplied' });
});

t.test('where renewals are to be exact, what is known is waited for too', async (t) => {
  const { leases, member, clock } = made({ committedIndex: 11 }, false);
  let applied = 0;
  member.appliedUpTo = async () => {
    applied += 1;
  };
  t.equal(await leases.renew(5n), 10n);
  t.same(await leases.renewManyHere([5n, 77n]), [10n, 0n]);
  t.equal(applied, 2);
  member.appliedUpTo = () => new Promise(() => undefined);
  const slow = leases.renewManyHere([5n]);
  slow.catch(() => undefined);
  await pass(clock, 1000);
  await t.rejects(slow, { code: 'TimeoutWaitApplied' });
});

t.test('a renewal takes a checkpointed time back first', async (t) => {
  const { leases, lessor, checkpoints } = made();
  lessor.checkpointed(5n, 4);
  t.equal(await leases.renew(5n), 10n);
  t.same(checkpoints, [{ id: 5n, remainingSeconds: 0 }]);
  t.equal(lessor.checkpointedSeconds(5n), 0);
  await leases.renew(5n);
  t.equal(checkpoints.length, 1);
});

t.test('a leader that cannot make sure of it says so', async (t) => {
  const { leases, asked } = made({
    confirmLeadership: async () => {
      throw MetaStoreError.of('NotPrimaryLessor');
    },
  });
  await t.rejects(leases.renew(5n), { code: 'NotPrimaryLessor' });
  await t.rejects(leases.renewHere(5n), { code: 'NotPrimaryLessor' });
  t.same(asked, []);
});

t.test('followers ask the leader and say no more than it', async (t) => {
  const { leases, lessor, asked, answers } = made({ isLeader: false, leader: 2n });
  lessor.demote();
  answers.push(60n, 59n, MetaStoreError.of('LeaseNotFound'), MetaStoreError.of('LeaseNotFound'));
  t.equal(await leases.renew(5n), 60n);
  t.match(await leases.timeToLive(5n, true), { ID: 5n, TTL: 59n });
  t.equal(await leases.renew(5n), 0n, 'the leader knows better than this member');
  t.equal(await leases.timeToLive(5n, false), null);
  t.same(asked.slice(0, 2), [
    ['http://p:2', 5n],
    ['http://p:2', 5n, true],
  ]);
  await t.rejects(leases.renewHere(5n), { code: 'NotPrimaryLessor' });
  await t.rejects(leases.timeToLiveHere(5n, false), { code: 'NotPrimaryLessor' });
});

t.test('through a change of leadership', async (t) => {
  const { leases, lessor, member, clock, answers } = made({ isLeader: false, leader: 2n });
  lessor.demote();
  answers.push(new PeerHttpError('400: not a primary lessor'), new PeerHttpError('refused'));
  const renewed = leases.renew(5n);
  await pass(clock, 50);
  member.isLeader = true;
  lessor.promote(0);
  await pass(clock, 100);
  t.equal(await renewed, 10n, 'this member has become the leader itself');
  lessor.demote();
  const looked = leases.timeToLive(5n, false);
  await new Promise(setImmediate);
  member.isLeader = false;
  answers.push(3n);
  await pass(clock, 100);
  t.match(await looked, { TTL: 3n }, 'it has lost that again, and asks the next one');
});

t.test('a renewal of a lease that is over ends with it', async (t) => {
  const { leases, lessor, clock } = made();
  clock.advance(10_001);
  const late = leases.renew(5n);
  await new Promise(setImmediate);
  lessor.revoked(5n);
  t.equal(await late, 0n);
});

t.test('without a leader', async (t) => {
  const { leases } = made({
    isLeader: false,
    leader: 0n,
    leaderKnown: async () => {
      throw MetaStoreError.of('NoLeader');
    },
  });
  await t.rejects(leases.renew(5n), { code: 'NoLeader' });
  await t.rejects(leases.timeToLive(5n, false), { code: 'NoLeader' });
});

t.test('many renewals in one turn, but for those that have to wait', async (t) => {
  const { leases, lessor, clock, member } = made();
  lessor.granted(6n, 20);
  lessor.granted(7n, 30);
  lessor.checkpointed(7n, 3);
  lessor.granted(8n, 1);
  clock.advance(2000);
  t.same(await leases.renewManyHere([5n, 6n, 7n, 8n, 9n]), [10n, 20n, 0n, 0n, 0n]);
  t.equal(lessor.timeToLive(6n)?.remainingSeconds, 20);
  t.equal(lessor.timeToLive(7n)?.remainingSeconds, 28, 'left alone');
  member.confirmLeadership = async () => {
    throw MetaStoreError.of('NotPrimaryLessor');
  };
  await t.rejects(leases.renewManyHere([5n]), { code: 'NotPrimaryLessor' });
  lessor.demote();
  await t.rejects(leases.renewManyHere([5n]), { code: 'NotPrimaryLessor' });
  t.equal(lessor.renewNow(5n), null);
});
