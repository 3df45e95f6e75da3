// Permissions through the border: tables in, and who asks held to them by admission, apply, reads
// and watches, over both engines. The rules themselves are tested natively.

import t from 'tap';
import {
  compactionRequest,
  putRequest,
  rangeRequest,
  watchRequest,
  watchResponse,
} from '../../../src/base/proto/kv-messages.js';
import { internalRaftRequest, leaseGrantRequest } from '../../../src/base/proto/messages.js';
import { loadAddon } from '../../../src/storage/loader.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitFor } from '../../support/wait.js';
import { type Asker, openOptions, TinyVoter } from './voters/tiny-voter.js';

const addon = loadAddon();
const { methods, currentAuthRevision } = addon;
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const codeOf = (name: string): number => addon.errors.findIndex((row) => row.name === name);

type Range = readonly [key: string, end: string];
interface User {
  readonly name: string;
  readonly isRoot?: boolean;
  readonly read?: readonly Range[];
  readonly write?: readonly Range[];
}

function numbers(...values: readonly (readonly [value: number, size: number])[]): Buffer {
  const out = Buffer.alloc(values.reduce((sum, [, size]) => sum + size, 0));
  let at = 0;
  for (const [value, size] of values) {
    at = size > 6 ? out.writeBigUInt64LE(BigInt(value), at) : out.writeUIntLE(value, at, size);
  }
  return out;
}

function rangeBytes(ranges: readonly Range[]): Buffer[] {
  const texts = ranges.flat().flatMap((text) => [numbers([text.length, 4]), bytes(text)]);
  return [numbers([ranges.length, 4]), ...texts];
}

function table(enabled: boolean, revision: number, users: readonly User[]): Buffer {
  const head = numbers([1, 1], [enabled ? 1 : 0, 1], [revision, 8], [users.length, 4]);
  const parts = users.flatMap(({ name, isRoot = false, read = [], write = [] }) => [
    numbers([Buffer.byteLength(name), 4]),
    Buffer.from(name),
    numbers([isRoot ? 1 : 0, 1]),
    ...rangeBytes(read),
    ...rangeBytes(write),
  ]);
  return Buffer.concat([head, ...parts] as unknown as Uint8Array[]);
}

const users: readonly User[] = [
  { name: 'root', isRoot: true },
  { name: 'üser', read: [['a/', 'b/']], write: [['a/', 'b/']] },
];
const as = (userName: string, authRevision = currentAuthRevision, refusal = 0): Asker => ({
  userName,
  authRevision,
  refusal,
});
const user = as('üser');
const root = as('root');
const bad = as('', 0, codeOf('InvalidAuthToken'));

const put = (voter: TinyVoter, key: string, asker: Asker): Promise<Buffer> =>
  voter.call(methods.Put, putRequest.encode({ key: bytes(key) }), asker);
const get = (voter: TinyVoter, key: string, asker: Asker): Promise<Buffer> =>
  voter.call(methods.Range, rangeRequest.encode({ key: bytes(key) }), asker);

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: who asks is held to the table`, async (test) => {
    const voter = await TinyVoter.open(addon, openOptions(tempDir(engine), engine));
    await put(voter, 'm', as('', 0));
    voter.core.setAuth(table(true, 7, users));
    await put(voter, 'a/1', user);
    await get(voter, 'a/1', user);
    await put(voter, 'a/1', as('üser', 8));
    const denied = { code: 'PermissionDenied' };
    const old = { code: 'AuthOldRevision' };
    await test.rejects(put(voter, 'm', user), denied);
    await test.rejects(get(voter, 'm', user), denied);
    await test.rejects(get(voter, 'm', as('nobody')), denied);
    await test.rejects(put(voter, 'a/1', as('üser', 6)), old);
    await test.rejects(get(voter, 'a/1', as('üser', 6)), old);
    await test.rejects(get(voter, 'a/1', as('üser', 8)), old);
    await test.rejects(put(voter, 'm', as('', 0)), { code: 'UserEmpty' });
    await test.rejects(get(voter, 'm', as('', 0)), { code: 'UserEmpty' });
    await test.rejects(put(voter, 'm', bad), { code: 'InvalidAuthToken' });
    await test.rejects(get(voter, 'm', bad), { code: 'InvalidAuthToken' });
    await test.rejects(put(voter, '', bad), { code: 'EmptyKey' });
    const grant = leaseGrantRequest.encode({ TTL: 60n });
    await test.rejects(voter.call(methods.LeaseGrant, grant), { code: 'UserEmpty' });
    await voter.call(methods.LeaseGrant, grant, user);
    const compact = compactionRequest.encode({ revision: 2n });
    await test.rejects(voter.call(methods.Compact, compact, user), denied);
    await voter.call(methods.Compact, compact, root);
    await voter.core.close();
  });

  t.test(`${engine}: a control entry brings a table`, async (test) => {
    const voter = await TinyVoter.open(addon, openOptions(tempDir(engine), engine));
    const request = internalRaftRequest.encode({ cluster_version_set: { ver: '3.7.0' } });
    voter.controlAuth = table(true, 7, users);
    const [, , refused] = await Promise.allSettled([
      voter.callInternal(request),
      put(voter, 'a/1', as('üser', 7)),
      put(voter, 'm', as('üser', 7)),
    ]);
    test.match(refused, { status: 'rejected', reason: { code: 'PermissionDenied' } });
    voter.controlAuth = null;
    await voter.callInternal(request);
    await test.rejects(put(voter, 'm', user), { code: 'PermissionDenied' });
    voter.controlAuth = table(false, 8, []);
    await voter.callInternal(request);
    await put(voter, 'm', as('', 0));
    await voter.core.close();
  });

  t.test(`${engine}: auth that is on waits for its table`, async (test) => {
    const options = openOptions(tempDir(engine), engine);
    const voter = await TinyVoter.open(addon, options);
    voter.controlRows = [{ key: 'auth/enabled', value: Buffer.from('1') }];
    voter.controlAuth = table(true, 7, users);
    await voter.callInternal(internalRaftRequest.encode({ cluster_version_set: { ver: '3.7.0' } }));
    voter.core.checkpoint();
    await waitFor('checkpoint', () => voter.checkpoints.length > 0);
    await voter.core.close();
    const again = await TinyVoter.open(addon, options);
    await test.rejects(get(again, 'm', root), { code: 'AuthOldRevision' });
    again.core.setAuth(table(true, 7, users));
    await get(again, 'm', root);
    await put(again, 'm', root);
    await again.core.close();
  });
}

t.test('watches', async (test) => {
  const voter = await TinyVoter.open(addon, openOptions(tempDir('watch'), 'memory'));
  voter.core.setAuth(table(true, 7, users));
  voter.core.watchOpen(1);
  const watch = async (key: string, asker: Asker): Promise<string> => {
    const before = voter.watched.length;
    const request = watchRequest.encode({ create_request: { key: bytes(key) } });
    const { userName, authRevision, refusal } = asker;
    test.equal(voter.core.watchRequest(1, request, userName, authRevision, refusal), 0);
    await waitFor('an answer', () => voter.watched.length > before);
    const answer = watchResponse.decode(voter.watched[before]?.[1] ?? Buffer.alloc(0));
    test.equal(answer.created, true);
    test.equal(answer.canceled, answer.watch_id === -1n);
    return answer.cancel_reason;
  };
  test.equal(await watch('a/1', user), '');
  test.equal(
    await watch('m', user),
    'rpc error: code = PermissionDenied desc = etcdserver: permission denied',
  );
  test.equal(
    await watch('a/1', bad),
    'rpc error: code = Unauthenticated desc = etcdserver: invalid auth token',
  );
  test.equal(await watch('m', root), '');
  await voter.core.close();
});

t.test('checks that TypeScript asks for', async (test) => {
  const voter = await TinyVoter.open(addon, openOptions(tempDir('check'), 'memory'));
  const { core } = voter;
  const check = (asker: Asker, key: string, end = ''): string => {
    const { userName, authRevision } = asker;
    const code = core.checkRange(userName, authRevision, true, bytes(key), bytes(end));
    return addon.errors[code]?.name ?? '';
  };
  test.equal(check(as('', 0), 'm', '\0'), 'Ok', 'auth is off');
  core.setAuth(table(true, 7, users));
  test.equal(check(user, 'a/1'), 'Ok');
  test.equal(check(user, 'a/', 'b/'), 'Ok');
  test.equal(check(user, 'a/', '\0'), 'PermissionDenied');
  test.equal(check(as('üser', 6), 'a/1'), 'AuthOldRevision');
  test.equal(check(as('', 0), 'a/1'), 'UserEmpty');
  test.equal(check(root, 'm', '\0'), 'Ok');
  const good = table(true, 7, users);
  for (const wrong of [
    good.subarray(0, 20),
    bytes(''),
    bytes('\x02'),
    table(true, 7, [...users, ...users]),
  ]) {
    test.throws(() => core.setAuth(wrong), { code: 'Unmarshal' });
    test.throws(() => core.controlDone(1, [], 0, null, wrong), { code: 'Unmarshal' });
  }
  test.equal(check(user, 'a/1'), 'Ok', 'the table is still there');
  await core.close();
  test.equal(check(root, 'm'), 'Stopped');
  core.setAuth(good);
});
