// Tests of src/state/auth/tokens: how long simple tokens live and what they wait for, what is taken
// of a signed token, and what the options of the flag may be.

import { createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import t from 'tap';

import { parseDurationMs } from '../../../../src/app/flags/values/values.js';
import { createLogger } from '../../../../src/base/log/logger.js';
import { AppliedWaits } from '../../../../src/state/auth/tokens/applied-waits.js';
import { JwtTokens } from '../../../../src/state/auth/tokens/jwt.js';
import { createTokens } from '../../../../src/state/auth/tokens/options.js';
import { SimpleTokens } from '../../../../src/state/auth/tokens/simple.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';
import { tempDir } from '../../../support/temp-dir.js';

const { signal } = new AbortController();
const turn = () => new Promise(setImmediate);

t.test('simple tokens', async (t) => {
  const clock = new ManualClock();
  const tokens = new SimpleTokens(clock, 10);
  tokens.noteApplied(100);
  const userOf = async (token: string) => (await tokens.identify(token, signal))?.userName ?? null;
  t.match(tokens.newPrefix(), /^[A-Za-z]{16}$/);
  t.not(tokens.newPrefix(), tokens.newPrefix());
  tokens.assign('a.7', 'ann');
  tokens.assign('b.8', 'bob');
  t.same(await tokens.identify('a.7', signal), { userName: 'ann', revision: null });
  t.equal(await tokens.issue('ann', 'a.7'), 'a.7');
  for (const wrong of [
    '',
    'a',
    'a.',
    'a.8',
    'a.x',
    'a.7.7',
    'a.-7',
    'a.7 ',
    '.',
    `a.${2n ** 64n}`,
  ]) {
    t.equal(await userOf(wrong), null, wrong);
  }
  clock.advance(9_000);
  t.equal(await userOf('a.7'), 'ann', 'and lives as long again');
  clock.advance(2_000);
  t.equal(tokens.size, 1, 'what nobody used is swept');
  t.equal(await userOf('b.8'), null);
  clock.advance(8_000);
  t.equal(await userOf('a.7'), 'ann');
  tokens.assign('c.9', 'ann');
  tokens.assign('d.9', 'bob');
  tokens.dropUser('ann');
  t.same([await userOf('a.7'), await userOf('c.9'), await userOf('d.9')], [null, null, 'bob']);
  tokens.assign('e.9', 'eve');
  tokens.retain((name) => name !== 'bob');
  t.same([await userOf('d.9'), await userOf('e.9')], [null, 'eve']);
  tokens.dropAll();
  t.equal(tokens.size, 0);
  tokens.stop();
  const byDefault = new SimpleTokens(clock, 0);
  byDefault.noteApplied(100);
  byDefault.assign('a.7', 'ann');
  clock.advance(299_000);
  t.ok(await byDefault.identify('a.7', signal), 'five minutes');
});

t.test('a token of the future is waited for', async (t) => {
  const clock = new ManualClock();
  const tokens = new SimpleTokens(clock, 10);
  tokens.noteApplied(5);
  const leaving = new AbortController();
  const soon = tokens.identify('a.7', signal);
  const never = tokens.identify(`a.${2n ** 64n - 1n}`, leaving.signal);
  const results: unknown[] = [];
  void soon.then((identity) => results.push(identity));
  void never.then((identity) => results.push(identity));
  tokens.noteApplied(6);
  await turn();
  t.same(results, []);
  tokens.assign('a.7', 'ann');
  tokens.noteApplied(7);
  await turn();
  t.same(results, [{ userName: 'ann', revision: null }]);
  leaving.abort();
  t.equal(await never, null);
  t.equal(await tokens.identify('a.9', leaving.signal), null, 'nobody waits for it any more');
});

t.test('waits', async (t) => {
  const waits = new AppliedWaits();
  const reached: bigint[] = [];
  const wait = (index: bigint) => {
    void waits.applied(index, signal).then((is) => is && reached.push(index));
  };
  for (const index of [9n, 3n, 3n, 5n]) wait(index);
  waits.noteApplied(2);
  await turn();
  t.same([reached, waits.size], [[], 4]);
  waits.noteApplied(4);
  await turn();
  t.same([reached, waits.size], [[3n, 3n], 2]);
  waits.noteApplied(9);
  await turn();
  t.same([reached, waits.size], [[3n, 3n, 9n, 5n], 0]);
  wait(8n);
  await turn();
  t.equal(reached.length, 5, 'reached already');
});

t.test('signed tokens', async (t) => {
  const clock = new ManualClock();
  const key = createSecretKey('a secret of enough bytes to be one', 'utf8');
  const options = { method: 'HS256', signKey: key, verifyKey: key, ttlMs: 60_000 };
  const tokens = new JwtTokens(options, clock);
  t.equal(tokens.newPrefix(), '');
  const token = await tokens.issue('ann', '', 7);
  t.same(await tokens.identify(token), { userName: 'ann', revision: 7 });
  const [head, body] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  t.same(JSON.parse(head ?? ''), { alg: 'HS256', typ: 'JWT' });
  const exp = Math.floor((clock.unixMs() + 60_000) / 1000);
  t.same(JSON.parse(body ?? ''), { username: 'ann', revision: 7, exp });
  const sign = (claims: Record<string, unknown>, alg = 'HS256') =>
    new SignJWT(claims).setProtectedHeader({ alg }).sign(key);
  const taken = async (claims: Record<string, unknown>, alg?: string) =>
    tokens.identify(await sign(claims, alg));
  t.same(await taken({ username: 'ann', revision: 7 }), { userName: 'ann', revision: 7 }, 'no exp');
  t.equal(await taken({ username: 'ann' }), null);
  t.equal(await taken({ revision: 7 }), null);
  t.equal(await taken({ username: 7, revision: 7 }), null);
  t.equal(await taken({ username: 'ann', revision: '7' }), null);
  t.equal(await taken({ username: 'ann', revision: 7 }, 'HS384'), null, 'another method');
  t.match(await taken({ username: 'ann', revision: 7.9 }), { revision: 7 });
  t.match(await taken({ username: 'ann', revision: -7 }), { revision: 0 });
  const greatest = await taken({ username: 'ann', revision: 2 ** 60 });
  t.equal(greatest?.revision, Number.MAX_SAFE_INTEGER - 1, 'never the moment of the check');
  for (const wrong of ['', 'a.b.c', `${token}x`, token.slice(0, -1), `x${token}`]) {
    t.equal(await tokens.identify(wrong), null);
  }
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${token.split('.')[1]}.`;
  t.equal(await tokens.identify(none), null, 'not signed at all');
  clock.advance(61_000);
  t.equal(await tokens.identify(token), null, 'over');
  const verifying = new JwtTokens({ ...options, signKey: null }, clock);
  await t.rejects(verifying.issue('ann', '', 7), { code: 'VerifyOnly' });
});

t.test('options', async (t) => {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger(
    { level: 'info', format: 'json', outputs: [] },
    { write: (line) => lines.push(JSON.parse(String(line))), close: () => undefined },
  );
  const clock = new ManualClock();
  const folder = tempDir('tokens');
  const file = (name: string, content: string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const pem = (name: string, key: KeyObject) =>
    file(
      name,
      key.export({ type: key.type === 'public' ? 'spki' : 'pkcs8', format: 'pem' }).toString(),
    );
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const [rsaPub, rsaPriv] = [pem('rsa.pub', rsa.publicKey), pem('rsa', rsa.privateKey)];
  const smallPriv = pem('small', small.privateKey);
  const curve = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
  const pairs = { ES256: curve('P-256'), ES384: curve('P-384'), ES512: curve('P-521') };
  const other = curve('P-256');
  const ed = generateKeyPairSync('ed25519');
  const secret = file('secret', 'any bytes');
  const make = (kind: string) =>
    createTokens({ kind, ttlSeconds: 300 }, { clock, log, parseDuration: parseDurationMs });
  const refused = (kind: string, message: string | RegExp) =>
    t.throws(() => make(kind), { message }, kind);
  const invalid = 'auth: invalid auth options';
  const missing = 'auth: missing key data';
  const wrong = [
    'foo',
    'simple,foo',
    'simple,a=b=c',
    'jwt',
    'jwt,sign-method=XX',
    'JWT',
    ' simple',
  ];
  for (const kind of [
    ...wrong,
    'jwt,sign-method=none',
    `jwt,pub-key=${rsaPub},pub-key=${rsaPub}`,
  ]) {
    refused(kind, invalid);
  }
  refused('jwt,sign-method=RS256,pub-key=/no/such/file', invalid);
  refused('jwt,sign-method=RS256,priv-key=/no/such/file', invalid);
  refused(`jwt,sign-method=RS256,pub-key=${rsaPub},ttl=soon`, invalid);
  refused('jwt,sign-method=RS256', missing);
  refused('jwt,sign-method=HS256', missing);
  refused(`jwt,sign-method=HS256,pub-key=${secret}`, missing);
  refused(`jwt,sign-method=RS256,pub-key=${secret}`, /PEM encoded/);
  refused(`jwt,sign-method=ES256,pub-key=${rsaPub}`, /not a valid EC/);
  refused(`jwt,sign-method=ES384,priv-key=${pem('p256', pairs.ES256.privateKey)}`, /secp384r1/);
  refused(`jwt,sign-method=RS256,priv-key=${smallPriv}`, /2048/);
  const unlike = [pem('other', other.publicKey), pem('p', pairs.ES256.privateKey)];
  const mismatch = `pub-key=${unlike[0]},priv-key=${unlike[1]}`;
  refused(`jwt,sign-method=ES256,${mismatch}`, "auth: public and private keys don't match");
  t.ok(lines.some(({ msg }) => msg === 'problem loading JWT options'));
  t.type(make('simple,a=b'), SimpleTokens, 'options of other kinds mean nothing');
  t.ok(lines.some(({ msg }) => msg === 'simple token is not cryptographically signed'));
  const nothing = make('');
  await t.rejects(nothing.issue('ann', '', 1), { code: 'AuthFailed' });
  t.equal(await nothing.identify('a.1', signal), null);
  const keys: Record<string, readonly [string | null, string]> = {
    HS256: [null, secret],
    HS512: [null, secret],
    RS256: [rsaPub, rsaPriv],
    RS512: [rsaPub, rsaPriv],
    PS384: [rsaPub, rsaPriv],
    EdDSA: [pem('ed.pub', ed.publicKey), pem('ed', ed.privateKey)],
  };
  for (const [method, pair] of Object.entries(pairs)) {
    keys[method] = [pem(`${method}.pub`, pair.publicKey), pem(method, pair.privateKey)];
  }
  for (const [method, [pub, priv]] of Object.entries(keys)) {
    const signing = make(`jwt,sign-method=${method},priv-key=${priv},ttl=1h,new=1`);
    const token = await signing.issue('ann', '', 3);
    t.same(await signing.identify(token, signal), { userName: 'ann', revision: 3 }, method);
    if (pub !== null) {
      const verifying = make(`jwt,pub-key=${pub},sign-method=${method}`);
      t.same(await verifying.identify(token, signal), { userName: 'ann', revision: 3 }, method);
      await t.rejects(verifying.issue('ann', '', 3), { code: 'VerifyOnly' });
    }
  }
  t.ok(lines.some(({ msg }) => msg === 'unknown JWT options'));
});
