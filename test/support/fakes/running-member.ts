// A member over a double of the native core, with a clock that stands still: opened, started, and
// moved on by hand. For tests of the replica loop and of what stands around it.

import { createLogger } from '../../../src/base/log/logger.js';
import { Member } from '../../../src/server/member.js';
import { FakeAddon, type FakeCore, memberOptions } from './fake-core.js';
import { ManualClock } from './manual-clock.js';
import { noPeers } from './no-peers.js';

/** A log that nobody reads. */
export const silentLog = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);

/** Options of a member whose fatal failure fails the test. */
export const strictOptions = memberOptions((message) => {
  throw new Error(message);
});

/** Lets the loop take its turns. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 6; i++) {
    await new Promise(setImmediate);
  }
}

/** Lets the loop and the native side go on until nothing moves any more. */
export async function settle(core: FakeCore): Promise<void> {
  for (let i = 0; i < 12; i++) {
    await turns();
    core.flushLog();
    core.applyAll();
  }
  await turns();
}

export async function openMember(addon = new FakeAddon()) {
  const clock = new ManualClock();
  const member = await Member.open(addon, strictOptions, clock, silentLog, noPeers);
  return { addon, clock, member, core: addon.core as FakeCore };
}

/** A member that leads and has published itself. */
export async function startedMember(addon = new FakeAddon()) {
  const all = await openMember(addon);
  const ready = all.member.start();
  await settle(all.core);
  await ready;
  return all;
}
