// Snapshots between members through the addon, over every pair of engines: what the promises of
// src/storage/native.ts settle with, and that the installed member goes on and starts again.

import t, { type Test } from 'tap';
import { putRequest, rangeRequest, rangeResponse } from '../../../src/base/proto/kv-messages.js';
import {
  hashKvRequest,
  hashKvResponse,
  internalRaftRequest,
  leaseGrantRequest,
} from '../../../src/base/proto/messages.js';
import { loadAddon } from '../../../src/storage/loader.js';
import type { InstalledSnapshot, SnapshotExport } from '../../../src/storage/native.js';
import { tempDir } from '../../support/temp-dir.js';
import { openOptions, TinyVoter } from './voters/tiny-voter.js';

type Engine = 'memory' | 'rocksdb';

const addon = loadAddon();
const { methods } = addon;
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

const put = (voter: TinyVoter, key: string, value: string, lease = 0n): Promise<Buffer> =>
  voter.call(methods.Put, putRequest.encode({ key: bytes(key), value: bytes(value), lease }));

async function get(voter: TinyVoter, key: string): Promise<string | null> {
  const reply = await voter.call(methods.Range, rangeRequest.encode({ key: bytes(key) }));
  return rangeResponse.decode(reply).kvs[0]?.value.toString('latin1') ?? null;
}

async function hashOf(voter: TinyVoter): Promise<number> {
  const reply = await voter.call(methods.HashKv, hashKvRequest.encode({ revision: 0n }));
  return hashKvResponse.decode(reply).hash;
}

/** Holds the process while a promise of the core waits, since its wake-ups do not. */
async function held<T>(promise: Promise<T>): Promise<T> {
  const holder = setTimeout(() => {}, 20_000);
  try {
    return await promise;
  } finally {
    clearTimeout(holder);
  }
}

async function open(engine: Engine, dir = tempDir('snapshot')): Promise<TinyVoter> {
  return TinyVoter.open(addon, openOptions(dir, engine));
}

/** A member with keys, a lease, and rows of the cluster's own. */
async function filled(engine: Engine): Promise<TinyVoter> {
  const voter = await open(engine);
  await voter.call(methods.LeaseGrant, leaseGrantRequest.encode({ TTL: 300n, ID: 77n }));
  await put(voter, 'leased', '1', 77n);
  const puts: Promise<Buffer>[] = [];
  for (let i = 0; i < 500; i++) puts.push(put(voter, `key${i % 50}`, `value ${i}`.repeat(40)));
  await Promise.all(puts);
  voter.controlRows = [
    { key: 'conf_state', value: bytes('voters') },
    { key: 'members/1', value: bytes('one') },
  ];
  await voter.callInternal(internalRaftRequest.encode({ cluster_version_set: { ver: '3.7.0' } }));
  return voter;
}

/** The chunks of an export, as readExport gives them. */
async function chunksOf(voter: TinyVoter, exported: SnapshotExport): Promise<Buffer[]> {
  const chunks: Buffer[] = [];
  for (let at = 0; at < exported.sizeBytes; ) {
    const chunk = await held(voter.core.readExport(exported.id, at, 10_000));
    chunks.push(chunk);
    at += chunk.length - 4;
  }
  return chunks;
}

async function receive(
  voter: TinyVoter,
  exported: SnapshotExport,
  chunks: readonly Buffer[],
): Promise<number> {
  const id = await held(voter.core.openImport(exported.kind, exported.sizeBytes));
  let at = 0;
  for (const chunk of chunks) {
    await held(voter.core.writeImport(id, at, chunk));
    at += chunk.length - 4;
  }
  return id;
}

async function install(
  voter: TinyVoter,
  id: number,
  { index, term }: SnapshotExport,
): Promise<InstalledSnapshot> {
  const hardState = { term: Math.max(term, voter.term), vote: 1n, commit: index };
  const installed = await held(voter.core.installSnapshot(id, index, term, hardState));
  voter.installed(index);
  return installed;
}

async function carries(test: Test, from: Engine, to: Engine, accept: boolean): Promise<void> {
  const source = await filled(from);
  const dir = tempDir('target');
  const target = await open(to, dir);
  await put(target, 'own', 'gone later');
  const exported = await held(source.core.exportSnapshot(accept));
  const kind = accept && from === 'rocksdb' ? 'checkpoint' : 'image';
  test.same(
    { ...exported, id: 0, sizeBytes: 0 },
    { id: 0, kind, index: source.lastIndex, term: 1, sizeBytes: 0, confState: bytes('voters') },
  );
  const id = await receive(target, exported, await chunksOf(source, exported));
  const installed = await install(target, id, exported);
  test.equal(installed.appliedIndex, exported.index);
  test.equal(installed.appliedTerm, exported.term);
  test.equal(installed.revision, source.core.status().revision);
  test.same([...installed.meta.keys()].sort(), ['conf_state', 'members/1']);
  test.same(installed.leases, [{ id: 77n, ttlSeconds: 300, remainingTtlSeconds: 0 }]);
  test.same(installed.alarms, []);
  test.equal(await hashOf(target), await hashOf(source));
  test.equal(await get(target, 'own'), null);
  test.equal(target.core.status().logStartIndex, exported.index);
  await put(target, 'after', '1');
  const later = await hashOf(target);
  await target.core.close();
  const again = await open(to, dir);
  test.equal(again.recovered.startIndex, exported.index);
  test.equal(again.recovered.lastIndex, exported.index + 1);
  test.equal(await hashOf(again), later);
  test.equal(await get(again, 'after'), '1');
  await again.core.close();
  await source.core.close();
}

async function refuses(test: Test, engine: Engine): Promise<void> {
  const source = await filled(engine);
  const target = await open(engine);
  await put(target, 'own', 'stays');
  const exported = await held(source.core.exportSnapshot(false));
  const chunks = await chunksOf(source, exported);
  const [first = Buffer.alloc(0)] = chunks;
  const id = await held(target.core.openImport('image', exported.sizeBytes));
  const flipped = Buffer.from(first);
  flipped[100] = (flipped[100] ?? 0) ^ 1;
  await test.rejects(held(target.core.writeImport(id, 0, flipped)), { code: 'Damaged' });
  await test.rejects(held(target.core.writeImport(id, 1, first)), { code: 'Internal' });
  await held(target.core.writeImport(id, 0, first));
  const hardState = { term: 1, vote: 1n, commit: exported.index };
  const early = target.core.installSnapshot(id, exported.index, exported.term, hardState);
  await test.rejects(held(early), { code: 'Internal' });
  target.core.closeImport(id);
  await test.rejects(held(target.core.writeImport(id, first.length - 4, first)), {
    code: 'Internal',
  });
  const whole = await receive(target, exported, chunks);
  const other = target.core.installSnapshot(whole, exported.index + 1, exported.term, {
    ...hardState,
    commit: exported.index + 1,
  });
  await test.rejects(held(other), { code: 'Damaged' });
  test.equal(await get(target, 'own'), 'stays');
  await install(target, whole, exported);
  test.equal(await get(target, 'own'), null);
  const read = source.core.readExport(exported.id, exported.sizeBytes + 1, 1);
  await test.rejects(held(read), { code: 'Internal' });
  source.core.closeExport(exported.id);
  await test.rejects(held(source.core.readExport(exported.id, 0, 1)), { code: 'Internal' });
  await test.rejects(held(target.core.openImport('image', 2 ** 52)), { code: 'NoSpace' });
  // What is on its way when the core closes is settled too.
  const late = held(source.core.exportSnapshot(false)).then(
    () => 'done',
    (error: { code: string }) => error.code,
  );
  await source.core.close();
  test.match(await late, /^(done|Stopped)$/);
  test.throws(() => source.core.exportSnapshot(false), { code: 'Stopped' });
  source.core.closeExport(1);
  await target.core.close();
}

for (const from of ['memory', 'rocksdb'] as const) {
  for (const to of ['memory', 'rocksdb'] as const) {
    t.test(`${from} to ${to}`, (test) => carries(test, from, to, false));
  }
  t.test(`${from} with checkpoints`, (test) => carries(test, from, from, true));
  t.test(`${from}: refusals`, (test) => refuses(test, from));
}

t.test('misuse is a TypeError', async (test) => {
  const voter = await open('memory');
  const call = (name: string, ...values: unknown[]): unknown =>
    Reflect.apply(
      Reflect.get(voter.core, name) as (...args: unknown[]) => unknown,
      voter.core,
      values,
    );
  const wrong: [string, ...unknown[]][] = [
    ['exportSnapshot', 1],
    ['readExport', 1, -1, 5],
    ['closeExport', 'x'],
    ['openImport', 'tape', 5],
    ['openImport', 'image', -5],
    ['writeImport', 1, 0, 'text'],
    ['closeImport', null],
    ['installSnapshot', 1, 2, 3, null],
    ['installSnapshot', 1, 2, 3, {}],
  ];
  for (const [name, ...values] of wrong) {
    test.throws(() => call(name, ...values), TypeError, name);
  }
  await voter.core.close();
});
