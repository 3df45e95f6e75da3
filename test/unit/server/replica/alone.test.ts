// Tests of a member that decides alone: native code applies what it has made durable before Raft
// knows that it is committed, and wakes nobody for it.

import t from 'tap';

import { ConfChangeType } from '../../../../src/raft/index.js';
import { startedMember as started, turns } from '../../../support/fakes/running-member.js';
import { methods } from '../../../support/sim/double/records.js';

t.test('a sole voter lets native code commit what is durable', async (t) => {
  const { member, core } = await started();
  const before = core.committed;
  const ticket = core.submitOfPlane(methods.Put, Buffer.from('put'));
  await turns();
  const { decided } = core.appends[0] ?? { decided: 0 };
  t.equal(decided, before + 1, 'the write carries the permission');
  // Durable and applied before the loop has had a turn.
  core.flushLog();
  core.applyAll();
  t.same(core.ofPlane.get(ticket), { code: 0, reply: 'put' });
  await turns();
  t.equal(member.appliedIndex, before + 1);
  t.equal(member.committedIndex, before + 1, 'and Raft agrees');
  const next = core.submitOfPlane(methods.Put, Buffer.from('next'));
  await turns();
  core.flushLog();
  core.applyAll();
  await turns();
  t.same(core.ofPlane.get(next), { code: 0, reply: 'next' });
  t.equal(member.committedIndex, before + 2, 'it goes on');
  await member.stop();
});

t.test('with a change of the membership under way nothing is decided alone', async (t) => {
  const { member, core } = await started();
  const type = ConfChangeType.AddNode;
  const change = member.proposeConfChange({ id: 9n, type, nodeId: 7n, context: null });
  change.catch(() => undefined);
  await turns();
  t.equal(core.appends[0]?.decided, 0, 'the change itself');
  core.submitOfPlane(methods.Put, Buffer.from('put'));
  await turns();
  t.equal(core.appends.at(-1)?.decided, 0, 'and what comes behind it');
  await member.stop();
});
