// Tests of src/cluster/discovery/registry.ts: who gets a place in a new cluster, in which order,
// and what is said to those who get none. The registry is a double, and time stands still.

import t from 'tap';

import { createLogger } from '../../../../src/base/log/logger.js';
import {
  type Discovery,
  discoverMembers,
  type RegistryClient,
  type RegistryEntry,
} from '../../../../src/cluster/discovery/registry.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';

const SIZE = '/_etcd/registry/t/_config/size';
const MEMBERS = '/_etcd/registry/t/members/';

/** The keys of another cluster, and how it fails. */
class FakeRegistry implements RegistryClient {
  readonly entries = new Map<string, RegistryEntry>();
  /** Requests that fail before one is answered. */
  failures = 0;
  requests = 0;
  #revision = 1n;
  #watchers: { prefix: string; wake: () => void; fail: (error: Error) => void }[] = [];

  put(key: string, value: string): void {
    this.#revision++;
    const createRevision = this.entries.get(key)?.createRevision ?? this.#revision;
    this.entries.set(key, { key, value, createRevision });
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const watcher of watchers) {
      if (key.startsWith(watcher.prefix)) {
        watcher.wake();
      } else {
        this.#watchers.push(watcher);
      }
    }
  }

  get watching(): number {
    return this.#watchers.length;
  }

  breakWatches(): void {
    for (const { fail } of this.#watchers.splice(0)) {
      fail(new Error('the watch ended'));
    }
  }

  async get(key: string): Promise<string | null> {
    this.#request();
    return this.entries.get(key)?.value ?? null;
  }

  async list(prefix: string) {
    this.#request();
    const entries = [...this.entries.values()].filter(({ key }) => key.startsWith(prefix));
    entries.sort((a, b) => (a.key < b.key ? -1 : 1));
    return { entries, revision: this.#revision };
  }

  async create(key: string, value: string): Promise<string | null> {
    this.#request();
    const present = this.entries.get(key);
    if (present === undefined) {
      this.put(key, value);
    }
    return present?.value ?? null;
  }

  changed(prefix: string, fromRevision: bigint): Promise<void> {
    if (fromRevision <= this.#revision) {
      return Promise.resolve();
    }
    return new Promise((wake, fail) => {
      this.#watchers.push({ prefix, wake, fail });
    });
  }

  close(): void {}

  #request(): void {
    this.requests++;
    if (this.failures > 0) {
      this.failures--;
      throw new Error('14 UNAVAILABLE');
    }
  }
}

function setUp(memberId = '1', name = 'm1', url = 'http://127.0.0.1:1') {
  const client = new FakeRegistry();
  const clock = new ManualClock();
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line), close: () => undefined };
  const log = createLogger({ level: 'info', format: 'json', outputs: [] }, sink);
  const self = { name, peerUrls: [url] };
  const given: Discovery = { client, token: 't', memberId, self, clock, log };
  return { client, clock, lines, given };
}

/** Lets promises go on, and time pass, until nothing moves. */
async function settle(clock: ManualClock, seconds = 0): Promise<void> {
  for (let i = 0; i <= seconds; i++) {
    for (let turn = 0; turn < 8; turn++) {
      await new Promise(setImmediate);
    }
    if (i < seconds) {
      clock.advance(1000);
    }
  }
}

t.test('members wait for each other and agree on their order', async (t) => {
  const { client, clock, given } = setUp('b', 'm1');
  client.put(SIZE, '3');
  const first = discoverMembers(given);
  await settle(clock);
  t.equal(client.watching, 1);
  const self = { name: 'm2', peerUrls: ['http://127.0.0.1:2', 'http://127.0.0.1:3'] };
  const second = discoverMembers({ ...given, memberId: 'a', self });
  await settle(clock);
  t.equal(
    client.entries.get(`${MEMBERS}a`)?.value,
    'm2=http://127.0.0.1:2,m2=http://127.0.0.1:3',
    'what a member says of itself',
  );
  client.put(`${MEMBERS}c`, 'm3=http://127.0.0.1:4');
  const expected = [
    { name: 'm1', peerUrls: ['http://127.0.0.1:1'] },
    self,
    { name: 'm3', peerUrls: ['http://127.0.0.1:4'] },
  ];
  t.same(await first, expected);
  t.same(await second, expected);
});

t.test('sizes that are none', async (t) => {
  const { client, given } = setUp();
  await t.rejects(discoverMembers(given), { message: 'discovery: size key not found' });
  for (const text of ['', 'x', '0', '-1', '1.5', '1x', '99999999999999999999']) {
    client.put(SIZE, text);
    await t.rejects(
      discoverMembers(given),
      { name: 'DiscoveryError', message: 'discovery: size key is bad' },
      `"${text}"`,
    );
  }
  t.notOk(client.entries.has(`${MEMBERS}1`), 'nobody registered');
});

t.test('a cluster that is full', async (t) => {
  const { client, given } = setUp('9');
  client.put(SIZE, '2');
  client.put(`${MEMBERS}1`, 'a=http://127.0.0.1:5');
  client.put(`${MEMBERS}2`, 'b=http://127.0.0.1:6');
  await t.rejects(discoverMembers(given), { message: 'discovery: cluster is full' });
  t.notOk(client.entries.has(`${MEMBERS}9`), 'who gets no place does not register');
});

t.test('of two that come at once for one place the first to register gets it', async (t) => {
  const { client, given } = setUp('9');
  client.put(SIZE, '1');
  const create = client.create.bind(client);
  client.create = async (key, value) => {
    client.put(`${MEMBERS}8`, 'other=http://127.0.0.1:7');
    return create(key, value);
  };
  await t.rejects(discoverMembers(given), { message: 'discovery: cluster is full' });
});

t.test('a member that registered before has its place still', async (t) => {
  const { client, clock, given } = setUp('1', 'm1');
  client.put(SIZE, '2');
  client.put(`${MEMBERS}1`, 'm1=http://127.0.0.1:1');
  const joined = discoverMembers(given);
  await settle(clock);
  client.put(`${MEMBERS}2`, 'm2=http://127.0.0.1:2');
  t.match(await joined, [{ name: 'm1' }, { name: 'm2' }]);
  t.match(await discoverMembers(given), [{ name: 'm1' }, { name: 'm2' }], 'full, but with it');
});

t.test('an id that somebody else has registered', async (t) => {
  const { client, given } = setUp('1', 'm1');
  client.put(SIZE, '2');
  client.put(`${MEMBERS}1`, 'other=http://127.0.0.1:1');
  await t.rejects(discoverMembers(given), { message: 'discovery: duplicate member id' });
});

t.test('keys that say nothing of a member are passed over, with a warning', async (t) => {
  const { client, given, lines } = setUp('1');
  client.put(SIZE, '1');
  const nonsense = ['junk', '', 'a=', '=http://a:1', 'a=ftp://a:1', 'a=http://a:1,b=http://b:1'];
  nonsense.forEach((value, i) => {
    client.put(`${MEMBERS}x${i}`, value);
  });
  t.match(await discoverMembers(given), [{ name: 'm1' }]);
  const warned = lines.filter((line) => line.includes('invalid peer info'));
  t.equal(warned.length, 12, 'each at both looks');
});

t.test('a registry that does not answer is asked again, less and less often', async (t) => {
  const { client, clock, given, lines } = setUp();
  client.put(SIZE, '1');
  client.failures = 6;
  const joined = discoverMembers(given);
  await settle(clock, 1);
  t.equal(client.requests, 1);
  await settle(clock, 1);
  t.equal(client.requests, 2, 'after two seconds');
  await settle(clock, 120);
  t.match(await joined, [{ name: 'm1' }]);
  const waits = lines
    .filter((line) => line.includes('retry connecting'))
    .map((line) => (JSON.parse(line) as { backoff: string }).backoff);
  t.same(waits, ['2s', '4s', '8s', '16s', '32s', '32s']);
});

t.test('a watch that breaks is begun again, and nobody is missed', async (t) => {
  const { client, clock, given } = setUp();
  client.put(SIZE, '2');
  const joined = discoverMembers(given);
  await settle(clock);
  client.breakWatches();
  await settle(clock, 1);
  t.equal(client.watching, 0);
  client.put(`${MEMBERS}2`, 'm2=http://127.0.0.1:2');
  await settle(clock, 2);
  t.match(await joined, [{ name: 'm1' }, { name: 'm2' }]);
});
