// Locks, elections and maintenance where users need permissions: the same calls in the name of the
// same users to every server, with the same answers. Called by upkeep.test.ts.

import { sleep } from '../../../support/wait.js';
import { ask, authCalls, type Call, calls, type Message, must } from '../../support/calls.js';
import type { Scenario, Transcript } from './transcript.js';

const bytes = (text: string): Buffer => Buffer.from(text);
const READWRITE = 2;

async function tokenOf(transcript: Transcript, name: string): Promise<string> {
  const request = { name, password: name };
  const { token } = await must(transcript.client, authCalls.authenticate, request);
  return token as string;
}

/** A root user, and one who may do everything below `mine/`. */
async function users(transcript: Transcript): Promise<Record<'root' | 'user', string>> {
  const call = (which: Call, request: Message) => must(transcript.client, which, request);
  await call(authCalls.userAdd, { name: 'root', password: 'root' });
  await call(authCalls.userGrantRole, { user: 'root', role: 'root' });
  await call(authCalls.userAdd, { name: 'user', password: 'user' });
  await call(authCalls.roleAdd, { name: 'some' });
  const perm = { permType: READWRITE, key: bytes('mine/'), range_end: bytes('mine0') };
  await call(authCalls.roleGrantPermission, { name: 'some', perm });
  await call(authCalls.userGrantRole, { user: 'user', role: 'some' });
  await call(authCalls.enable, {});
  return { root: await tokenOf(transcript, 'root'), user: await tokenOf(transcript, 'user') };
}

async function concurrencyAs(transcript: Transcript, who: string): Promise<void> {
  const named = (name: string, more: Message = {}) => ({ name: bytes(name), ...more });
  const call = (label: string, which: Call, request: Message) =>
    transcript.call(`${who}: ${label}`, which, request);
  await call('lock', calls.lock, named('mine/lock', { lease: 0x11n }));
  await call('another lock', calls.lock, named('lock', { lease: 0x11n }));
  await call('unlock', calls.unlock, { key: bytes('mine/lock/11') });
  await call('another unlock', calls.unlock, { key: bytes('lock/11') });
  await call('campaign', calls.campaign, named('mine/el', { lease: 0x11n, value: bytes(who) }));
  await call('another campaign', calls.campaign, named('el', { lease: 0x11n }));
  await call('leader', calls.leader, named('mine/el'));
  await call('another leader', calls.leader, named('el'));
  const key = { name: bytes('mine/el'), key: bytes('mine/el/11'), rev: 1n, lease: 0x11n };
  await call('proclaim', calls.proclaim, { leader: key, value: bytes('x') });
  await call('resign', calls.resign, { leader: { ...key, key: bytes('el/11') } });
  const observed = transcript.open(`${who}: observe`, calls.observe, named('el'));
  // Whether it ends shows by the time that other calls have gone back and forth.
  const ends: number[] = [];
  void observed.ended.then(({ code }) => ends.push(code));
  for (let i = 0; i < 10 && ends.length === 0; i++) {
    await sleep(100);
    await ask(transcript.client, calls.leader, named('mine/el'), { timeoutMs: 10_000 });
  }
  transcript.note(`${who}: observing`, ends[0] ?? 'goes on');
}

async function maintenanceAs(transcript: Transcript, who: string): Promise<void> {
  const call = (label: string, which: Call, request: Message) =>
    transcript.call(`${who}: ${label}`, which, request);
  await call('alarms', calls.alarm, {});
  await call('alarm', calls.alarm, { action: 1, alarm: 1, memberID: 5n });
  await call('no alarm', calls.alarm, { action: 2, alarm: 1, memberID: 5n });
  await call('defragment', calls.defragment, {});
  await call('downgrade', calls.downgrade, { action: 0, version: '3.6' });
  await call('odd downgrade', calls.downgrade, { action: 7, version: 'x' });
  await call('cancel', calls.downgrade, { action: 2 });
  await call('hash of keys', calls.hashKv, {});
  await call('health', calls.healthCheck, {});
  for (const which of [calls.status, calls.hash, calls.memberList]) {
    const metadata = transcript.token === null ? {} : { token: transcript.token };
    const { code, text } = await ask(transcript.client, which, {}, { metadata });
    transcript.note(`${who}: ${which.name}`, [code, text]);
  }
}

async function withUsers(transcript: Transcript): Promise<void> {
  await must(transcript.client, calls.leaseGrant, { TTL: 600n, ID: 0x11n });
  const { root, user } = await users(transcript);
  const callers = [
    ['nobody', null],
    ['user', user],
    ['root', root],
    ['stranger', 'abcdefghijklmnop.1'],
  ] as const;
  for (const [who, token] of callers) {
    transcript.token = token;
    await concurrencyAs(transcript, who);
    await maintenanceAs(transcript, who);
  }
}

export const withAuth: readonly Scenario[] = [{ name: 'with users', run: withUsers }];
