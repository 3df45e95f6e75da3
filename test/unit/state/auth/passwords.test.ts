// Tests of src/state/auth/passwords: the form of hashes, passwords at the edges, and a queue that
// is bounded and forgets who has gone.

import { performance } from 'node:perf_hooks';
import t from 'tap';

import { bytesOf } from '../../../../src/base/bytes.js';
import { Passwords } from '../../../../src/state/auth/passwords.js';

const { signal } = new AbortController();

t.test('hashes', async (t) => {
  const passwords = new Passwords({ cost: 4 });
  const hash = async (text: string) => bytesOf(Buffer.from(await passwords.hash(text, signal)));
  for (const text of ['secret', '', 'p\0q', 'passwörd', 'x'.repeat(72)]) {
    const hashed = await hash(text);
    t.match(Buffer.from(hashed).toString(), /^\$2a\$04\$[./A-Za-z0-9]{53}$/);
    t.equal(await passwords.matches(text, hashed, signal), true, text);
    t.equal(await passwords.matches(`y${text}`.slice(0, 72), hashed, signal), false, text);
  }
  t.equal(await passwords.matches('p\0x', await hash('p\0q'), signal), false, 'behind a zero byte');
  t.equal(await passwords.matches('x'.repeat(300), await hash('x'.repeat(72)), signal), true);
  await t.rejects(hash('x'.repeat(73)), { code: 'PasswordTooLong' });
  await t.rejects(hash('ö'.repeat(37)), { code: 'PasswordTooLong' }, 'bytes count');
  // As the bcrypt of other programs writes it.
  const known = '$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe';
  const bytes = bytesOf(Buffer.from(known));
  t.equal(await passwords.matches('a', bytes, signal), true);
  t.equal(await passwords.matches('b', bytes, signal), false);
  t.equal(await passwords.matches('x', new Uint8Array(0), signal), false, 'none at all');
  t.equal(await passwords.matches('x', bytesOf(Buffer.from('garbage')), signal), false);
});

t.test('the queue is bounded, and the event loop goes on', async (t) => {
  const passwords = new Passwords({ cost: 10, threads: 1, waitingMax: 3 });
  const leaving = new AbortController();
  const ends: string[] = [];
  const hash = (name: string, by = signal) =>
    passwords.hash('x', by).then(
      () => ends.push(name),
      (error: { code: string }) => ends.push(`${name} ${error.code}`),
    );
  const first = hash('first');
  const rest = [hash('second'), hash('gone', leaving.signal), hash('third')];
  await hash('fourth');
  t.same(ends, ['fourth TooManyRequests']);
  leaving.abort();
  const late = hash('late');
  let turns = 0;
  const startMs = performance.now();
  const timer = setInterval(() => turns++, 1);
  await Promise.all([first, ...rest, late]);
  clearInterval(timer);
  const tookMs = performance.now() - startMs;
  t.same(ends.slice(1), ['gone ContextCanceled', 'first', 'second', 'third', 'late']);
  t.ok(turns > tookMs / 20, `${turns} turns in ${tookMs.toFixed()} ms`);
});
