// The addon's exports against their declaration, src/storage/native.ts: same methods, same
// constants, and arguments of the wrong kind refused by a TypeError instead of a crash.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import ts from 'typescript';
import { packageRoot } from '../../../../src/base/package.js';
import { loadAddon } from '../../../../src/storage/loader.js';
import type { OpenOptions } from '../../../../src/storage/native.js';
import type { PlaneOptions } from '../../../../src/storage/native-plane.js';
import { nativeErrorRows } from '../../../support/fakes/native-errors.js';
import { tempDir } from '../../../support/temp-dir.js';
import { openOptions } from '../voters/tiny-voter.js';
import { planeOptions } from './plane-options.js';

const sources = ['native.ts', 'native-types.ts', 'native-plane.ts'].map((file) => {
  const path = join(packageRoot, 'src', 'storage', file);
  return ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022);
});

/** Names of an interface's members, in order. */
function declared(name: string): string[] {
  const names: string[] = [];
  for (const node of sources.flatMap(({ statements }) => [...statements])) {
    if (!ts.isInterfaceDeclaration(node) || node.name.text !== name) continue;
    for (const member of node.members) {
      if (member.name !== undefined && ts.isIdentifier(member.name)) names.push(member.name.text);
    }
  }
  return names;
}

const addon = loadAddon();

t.test('exports are those declared', async (test) => {
  test.strictSame(Object.keys(addon).sort(), declared('Addon').sort());
  test.strictSame(Object.keys(addon.methods), declared('Methods'));
  test.strictSame(Object.keys(addon.routes), declared('Routes'));
  test.strictSame(Object.keys(addon.completions), declared('CompletionKinds'));
  test.strictSame(addon.errors, nativeErrorRows());
  test.ok(Object.isFrozen(addon.methods) && Object.isFrozen(addon.errors));
  test.strictSame(Object.keys(addon.planeEvents), declared('PlaneEventKinds'));
  test.strictSame(Object.keys(addon.gateFlags), declared('GateFlags'));
  test.strictSame(Object.keys(addon.streamMarks), declared('StreamMarks'));
  test.equal(new Set(addon.planeNumbers).size, addon.planeNumbers.length);
  for (const values of [
    addon.methods,
    addon.routes,
    addon.completions,
    addon.planeEvents,
    addon.gateFlags,
    addon.streamMarks,
  ]) {
    const numbers: number[] = Object.values(values);
    test.equal(new Set(numbers).size, numbers.length, 'constants differ');
  }
  test.equal(addon.syncSecondsBounds.length, 14);
});

t.test('MemberCore, Recovered and CoreStatus are as declared', async (test) => {
  const { core, recovered } = await addon.open(openOptions(tempDir('border'), 'memory'), () => {});
  const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(core));
  test.strictSame(
    methods.filter((name) => name !== 'constructor').sort(),
    declared('MemberCore').sort(),
  );
  test.strictSame(Object.keys(recovered).sort(), declared('Recovered').sort());
  test.strictSame(Object.keys(core.status()).sort(), declared('CoreStatus').sort());
  await core.close();
});

t.test('NativePlane is as declared, and refuses what it cannot read', async (test) => {
  const { core } = await addon.open(openOptions(tempDir('plane'), 'memory'), () => {});
  test.strictSame(Object.keys(planeOptions), declared('PlaneOptions'));
  const open = (options: unknown, wake: unknown): unknown =>
    Reflect.apply(core.openPlane, core, [options as PlaneOptions, wake as () => void]);
  for (const name of Object.keys(planeOptions)) {
    const options = { ...planeOptions, [name]: -1 };
    test.throws(() => open(options, () => {}), TypeError, name);
  }
  test.throws(() => open({ ...planeOptions, lanes: 9 }, () => {}), TypeError);
  test.throws(() => open({ ...planeOptions, streamWindowBytes: 2 ** 31 }, () => {}), TypeError);
  test.throws(() => open(null, () => {}), TypeError);
  test.throws(() => open(planeOptions, null), TypeError);
  const plane = core.openPlane(planeOptions, () => {});
  test.throws(() => core.openPlane(planeOptions, () => {}), { code: 'Internal' });
  const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(plane));
  test.strictSame(
    methods.filter((name) => name !== 'constructor').sort(),
    declared('NativePlane').sort(),
  );
  const call = (name: string, ...values: unknown[]): unknown =>
    Reflect.apply(Reflect.get(plane, name) as (...args: unknown[]) => unknown, plane, values);
  const bytes = new Uint8Array(1);
  const wrong: [string, ...unknown[]][] = [
    ['adopt', -1, bytes, 'peer', true],
    ['adopt', 2 ** 31, bytes, 'peer', true],
    ['adopt', 3, 'text', 'peer', true],
    ['adopt', 3, bytes, 7, true],
    ['adopt', 3, bytes, 'peer'],
    ['attach', 'peer', null, true],
    ['feed', 1, 'text'],
    ['ended', '1'],
    ['outputTaken', 1, -1],
    ['reply', 1n, bytes],
    ['reply', 1, null],
    ['send', 1],
    ['finish', 1, 17, ''],
    ['finish', 1, 0],
    ['ask', 0.5],
    ['httpRespond', 1, 99, []],
    ['httpRespond', 1, 200, {}],
    ['httpRespond', 1, 200, ['name']],
    ['httpRespond', 1, 200, ['name', 1]],
    ['httpSend', 1, null],
    ['httpEnd'],
    ['httpReset', -1],
    ['gate', -1],
    ['watchCaller', 8, 'user', 0, 60000],
    ['watchCaller', 8, 'user'],
    ['keepAlivesDone', bytes],
    ['keepAlivesDone'],
    ['endStreams', 60000, true],
    ['endStreams', 0],
  ];
  for (const [name, ...values] of wrong) {
    test.throws(() => call(name, ...values), TypeError, `${name} ${values.length}`);
  }
  test.equal(plane.metrics().length, addon.planeNumbers.length);
  // Numbers that name nothing are passed by.
  plane.feed(8, bytes);
  plane.ended(8);
  plane.outputTaken(8, 1);
  plane.reply(8, bytes);
  plane.finish(8, 0, '');
  plane.httpRespond(8, 200, ['a', 'b']);
  plane.gate(addon.gateFlags.open);
  plane.watchCaller(8, 'user', 0, 0);
  plane.keepAlivesDone(new Uint8Array(4));
  plane.endStreams(1, false);
  test.equal(plane.openConnections(), 0);
  await core.close();
  test.ok(plane.adopt(0, bytes, 'peer', true) < 0, 'a plane that has ended adopts nothing');
  test.ok(plane.attach('peer', '', true) < 0);
  plane.send(8, bytes);
  plane.drainConnections();
  test.equal(plane.drain(), null);
  await plane.stop();
  await plane.stop();
});

t.test('misuse is a TypeError', async (test) => {
  const { core } = await addon.open(openOptions(tempDir('misuse'), 'memory'), () => {});
  const call = (name: string, ...values: unknown[]): unknown =>
    Reflect.apply(Reflect.get(core, name) as (...args: unknown[]) => unknown, core, values);
  const bytes = new Uint8Array(1);
  const wrong: [string, ...unknown[]][] = [
    ['submit'],
    ['submit', -1, 0, bytes, '', 0],
    ['submit', 0.5, 0, bytes, '', 0],
    ['submit', 1, 99, bytes, '', 0],
    ['submit', 1, 0, 'text', '', 0],
    ['submit', 1, 0, new Uint16Array(1), '', 0, 0],
    ['submit', 1, 0, bytes, 7, 0, 0],
    ['submit', 1, 0, bytes, '', 0],
    ['submit', 1, 0, bytes, '', 0, 9999],
    ['submitInternal', 1, bytes],
    ['submitInternal', 1, bytes, '', -1],
    ['setAuth', null],
    ['checkRange', '', 0, 'yes', bytes, bytes],
    ['checkRange', '', 0, true, bytes, null],
    ['setHeader', 1, 2n, 3],
    ['setHeader', 1n << 64n, 2n, 3],
    ['setCommitted', 2 ** 53],
    ['append', 1, null, null, true, false],
    ['append', 1, [7], null, true, false],
    ['append', 1, [{ kind: 'other', term: 1 }], null, true, false],
    [
      'append',
      1,
      [{ kind: 'received', firstIndex: 1, count: 1, offset: 4, run: 'text' }],
      null,
      true,
    ],
    ['append', 1, [{ kind: 'received', firstIndex: 1, count: 1, run: bytes }], null, true, false],
    ['append', 1, [{ kind: 'inline', index: 1, term: 1, type: 3, data: null }], null, true, false],
    ['append', 1, [], {}, true, false],
    ['append', 1, [], null, 'yes', false],
    ['append', 1, [], null, true, 'yes'],
    ['grantProposals', 1, 1, 1, 1, 1],
    ['grantProposals', 1, 1, 1, 1, 1, -1],
    ['grantProposals', 1n, 1, 1, 1, 1, 1],
    ['controlDone', 1, [{ key: 1, value: null }], 0, null],
    ['controlDone', 1, [], 9999, null],
    ['controlDone', 1, [], 0, null],
    ['controlDone', 1, [], 0, null, 'table'],
    ['failAll', 9999],
    ['takeProposals', 1, 1],
    ['takeProposals', 1, 1, 1, -1],
    ['batchEntries', 1],
    ['takeForwards', 1, 1, null],
    ['returnForwards', null, 0],
    ['returnForwards', bytes, 9999],
    ['enqueueForwarded', 'text'],
    ['failHandedOver', 1, -1],
    ['expireQueued', 0.5],
    ['cachedEntries', 1, 1n],
    ['readEntries', 1, 1],
    ['inspectEntries', null],
    ['leaseKeys', 1, 1],
    ['watchRequest', 1, null, '', 0, 0],
    ['watchRequest', 1, bytes],
    ['watchRequest', 1, bytes, '', 0, 9999],
  ];
  for (const [name, ...values] of wrong) {
    test.throws(() => call(name, ...values), TypeError, `${name} ${values.length}`);
  }
  test.throws(
    () =>
      call('append', 1, [{ kind: 'queued', firstIndex: 1, term: 1, count: 1 }], null, true, false),
    {
      code: 'Internal',
    },
  );
  const beyond = { kind: 'received', firstIndex: 1, count: 1, run: bytes, offset: 4 };
  test.throws(() => call('append', 1, [beyond], null, true, false), { code: 'Internal' });
  test.throws(() => core.returnForwards(bytes, 0), { code: 'Internal' });
  test.throws(() => call('dropProposals', 1, 1), { code: 'Internal' });
  test.throws(() => call('truncateLog', 5), { code: 'Internal' });
  test.throws(() => call('grantProposals', 1, 5, 1, 1, 1, 1), { code: 'Internal' }, 'a gap');
  test.equal(core.grantedEntries().length, 0);
  test.equal(core.revokeGrant().length, 0);
  test.throws(() => call('entryData', 5), { code: 'Internal' });
  await core.close();
  test.throws(() => core.status(), { code: 'Stopped' });
  core.setCommitted(5);
  core.apply(5);
  test.equal(core.freezeReads(), 0);
  test.equal(core.takeProposals(1, 1, 0).length, 0);
  core.batchEntries(2, 100);
  test.equal(core.grantProposals(1, 1, 1, 1, 1, 1), false);
  test.equal(core.grantedEntries().length, 0);
  test.equal(core.revokeGrant().length, 0);
  test.equal(core.takeForwards(1, 1, 1), null);
  core.returnForwards(bytes, 0);
  core.failHandedOver(5, 1);
  test.equal(core.expireQueued(5).length, 0);
  test.equal(core.cachedEntries(1, 1), null);
  core.readEntries(1, 1, 1);
  test.equal(core.inspectEntries(bytes), null);
  const stopped = addon.errors.findIndex((row) => row.name === 'Stopped');
  test.equal(core.enqueueForwarded(bytes), -stopped);
  test.equal(core.submit(1, addon.methods.Range, bytes, '', 0, 0), -stopped);
  test.equal(core.drain(), null);
});

t.test('open refuses wrong options', async (test) => {
  const good = openOptions(tempDir('options'), 'memory');
  const open = (options: unknown, wake: unknown): unknown =>
    Reflect.apply(addon.open, addon, [options as OpenOptions, wake as () => void]);
  const wake = (): void => {};
  test.throws(() => open(null, wake), TypeError);
  test.throws(() => open({}, wake), TypeError);
  test.throws(() => open({ ...good, engine: 'bolt' }, wake), TypeError);
  test.throws(() => open({ ...good, memberId: 1 }, wake), TypeError);
  test.throws(() => open({ ...good, rocks: null }, wake), TypeError);
  test.throws(() => open({ ...good, fileLayer: 'odd' }, wake), TypeError);
  test.throws(() => open(good, null), TypeError);
  const { core } = await addon.open(good, wake);
  await test.rejects(addon.open(good, wake), { code: 'Locked' });
  await core.close();
  await test.rejects(addon.open({ ...good, engine: 'rocksdb' }, wake), { code: 'WrongFormat' });
  await test.rejects(addon.open({ ...good, memberId: 9n }, wake), { code: 'WrongFormat' });
  await test.rejects(addon.open({ ...good, dataDir: '/proc/no/such' }, wake), { code: 'Io' });
});
