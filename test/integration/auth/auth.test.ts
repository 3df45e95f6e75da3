// Authentication of a real process, on both engines: how long tokens live, what ends them, what a
// member does by itself while users are held to their permissions, permissions that change under
// load, and logins that nobody can flood a server with.

import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import t from 'tap';

import { authCalls, calls } from '../../conformance/support/calls.js';
import { MemberProcess } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { sleep, waitFor } from '../../support/wait.js';
import {
  DENIED,
  INVALID_TOKEN,
  NO_USER,
  OLD_REVISION,
  ROOT_PASSWORD,
  Session,
  Type,
} from './session.js';

t.setTimeout(300_000);

function health(endpoint: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(`http://${endpoint}/health`, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
      });
      response.on('end', () => resolve(body));
    }).on('error', reject);
  });
}

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(engine, async (t) => {
    const flags = ['--bcrypt-cost=4', '--auth-token-ttl=2'];
    const member = await MemberProcess.start({ engine, flags });
    const sessions: Session[] = [];
    const session = (token = '') => {
      const made = new Session(member.endpoint, token);
      sessions.push(made);
      return made;
    };
    t.teardown(async () => {
      for (const open of sessions) open.close();
      await member.stop();
    });
    const root = session();
    await root.enable();
    await root.addUser('ann', Type.ReadWrite, 'a', 'm');
    const relog = () => root.login('root', ROOT_PASSWORD);

    t.test('a token lives as long as it is used', async (t) => {
      const ann = session();
      const idle = session();
      const isUsedAllAlong = async () => {
        await ann.login('ann', 'ann');
        await idle.login('ann', 'ann');
        let usedMs = performance.now();
        for (let i = 0; i < 6; i++) {
          await sleep(700);
          const outcome = await ann.put('a');
          const pausedMs = performance.now() - usedMs;
          // The machine stood still, so that two seconds may have gone by.
          if (outcome !== 'ok' && pausedMs > 1500) return false;
          t.equal(outcome, 'ok');
          usedMs = performance.now();
        }
        return true;
      };
      await waitFor('four seconds without a pause', isUsedAllAlong, 60_000);
      t.equal(await idle.put('a'), INVALID_TOKEN);
      t.equal(await session('abc.1').put('a'), INVALID_TOKEN);
      const startMs = Date.now();
      const made = session('abcdefghijklmnop.99999999');
      t.match(await made.try(calls.put, { key: Buffer.from('a') }, 400), /^4 /);
      t.ok(Date.now() - startMs >= 390, 'it waits as long as the caller does');
    });

    t.test('what ends tokens at once', async (t) => {
      await relog();
      const ann = session();
      await ann.login('ann', 'ann');
      await root.must(authCalls.userChangePassword, { name: 'ann', password: 'new' });
      t.equal(await ann.put('a'), INVALID_TOKEN);
      t.match(
        await ann.ask(authCalls.authenticate, { name: 'ann', password: 'ann' }),
        /invalid user/,
      );
      await ann.login('ann', 'new');
      await root.must(authCalls.userRevokeRole, { name: 'ann', role: 'ann' });
      t.equal(await ann.put('a'), DENIED, 'roles change under the same token');
      await root.must(authCalls.userGrantRole, { user: 'ann', role: 'ann' });
      t.equal(await ann.put('a'), 'ok');
      await root.must(authCalls.userDelete, { name: 'ann' });
      t.equal(await ann.put('a'), INVALID_TOKEN);
      await root.must(authCalls.userAdd, { name: 'ann', password: 'ann' });
      await root.must(authCalls.userGrantRole, { user: 'ann', role: 'ann' });
      t.equal(await ann.put('a'), INVALID_TOKEN, 'another user of the same name');
      await ann.login('ann', 'ann');
      await root.must(authCalls.disable, {});
      t.equal(await ann.put('z'), 'ok', 'off: anything goes, whatever the token');
      await session().must(authCalls.enable, {});
      t.equal(await ann.put('a'), INVALID_TOKEN);
      t.equal(await root.put('a'), INVALID_TOKEN);
      t.equal(await session().put('a'), NO_USER);
      await relog();
    });

    t.test('what a member does by itself', async (t) => {
      await relog();
      t.match(await health(member.endpoint), /"health":"true"/);
      await root.must(calls.leaseGrant, { ID: 7n, TTL: 2n });
      t.equal(await root.put('leased', 'v', 7n), 'ok');
      await waitFor('the key to go with its lease', async () => {
        await relog();
        const { count } = await root.must(calls.range, { key: Buffer.from('leased') });
        return count === 0n;
      });
    });

    t.test('leases are held to their keys', async (t) => {
      await relog();
      await root.must(calls.leaseGrant, { ID: 8n, TTL: 1000n });
      t.equal(await root.put('z', 'v', 8n), 'ok');
      const ann = session();
      await ann.login('ann', 'ann');
      t.equal(await ann.put('a', 'v', 8n), DENIED, 'the lease has a key that is not hers');
      t.equal(await ann.try(calls.leaseRevoke, { ID: 8n }), DENIED);
      t.equal(await ann.try(calls.leaseTimeToLive, { ID: 8n, keys: true }), DENIED);
      t.equal(await ann.try(calls.leaseTimeToLive, { ID: 8n }), 'ok');
      t.equal(await ann.try(calls.leaseLeases, {}), DENIED);
      t.equal(await session().try(calls.leaseGrant, { ID: 9n, TTL: 1000n }), NO_USER);
      t.equal(await root.try(calls.leaseRevoke, { ID: 8n }), 'ok');
    });

    t.test('permissions that change under load', async (t) => {
      await relog();
      const ends = new Map<string, number>();
      let running = true;
      const writer = async () => {
        const ann = session();
        await ann.login('ann', 'ann');
        while (running) {
          const end = await ann.put('b');
          ends.set(end, (ends.get(end) ?? 0) + 1);
        }
      };
      const writers = [writer(), writer(), writer()];
      const probe = session();
      await probe.login('ann', 'ann');
      for (let i = 0; i < 25; i++) {
        await root.revoke('ann', 'a', 'm');
        t.equal(await probe.put('b'), DENIED, 'revoked is revoked');
        t.equal(await probe.get('b', '', true), DENIED, 'for reads of this member too');
        await root.grant('ann', Type.ReadWrite, 'a', 'm');
        t.equal(await probe.put('b'), 'ok');
        t.equal(await probe.get('b'), 'ok');
      }
      running = false;
      await Promise.all(writers);
      const known = new Set(['ok', DENIED, OLD_REVISION]);
      t.same(
        [...ends.keys()].filter((end) => !known.has(end)),
        [],
      );
      t.ok((ends.get('ok') ?? 0) > 0 && (ends.get(DENIED) ?? 0) > 0, JSON.stringify([...ends]));
    });

    t.test('a restart', async (t) => {
      await relog();
      const ann = session();
      const old = await ann.login('ann', 'ann');
      await member.kill();
      await member.restart();
      const again = session(old);
      t.equal(await again.put('a'), INVALID_TOKEN, 'tokens do not outlive their member');
      await again.login('ann', 'ann');
      t.equal(await again.put('a'), 'ok');
      t.equal(await again.put('z'), DENIED, 'users, roles and permissions do');
      const back = session();
      await back.login('root', ROOT_PASSWORD);
      await back.must(authCalls.disable, {});
      await member.stop();
      await member.restart();
      const off = await session().must(authCalls.status, {});
      t.equal(off.enabled, false);
      t.ok((off.authRevision as bigint) > 10n);
    });
  });
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const fromMs = performance.now();
  await work();
  return performance.now() - fromMs;
}

t.test('logins that nobody needs hold nobody up', async (t) => {
  const member = await MemberProcess.start({ engine: 'memory', flags: ['--bcrypt-cost=11'] });
  const root = new Session(member.endpoint);
  t.teardown(async () => {
    root.close();
    await member.stop();
  });
  await root.enable();
  const before = await root.must(calls.status, {});
  const loginMs = await timeOf(() => root.login('root', ROOT_PASSWORD));
  const attackers = Array.from({ length: 20 }, () => new Session(member.endpoint));
  const tries = attackers.flatMap((attacker) =>
    Array.from({ length: 40 }, () =>
      attacker.try(authCalls.authenticate, { name: 'root', password: 'x' }, 3000),
    ),
  );
  const times: number[] = [];
  for (let i = 0; i < 50; i++) {
    times.push(await timeOf(async () => t.equal(await root.put('k'), 'ok')));
    await sleep(20);
  }
  const ends = new Set(await Promise.all(tries));
  for (const attacker of attackers) attacker.close();
  t.ok(ends.has('2 etcdserver: too many requests'), 'the queue is bounded');
  const after = await root.must(calls.status, {});
  t.equal(after.raftTerm, before.raftTerm, 'no election');
  const slowest = Math.max(...times);
  const most = Math.max(1500, 10 * loginMs);
  t.ok(slowest < most, `the slowest of 50 puts took ${slowest.toFixed()} of ${most.toFixed()} ms`);
});

t.test('signed tokens', async (t) => {
  const secret = join(tempDir('jwt'), 'secret');
  writeFileSync(secret, 'a secret of enough bytes to be one');
  const flags = ['--bcrypt-cost=4', `--auth-token=jwt,sign-method=HS512,priv-key=${secret}`];
  const member = await MemberProcess.start({ engine: 'rocksdb', flags });
  const root = new Session(member.endpoint);
  const ann = new Session(member.endpoint);
  t.teardown(async () => {
    root.close();
    ann.close();
    await member.stop();
  });
  await root.enable();
  await root.addUser('ann', Type.ReadWrite, 'a', 'm');
  await ann.login('ann', 'ann');
  t.equal(await ann.put('a'), 'ok');
  t.equal(await ann.put('z'), DENIED);
  t.equal(await root.put('a'), OLD_REVISION, 'users have changed since');
  t.equal(
    await root.try(authCalls.roleAdd, { name: 'r' }),
    'ok',
    'which administration does not mind',
  );
  t.equal(await ann.put('a'), OLD_REVISION);
  t.equal(await ann.get('a', '', true), OLD_REVISION);
  t.equal(await ann.try(calls.memberList, {}), 'ok');
  await root.login('root', ROOT_PASSWORD);
  await ann.login('ann', 'ann');
  await member.stop();
  await member.restart();
  t.equal(await ann.put('a'), 'ok', 'whoever holds the key knows it, after a restart too');
  await root.must(authCalls.userDelete, { name: 'ann' });
  t.equal(await ann.try(calls.memberList, {}), 'ok', 'nobody asks whether there is such a user');
  t.equal(await ann.try(authCalls.userList, {}), '9 etcdserver: user name not found');
});

t.test('flags', async (t) => {
  const member = await MemberProcess.prepare({ engine: 'memory' });
  for (const [flag, text] of [
    ['--auth-token=foo', 'auth: invalid auth options'],
    ['--auth-token=jwt,sign-method=RS256', 'auth: missing key data'],
  ] as const) {
    const started = member.launch([flag]);
    t.equal((await started.exited).code, 1);
    const last = started.logLines().at(-1);
    t.match(last, { level: 'fatal', msg: 'discovery failed', error: text });
  }
  const started = member.launch(['--bcrypt-cost=3', '--auth-token=']);
  await started.waitForOutput('ready to serve client requests');
  const warned = started.logLines().find(({ msg }) => msg.includes('bcrypt cost'));
  t.match(warned, {
    level: 'warn',
    msg: 'use default bcrypt cost instead of the invalid given cost',
    'given-cost': 3,
    'default-cost': 10,
  });
  const root = new Session(member.endpoint);
  await root.must(authCalls.userAdd, { name: 'root', password: 'x' });
  await root.must(authCalls.userGrantRole, { user: 'root', role: 'root' });
  await root.must(authCalls.enable, {});
  t.equal(
    await root.try(authCalls.authenticate, { name: 'root', password: 'x' }),
    '3 etcdserver: authentication failed, invalid user ID or password',
    'there are no tokens to be had',
  );
  root.close();
  await member.stop();
});
