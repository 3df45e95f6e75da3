// Tests of what calls of the data plane ask of a member: native code puts their requests into the
// queues by itself and only says that something waits. One wake-up serves however many, and no
// turn of the loop is spent on the word alone.

import t from 'tap';

import { settle, startedMember as started, turns } from '../../../support/fakes/running-member.js';
import { methods } from '../../../support/sim/double/records.js';

t.test('proposals of the plane are taken without a handler that knows of them', async (t) => {
  const { member, core } = await started();
  const tickets = Array.from({ length: 20 }, (_, i) =>
    core.submitOfPlane(methods.Put, Buffer.from(`put ${i}`)),
  );
  await turns();
  t.equal(core.appends.length, 1, 'one write for all of them');
  t.equal(core.ofPlane.size, 0, 'nothing is acknowledged before it is durable');
  await settle(core);
  t.same(
    tickets.map((ticket) => core.ofPlane.get(ticket)),
    tickets.map((_, i) => ({ code: 0, reply: `put ${i}` })),
  );
  await member.stop();
});

t.test('reads of the plane get a round of their own', async (t) => {
  const { member, core } = await started();
  const first = core.submitOfPlane(methods.Range, Buffer.from('r'));
  const second = core.submitOfPlane(methods.Range, Buffer.from('r'));
  await turns();
  for (const ticket of [first, second]) {
    t.same(core.ofPlane.get(ticket), { code: 0, reply: `read at ${core.committed}` });
  }
  await member.stop();
});

t.test('requests of both kinds are served by one word', async (t) => {
  const { member, core } = await started();
  const put = core.submitOfPlane(methods.Put, Buffer.from('put'));
  const read = core.submitOfPlane(methods.Range, Buffer.from('r'));
  await settle(core);
  t.same(core.ofPlane.get(put), { code: 0, reply: 'put' });
  t.match(core.ofPlane.get(read), { code: 0, reply: /^read at/ });
  await member.stop();
});

t.test('the word for a proposal costs no turn but its own', async (t) => {
  const { member, core } = await started();
  await settle(core);
  const before = member.turns;
  core.submitOfPlane(methods.Range, Buffer.from('r'));
  await turns();
  // The turn that takes the word asks, and Raft answers within it, as this member is alone.
  t.equal(member.turns - before, 1);
  await member.stop();
});

t.test('a stop ends what the plane waits for', async (t) => {
  const { member, core } = await started();
  const put = core.submitOfPlane(methods.Put, Buffer.from('put'));
  await member.stop();
  t.equal(core.ofPlane.get(put)?.code, member.errors.codeOf('Stopped'));
});
