// Tests of the way from native code into src/server/member.ts. Node.js only warns of what a
// callback from native code throws, so a broken member would go on without the completions that
// came behind: it has to end instead.

import t from 'tap';

import { createLogger } from '../../../src/base/log/logger.js';
import { Member } from '../../../src/server/member.js';
import { FakeAddon, type FakeCore, memberOptions } from '../../support/fakes/fake-core.js';
import { ManualClock } from '../../support/fakes/manual-clock.js';
import { noPeers } from '../../support/fakes/no-peers.js';

const log = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);

t.test('a member that fails on a completion ends the process', async (t) => {
  const failures: string[] = [];
  const addon = new FakeAddon();
  const clock = new ManualClock();
  const member = await Member.open(
    addon,
    memberOptions((message) => failures.push(message)),
    clock,
    log,
    noPeers,
  );
  const core = addon.core as FakeCore;
  const started = member.start();
  started.catch(() => undefined);
  let drained = 0;
  core.drain = () => {
    drained++;
    throw new Error('a broken record');
  };
  member.onWake();
  t.match(failures, [/a broken record/], 'told once, with the reason');
  await new Promise(setImmediate);
  clock.advance(1000);
  await new Promise(setImmediate);
  member.onWake();
  t.equal(drained, 1, 'nothing runs behind it');
  await member.stop();
  await t.rejects(started, { code: 'Stopped' });
});
