// Tests of src/server/membership/announcements.ts over a double of the member. A member that still
// applies its log refuses proposals at once: asking again without a pause would keep it from ever
// applying.

import t from 'tap';

import { systemClock } from '../../../../src/base/clock.js';
import { MetaStoreError } from '../../../../src/base/errors.js';
import { createLogger } from '../../../../src/base/log/logger.js';
import { Announcements, type Announcer } from '../../../../src/server/membership/announcements.js';
import type { MemberOptions } from '../../../../src/server/options.js';
import { Alarms } from '../../../../src/state/alarms.js';

function made(propose: () => Promise<Buffer>) {
  const lines: string[] = [];
  const log = createLogger(
    { level: 'warn', format: 'json', outputs: [] },
    { write: (line) => lines.push(String(line)), close: () => undefined },
  );
  const options = { name: 'm1', clientUrls: ['http://127.0.0.1:2379'] } as unknown as MemberOptions;
  const member = { id: 1n, clusterId: 2n, options, alarms: new Alarms(), stopping: false };
  const announcer: Announcer & { stopping: boolean } = {
    ...member,
    propose,
    execute: async () => Buffer.alloc(0),
  };
  return { announcer, lines, announcements: new Announcements(announcer, systemClock, log) };
}

// Reproduces: with more than 5,000 entries to apply again, the memory engine never became ready
// and filled its log.
t.test('a refused announcement leaves the loop its turns', async (t) => {
  let tries = 0;
  let hasApplied = false;
  setTimeout(() => {
    hasApplied = true;
  }, 50);
  const { announcements, lines } = made(async () => {
    tries++;
    if (!hasApplied) throw MetaStoreError.of('TooManyRequests');
    return Buffer.alloc(0);
  });
  const alive = setInterval(() => undefined, 1000);
  await announcements.attributes();
  clearInterval(alive);
  t.ok(tries > 1 && tries < 20, `${tries} tries in 50 ms`);
  t.equal(lines.length, 1, 'the reason is logged once');
});

t.test('a member that stops gives up', async (t) => {
  const { announcer, announcements } = made(async () => {
    announcer.stopping = true;
    throw MetaStoreError.of('Stopped');
  });
  await t.rejects(announcements.attributes(), { code: 'Stopped' });
});
