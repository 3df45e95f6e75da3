// Tests of src/server/member.ts and the replica loop over a double of the native core, with a clock
// that stands still: orders of things that a real process shows only by chance.

import t from 'tap';

import {
  openMember as open,
  settle,
  startedMember as started,
  turns,
} from '../../support/fakes/running-member.js';

type Outcome = { readonly reply?: string; readonly code?: string };

/** What became of a promise so far. */
function follow(promise: Promise<Buffer>): { outcome: Outcome | null } {
  const state: { outcome: Outcome | null } = { outcome: null };
  promise.then(
    (reply) => {
      state.outcome = { reply: reply.toString() };
    },
    (error: { code: string }) => {
      state.outcome = { code: error.code };
    },
  );
  return state;
}

t.test('a fresh member makes its cluster, leads, and publishes itself', async (t) => {
  const { member, core } = await started();
  t.equal(member.isLeader, true);
  t.equal(member.raftTerm, 2);
  t.match(member.membership.list(), [
    { name: 'm1', peerUrls: ['http://p'], clientUrls: ['http://c'], isLearner: false },
  ]);
  t.equal(member.membership.version, '3.7.0');
  t.ok([...core.meta.keys()].some((key) => key.startsWith('members/')));
  t.ok(core.meta.has('conf_state'));
  t.equal(core.header.at(-1)?.term, 2, 'response headers have the new term');
  t.ok(member.lessor.isPrimary);
  await member.stop();
  t.ok(core.closed);
});

t.test('nothing is acknowledged before it is durable and applied', async (t) => {
  const { member, core } = await started();
  const put = follow(member.execute('Put', Buffer.from('one')));
  await turns();
  t.equal(core.log.at(-1)?.data?.toString(), 'one', 'handed to the log at once');
  t.equal(core.applyTarget, core.appliedIndex, 'not to be applied yet');
  t.equal(put.outcome, null);
  core.flushLog();
  await turns();
  t.ok(core.applyTarget > core.appliedIndex, 'committed, to be applied');
  t.equal(put.outcome, null);
  core.applyAll();
  await turns();
  t.same(put.outcome, { reply: 'one' });
  await member.stop();
});

t.test('the next batch is handed over while the last is being written', async (t) => {
  const { member, core } = await started();
  const first = follow(member.execute('Put', Buffer.from('one')));
  await turns();
  t.equal(core.appends.length, 1);
  const second = Array.from({ length: 50 }, (_, i) =>
    follow(member.execute('Put', Buffer.from(`two ${i}`))),
  );
  await turns();
  t.equal(core.appends.length, 2, 'one write for all that waited');
  t.equal(core.log.length - core.committed, 51);
  await settle(core);
  t.same(first.outcome, { reply: 'one' });
  second.forEach(({ outcome }, i) => {
    t.same(outcome, { reply: `two ${i}` });
  });
  await member.stop();
});

t.test('refusals of admission come at once with their meaning', async (t) => {
  const { member, core, addon } = await started();
  core.refuseWith = addon.errors.findIndex((row) => row.name === 'EmptyKey');
  await t.rejects(member.execute('Put', Buffer.alloc(0)), { code: 'EmptyKey' });
  await member.stop();
});

t.test('linearizable reads wait for a confirmed index', async (t) => {
  const { member, core } = await started();
  const reads = [1, 2, 3].map(() => follow(member.execute('Range', Buffer.from('r'))));
  await turns();
  reads.forEach(({ outcome }) => {
    t.same(outcome, { reply: `read at ${core.committed}` });
  });
  await t.resolves(member.linearizable());
  await member.stop();
});

t.test('without a leader proposals and reads end after the request timeout', async (t) => {
  const { member, core, clock } = await open();
  const ready = member.start();
  ready.catch(() => undefined);
  await turns();
  const put = follow(member.execute('Put', Buffer.from('x')));
  const read = follow(member.execute('Range', Buffer.from('x')));
  const keepAlive = follow(member.leaderKnown().then(() => Buffer.from('known')));
  for (let waited = 0; waited < 6900; waited += 100) {
    clock.advance(100);
    await turns();
  }
  t.equal(put.outcome, null, 'still within its time');
  t.equal(read.outcome, null);
  for (let waited = 0; waited < 400; waited += 100) {
    clock.advance(100);
    await turns();
  }
  t.same(put.outcome, { code: 'DeadlineExceeded' }, 'never handed to Raft');
  t.same(read.outcome, { code: 'Timeout' });
  t.same(keepAlive.outcome, { code: 'NoLeader' });
  t.notOk(
    core.log.some((entry) => entry.data?.toString() === 'x'),
    'and never will be',
  );
  const stopped = t.rejects(ready, { code: 'Stopped' });
  await member.stop();
  await stopped;
});

t.test('a proposal that Raft has may still come through after its timeout', async (t) => {
  const { member, core, clock } = await started();
  // Long after the election, so that the leader is not to blame.
  for (let waited = 0; waited < 3000; waited += 100) {
    clock.advance(100);
    await settle(core);
  }
  const put = follow(member.execute('Put', Buffer.from('late')));
  for (let waited = 0; waited < 7300; waited += 100) {
    clock.advance(100);
    await turns();
  }
  t.same(put.outcome, { code: 'Timeout' });
  await settle(core);
  t.equal(core.log.at(-1)?.data?.toString(), 'late');
  t.equal(core.appliedIndex, core.log.length, 'applied, though nobody waits for it');
  await member.stop();
});

t.test('a restart applies again what was logged, and leads in a new term', async (t) => {
  const { member, core, addon } = await started();
  member.execute('Put', Buffer.from('kept')).catch(() => undefined);
  await turns();
  core.flushLog();
  await turns();
  const before = core.appliedIndex;
  await member.stop();
  const again = await started(addon);
  t.ok(again.core.appliedIndex > before);
  t.equal(again.core.log[before]?.data?.toString(), 'kept');
  t.equal(again.member.raftTerm, 3);
  t.equal(again.member.isLeader, true);
  t.match(again.member.membership.list(), [{ name: 'm1' }]);
  await again.member.stop();
});

t.test('stopping ends whatever waits', async (t) => {
  const { member, core } = await started();
  const put = follow(member.execute('Put', Buffer.from('x')));
  const read = follow(member.appliedUpTo(1e6).then(() => Buffer.alloc(0)));
  await turns();
  await member.stop();
  await turns();
  t.same(put.outcome, { code: 'Stopped' });
  t.same(read.outcome, { code: 'Stopped' });
  await t.rejects(member.execute('Put', Buffer.alloc(0)), { code: 'Stopped' });
  await t.rejects(member.linearizable(), { code: 'Stopped' });
  t.ok(core.closed);
  await member.stop();
});

t.test('checkpoints come with the entries, and the log is cut behind them', async (t) => {
  const { member, core, clock } = await started();
  for (let i = 0; i < 30; i++) {
    member.execute('Put', Buffer.from(`${i}`)).catch(() => undefined);
  }
  await settle(core);
  t.equal(core.checkpoints, 0);
  clock.advance(100);
  await settle(core);
  t.equal(core.checkpoints, 1);
  clock.advance(1000);
  await settle(core);
  t.equal(core.checkpoints, 1, 'one at a time');
  t.equal(core.truncatedTo, null, 'nothing is cut before it is durable');
  core.finishCheckpoint();
  await settle(core);
  t.equal(core.truncatedTo, core.appliedIndex - 5);
  await settle(core);
  const put = follow(member.execute('Put', Buffer.from('after')));
  await settle(core);
  t.same(put.outcome, { reply: 'after' });
  await member.stop();
});
