// Tests of a member that decides alone: native code applies what it has made durable before Raft
// knows that it is committed, and wakes nobody for it.

import t from 'tap';

import { createLogger } from '../../../../src/base/log/logger.js';
import { ConfChangeType } from '../../../../src/raft/index.js';
import { Member } from '../../../../src/server/member.js';
import { FakeAddon, type FakeCore, memberOptions } from '../../../support/fakes/fake-core.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';
import { noPeers } from '../../../support/fakes/no-peers.js';
import { methods } from '../../../support/sim/double/records.js';

const log = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);

const options = memberOptions((message) => {
  throw new Error(message);
});

async function turns(): Promise<void> {
  for (let i = 0; i < 6; i++) {
    await new Promise(setImmediate);
  }
}

async function started() {
  const addon = new FakeAddon();
  const clock = new ManualClock();
  const member = await Member.open(addon, options, clock, log, noPeers);
  const core = addon.core as FakeCore;
  const ready = member.start();
  for (let i = 0; i < 12; i++) {
    await turns();
    core.flushLog();
    core.applyAll();
  }
  await ready;
  await turns();
  return { member, core, clock };
}

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
