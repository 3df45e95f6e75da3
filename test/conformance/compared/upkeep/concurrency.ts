// Locks and elections: the same calls to every server, with the same answers.
// Called by upkeep.test.ts.

import { sleep, waitFor } from '../../../support/wait.js';
import { ask, calls, type Message } from '../../support/calls.js';
import type { Scenario, Transcript } from './transcript.js';

const bytes = (text: string): Buffer => Buffer.from(text);
const name = (text: string): Message => ({ name: bytes(text) });

/** Time for a call to arrive and to begin to wait. */
const arriveMs = 300;

async function grant(transcript: Transcript, ...ids: readonly bigint[]): Promise<void> {
  for (const ID of ids) {
    await transcript.call(`grant ${ID}`, calls.leaseGrant, { TTL: 600n, ID });
  }
}

/** Waits until there are so many keys: a call has begun to wait, or what it left is gone. */
async function keysAre(transcript: Transcript, prefix: string, count: bigint): Promise<void> {
  const request = { key: bytes(prefix), range_end: bytes(`${prefix.slice(0, -1)}0`) };
  await waitFor(`${count} keys below ${prefix}`, async () => {
    const { message } = await ask(transcript.client, calls.range, request);
    return message?.count === count;
  });
}

async function keysBelow(transcript: Transcript, prefix: string): Promise<void> {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  const request = { key: bytes(prefix), range_end: end };
  await transcript.call(`keys below ${prefix}`, calls.range, request);
}

async function locks(transcript: Transcript): Promise<void> {
  await grant(transcript, 0x4dn, 0x4en, 0x4fn, -0x4dn);
  const lock = (lease: bigint, lockName = 'lock') => ({ name: bytes(lockName), lease });
  await transcript.call('lock', calls.lock, lock(0x4dn));
  await transcript.call('lock again', calls.lock, lock(0x4dn));
  await transcript.call('lock without a name', calls.lock, lock(0x4dn, ''));
  await transcript.call('lock by a negative lease', calls.lock, lock(-0x4dn, 'negative'));
  await transcript.call('lock by an unknown lease', calls.lock, lock(0x99n, 'other'));
  await transcript.call('lock with a deadline', calls.lock, lock(0x4en), 3000);
  await keysAre(transcript, 'lock/', 1n);
  await keysBelow(transcript, 'lock/');
  const second = transcript.begin('second', calls.lock, lock(0x4en));
  await keysAre(transcript, 'lock/', 2n);
  const third = transcript.begin('third', calls.lock, lock(0x4fn));
  await keysAre(transcript, 'lock/', 3n);
  await keysBelow(transcript, 'lock/');
  await transcript.call('unlock', calls.unlock, { key: bytes('lock/4d') });
  await second.end();
  await transcript.call('revoke', calls.leaseRevoke, { ID: 0x4en });
  await third.end();
  await transcript.call('unlock nothing', calls.unlock, { key: bytes('nowhere') });
  await transcript.call('unlock without a key', calls.unlock, {});
  await keysBelow(transcript, 'lock/');
}

/** The lease of a waiting lock goes away; then its turn comes. */
async function lostSession(transcript: Transcript): Promise<void> {
  await grant(transcript, 0x51n, 0x52n);
  await transcript.call('lock', calls.lock, { name: bytes('lost'), lease: 0x51n });
  const waiting = transcript.begin('waiting', calls.lock, { name: bytes('lost'), lease: 0x52n });
  await keysAre(transcript, 'lost/', 2n);
  await transcript.call('revoke', calls.leaseRevoke, { ID: 0x52n });
  await transcript.call('unlock', calls.unlock, { key: bytes('lost/51') });
  await waiting.end();
  await keysBelow(transcript, 'lost/');
}

async function elections(transcript: Transcript): Promise<void> {
  await grant(transcript, 0x61n, 0x62n);
  const campaign = (lease: bigint, value: string) => ({
    ...name('el'),
    lease,
    value: bytes(value),
  });
  const leaderKey = (rev: bigint, lease = 0x61n) => ({
    ...name('el'),
    key: bytes(`el/${lease.toString(16)}`),
    rev,
    lease,
  });
  await transcript.call('nobody leads', calls.leader, name('el'));
  await transcript.call('campaign', calls.campaign, campaign(0x61n, 'one'));
  await transcript.call('campaign again', calls.campaign, campaign(0x61n, 'two'));
  await transcript.call('leader', calls.leader, name('el'));
  await transcript.call('campaign by an unknown lease', calls.campaign, campaign(0x99n, 'x'));
  await transcript.call('campaign with a deadline', calls.campaign, campaign(0x62n, 'late'), 3000);
  await keysAre(transcript, 'el/', 1n);
  await keysBelow(transcript, 'el/');
  await transcript.call('proclaim nothing', calls.proclaim, { value: bytes('x') });
  await transcript.call('resign nothing', calls.resign, {});
  const stale = { leader: leaderKey(1n), value: bytes('x') };
  await transcript.call('proclaim at another revision', calls.proclaim, stale);
  await transcript.call('resign at another revision', calls.resign, { leader: leaderKey(1n) });
  await transcript.call('leader still', calls.leader, name('el'));
  const current = { leader: leaderKey(2n), value: bytes('three') };
  await transcript.call('proclaim', calls.proclaim, current);
  const second = transcript.begin('second', calls.campaign, campaign(0x62n, 'second'));
  await keysAre(transcript, 'el/', 2n);
  await keysBelow(transcript, 'el/');
  await transcript.call('resign', calls.resign, { leader: leaderKey(2n) });
  await second.end();
  await transcript.call('leader', calls.leader, name('el'));
}

async function observed(transcript: Transcript): Promise<void> {
  await grant(transcript, 0x71n, 0x72n);
  const said = (count: number) => {
    return waitFor(`${count} leaders`, () => transcript.said.length >= count);
  };
  const campaign = (lease: bigint, value: string) => ({
    ...name('ob'),
    lease,
    value: bytes(value),
  });
  transcript.open('before anybody', calls.observe, name('ob'));
  await sleep(arriveMs);
  await transcript.call('campaign', calls.campaign, campaign(0x71n, 'one'));
  await said(1);
  await transcript.call('campaign again', calls.campaign, campaign(0x71n, 'two'));
  await said(2);
  const second = transcript.begin('second', calls.campaign, campaign(0x72n, 'second'));
  await keysAre(transcript, 'ob/', 2n);
  await transcript.call('revoke', calls.leaseRevoke, { ID: 0x71n });
  await second.end();
  await said(3);
  transcript.open('one who comes late', calls.observe, name('ob'));
  await said(4);
}

export const concurrency: readonly Scenario[] = [
  { name: 'locks', run: locks },
  { name: 'a lost session', run: lostSession },
  { name: 'elections', run: elections },
  { name: 'an observed election', run: observed },
];
