// Ticks of the replica loop: a leader's run at once, so that heartbeats do not queue behind other
// work; everybody else's, and those after a stall, behind what has come in by then.

import t from 'tap';

import { Member } from '../../../../src/server/member.js';
import { FakeAddon, type FakeCore } from '../../../support/fakes/fake-core.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';
import { noPeers } from '../../../support/fakes/no-peers.js';
import { settle, silentLog, strictOptions, turns } from '../../../support/fakes/running-member.js';

/** A clock that can go on without its timers, as that of a process that was stopped. */
class StallingClock extends ManualClock {
  stalledMs = 0;

  override nowMs(): number {
    return super.nowMs() + this.stalledMs;
  }
}

async function open() {
  const addon = new FakeAddon();
  const clock = new StallingClock();
  const member = await Member.open(addon, strictOptions, clock, silentLog, noPeers);
  return { clock, member, core: addon.core as FakeCore };
}

async function leading() {
  const all = await open();
  const ready = all.member.start();
  await settle(all.core);
  await ready;
  await turns();
  // What was decided alone has been looked at.
  all.clock.advance(5);
  await turns();
  return all;
}

const tickMs = 100;

t.test('a leader takes a turn within the tick', async (t) => {
  const { clock, member } = await leading();
  t.equal(member.isLeader, true);
  const before = member.turns;
  clock.advance(tickMs);
  t.equal(member.turns, before + 1);
  clock.advance(tickMs);
  t.equal(member.turns, before + 2);
  await turns();
  t.equal(member.turns, before + 2, 'and no second one for the same tick');
  await member.stop();
});

t.test('who does not lead lets go first what has come in', async (t) => {
  const { clock, member } = await open();
  const started = member.start();
  started.catch(() => undefined);
  t.equal(member.isLeader, false);
  const before = member.turns;
  clock.advance(tickMs);
  t.equal(member.turns, before, 'not yet');
  await turns();
  t.ok(member.turns > before);
  await member.stop();
  await t.rejects(started, { code: 'Stopped' });
});

t.test('after a stall a leader reads first what has come in', async (t) => {
  const { clock, member } = await leading();
  clock.advance(tickMs);
  clock.stalledMs += 5_000;
  const before = member.turns;
  clock.advance(tickMs);
  t.equal(member.turns, before, 'not within the tick');
  await turns();
  t.equal(member.turns, before + 1);
  clock.advance(tickMs);
  t.equal(member.turns, before + 2, 'then as before');
  await member.stop();
});
