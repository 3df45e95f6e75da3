// Snapshots between members over real sockets: whole, with damaged chunks, over connections that
// break, at a limited rate, refused, replaced, abandoned. Raft hears of each exactly once, and no
// export or import is left open.

import t, { type Test } from 'tap';
import { encodeConfState } from '../../../../src/cluster/conf-state.js';
import type { PeersOptions } from '../../../../src/cluster/peers/options.js';
import { emptyConfState, MessageType, makeMessage } from '../../../../src/raft/index.js';
import { sleep, waitFor } from '../../../support/wait.js';
import { Relay } from './support/relay.js';
import { TestMember } from './support/test-member.js';

const confState = { ...emptyConfState, voters: [1n, 2n, 2n ** 64n - 7n], learners: [9n] };

function state(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) {
    bytes.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
  }
  return bytes;
}

function prepare(member: TestMember, size: number): void {
  member.core.state = state(size);
  member.core.confState = Buffer.from(encodeConfState(confState).value as Uint8Array);
}

function snapshotMessage(to: bigint, term = 5) {
  const metadata = { confState: emptyConfState, index: 4, term: 2 };
  return makeMessage(MessageType.Snap, to, { from: 1n, term, snapshot: { data: null, metadata } });
}

const small = { chunkBytes: 64 << 10, chunksInFlight: 4, transferStallMs: 1500 };

/** Member 1 with a state, connected to member 2 by a relay that a test can disturb. */
async function pair(
  t: Test,
  size: number,
  options: Partial<PeersOptions> = {},
  others: Partial<PeersOptions> = options,
): Promise<{ a: TestMember; b: TestMember; relay: Relay }> {
  const a = await TestMember.start(1n, { limits: small, ...options });
  const b = await TestMember.start(2n, { limits: small, ...others });
  const relay = await Relay.start(b.port);
  t.teardown(async () => {
    await Promise.all([a.stop(), b.stop()]);
    await relay.stop();
    if (a.core.exports.size > 0) {
      throw new Error('an export was left open');
    }
  });
  prepare(a, size);
  a.peers.update([{ id: 2n, peerUrls: [relay.url] }]);
  b.peers.update([a.address]);
  await waitFor('a connection', () => a.isConnected(b), 10_000, 5);
  return { a, b, relay };
}

async function over(member: TestMember, count = 1, timeoutMs = 10_000): Promise<void> {
  await waitFor('the end', () => member.events.done.length >= count, timeoutMs, 5);
}

function openImports(member: TestMember): number {
  return [...member.core.imports.values()].filter((one) => !one.closed).length;
}

t.test('a whole snapshot', async (t) => {
  const { a, b } = await pair(t, (5 << 20) + 77);
  a.peers.sendSnapshot(snapshotMessage(2n));
  t.equal(a.peers.activeTransfers(), 1);
  await over(a);
  t.strictSame(a.events.done, [{ to: 2n, ok: true }]);
  t.equal(a.peers.activeTransfers(), 0);
  t.equal(b.events.snapshots.length, 1);
  const [{ message, importId } = { message: null, importId: 0 }] = b.events.snapshots;
  t.match(message, { type: MessageType.Snap, from: 1n, to: 2n, term: 5 });
  t.strictSame(message?.snapshot, { data: null, metadata: { confState, index: 10, term: 3 } });
  const received = b.core.imports.get(importId);
  t.equal(received?.kind, 'image');
  t.ok(received?.bytes.equals(a.core.state as unknown as Uint8Array));
  t.equal(received?.closed, false, 'it belongs to the member now');
  t.strictSame(a.core.acceptedCheckpoint, [false]);
  for (const text of ['sending database snapshot', 'sent database snapshot']) {
    t.ok(a.log.with(text).length > 0, text);
  }
  for (const text of ['receiving database snapshot', 'received and saved database snapshot']) {
    t.ok(b.log.with(text).length > 0, text);
  }
});

t.test('an empty one, and several one after the other', async (t) => {
  const { a, b } = await pair(t, 0);
  for (let round = 1; round <= 3; round++) {
    a.peers.sendSnapshot(snapshotMessage(2n));
    await over(a, round);
    prepare(a, round * 100_000);
  }
  t.ok(a.events.done.every(({ ok }) => ok));
  t.equal(b.events.snapshots.length, 3);
});

t.test('checkpoints only between two rocksdb members', async (t) => {
  const rocks = await pair(t, 1000, { engine: 'rocksdb' });
  rocks.a.core.canCheckpoint = true;
  rocks.a.peers.sendSnapshot(snapshotMessage(2n));
  await over(rocks.a);
  t.strictSame(rocks.a.core.acceptedCheckpoint, [true]);
  t.equal([...rocks.b.core.imports.values()][0]?.kind, 'checkpoint');
  const mixed = await pair(t, 1000, { engine: 'rocksdb' }, { engine: 'memory' });
  mixed.a.core.canCheckpoint = true;
  mixed.a.peers.sendSnapshot(snapshotMessage(2n));
  await over(mixed.a);
  t.strictSame(mixed.a.core.acceptedCheckpoint, [false]);
  t.equal([...mixed.b.core.imports.values()][0]?.kind, 'image');
});

t.test('damaged chunks are sent again', async (t) => {
  const { a, b } = await pair(t, 1 << 20);
  a.core.damageChunks = 2;
  a.peers.sendSnapshot(snapshotMessage(2n));
  await over(a);
  t.strictSame(a.events.done, [{ to: 2n, ok: true }]);
  const [received] = [...b.core.imports.values()];
  t.ok(received?.bytes.equals(a.core.state as unknown as Uint8Array));
  t.ok(b.log.with('failed to receive a chunk of a database snapshot').length > 0);
  t.equal(b.core.imports.size, 1, 'the same import goes on');
});

t.test('broken connections are continued, not begun anew', async (t) => {
  const { a, b, relay } = await pair(t, 4 << 20, { snapshotBytesPerSecond: 4 << 20 });
  a.peers.sendSnapshot(snapshotMessage(2n));
  for (let cut = 1; cut <= 3; cut++) {
    const at = (cut * (4 << 20)) / 5;
    await waitFor(
      'some bytes',
      () => ([...b.core.imports.values()][0]?.written ?? 0) > at,
      5000,
      2,
    );
    relay.cut();
  }
  await over(a);
  t.strictSame(a.events.done, [{ to: 2n, ok: true }]);
  const [received] = [...b.core.imports.values()];
  t.ok(received?.bytes.equals(a.core.state as unknown as Uint8Array));
  t.equal(b.core.imports.size, 1);
  t.equal(b.events.snapshots.length, 1);
  const chunks = (4 << 20) / small.chunkBytes;
  t.ok(a.core.readChunks < chunks * 1.6, `${a.core.readChunks} chunks were read for ${chunks}`);
});

t.test('a connection that swallows everything is given up', async (t) => {
  const { a, b, relay } = await pair(t, 4 << 20, { snapshotBytesPerSecond: 4 << 20 });
  a.peers.sendSnapshot(snapshotMessage(2n));
  await waitFor('some bytes', () => ([...b.core.imports.values()][0]?.written ?? 0) > 1 << 20);
  relay.pause();
  await sleep(700);
  relay.resume();
  await over(a);
  t.strictSame(a.events.done, [{ to: 2n, ok: true }]);
  t.equal(b.events.snapshots.length, 1);
});

t.test('the rate is limited', async (t) => {
  const { a } = await pair(t, 1 << 20, { snapshotBytesPerSecond: 1 << 20 });
  const startMs = performance.now();
  a.peers.sendSnapshot(snapshotMessage(2n));
  await over(a);
  const tookMs = performance.now() - startMs;
  t.ok(tookMs > 850 && tookMs < 4000, `${tookMs} ms for what takes 1000`);
  t.ok(a.log.with('sending database snapshot').length > 1, 'with lines on the way');
});

t.test('a receiver that is gone fails the transfer in time', async (t) => {
  const { a, b, relay } = await pair(t, 8 << 20, { snapshotBytesPerSecond: 4 << 20 });
  a.peers.sendSnapshot(snapshotMessage(2n));
  await waitFor('some bytes', () => ([...b.core.imports.values()][0]?.written ?? 0) > 1 << 20);
  relay.pause();
  const startMs = performance.now();
  await over(a);
  const tookMs = performance.now() - startMs;
  t.strictSame(a.events.done, [{ to: 2n, ok: false }]);
  t.ok(tookMs > 1000 && tookMs < 6000, `${tookMs} ms without progress`);
  t.equal(a.log.with('failed to send database snapshot').length, 1);
  // The receiver forgets it as well, later.
  await waitFor('the idle import to be closed', () => openImports(b) === 0, 6000);
  relay.resume();
});

t.test('a receiver that restarts begins anew', async (t) => {
  const { a, b } = await pair(t, 2 << 20, { snapshotBytesPerSecond: 4 << 20 });
  a.peers.sendSnapshot(snapshotMessage(2n));
  await waitFor('some bytes', () => ([...b.core.imports.values()][0]?.written ?? 0) > 1 << 19);
  await b.stop();
  await waitFor('the import to be closed', () => openImports(b) === 0);
  const again = await TestMember.start(2n, { limits: small }, b.port);
  t.teardown(() => again.stop());
  again.peers.update([a.address]);
  await over(a);
  t.strictSame(a.events.done, [{ to: 2n, ok: true }]);
  const [received] = [...again.core.imports.values()];
  t.ok(received?.bytes.equals(a.core.state as unknown as Uint8Array));
});

t.test('what is declined fails at once, and is not offered all the time', async (t) => {
  const { a, b } = await pair(t, 1000);
  b.core.importError = new Error('no space left on device');
  const startMs = performance.now();
  a.peers.sendSnapshot(snapshotMessage(2n));
  await over(a, 1);
  t.ok(performance.now() - startMs < 500);
  a.peers.sendSnapshot(snapshotMessage(2n));
  await over(a, 2);
  t.ok(performance.now() - startMs > 450, 'the second one waits');
  t.strictSame(a.events.done, [
    { to: 2n, ok: false },
    { to: 2n, ok: false },
  ]);
  const [line] = a.log.with('failed to send database snapshot');
  t.match(line?.fields.error, /no space left on device/);
  b.core.importError = null;
  a.peers.sendSnapshot(snapshotMessage(2n));
  await over(a, 3);
  t.equal(a.events.done[2]?.ok, true);
});

t.test('failures here are told as well', async (t) => {
  const { a } = await pair(t, 1000);
  a.core.exportError = new Error('disk failure');
  a.peers.sendSnapshot(snapshotMessage(2n));
  await over(a, 1);
  a.core.exportError = null;
  a.core.confState = null;
  a.peers.sendSnapshot(snapshotMessage(2n));
  await over(a, 2);
  a.core.confState = Buffer.from(
    encodeConfState({ ...emptyConfState, learners: [1n] }).value as Uint8Array,
  );
  a.peers.sendSnapshot(snapshotMessage(2n));
  await over(a, 3);
  a.peers.sendSnapshot(snapshotMessage(77n));
  t.equal(a.events.done.length, 3, 'never from within sendSnapshot');
  await over(a, 4);
  t.strictSame(
    a.events.done.map(({ to, ok }) => [to, ok]),
    [
      [2n, false],
      [2n, false],
      [2n, false],
      [77n, false],
    ],
  );
});

t.test('repeated and newer requests', async (t) => {
  const { a, b } = await pair(t, 1 << 20, { snapshotBytesPerSecond: 1 << 20 });
  a.peers.sendSnapshot(snapshotMessage(2n, 5));
  a.peers.sendSnapshot(snapshotMessage(2n, 5));
  t.equal(a.peers.activeTransfers(), 1, 'one for each member');
  await waitFor('some bytes', () => ([...b.core.imports.values()][0]?.written ?? 0) > 1 << 18);
  a.peers.sendSnapshot(snapshotMessage(2n, 6));
  t.equal(a.events.done.length, 0, 'never from within sendSnapshot');
  await over(a, 2);
  t.strictSame(a.events.done, [
    { to: 2n, ok: false },
    { to: 2n, ok: false },
  ]);
  await over(a, 3);
  t.equal(a.events.done[2]?.ok, true);
  t.equal(b.events.snapshots.length, 1);
  t.equal(b.events.snapshots[0]?.message.term, 6);
  t.equal(openImports(b), 1, 'the older import was closed');
});

t.test('a deposed leader does not push a newer snapshot aside', async (t) => {
  const { a, b } = await pair(t, 1 << 20, { snapshotBytesPerSecond: 1 << 20 });
  const c = await TestMember.start(3n, { limits: small });
  t.teardown(() => c.stop());
  prepare(c, 5000);
  b.peers.update([a.address, c.address]);
  c.peers.update([b.address]);
  await waitFor('a connection', () => c.isConnected(b));
  a.peers.sendSnapshot(snapshotMessage(2n, 8));
  await waitFor('some bytes', () => ([...b.core.imports.values()][0]?.written ?? 0) > 0);
  c.peers.sendSnapshot({ ...snapshotMessage(2n, 7), from: 3n });
  await over(c);
  t.strictSame(c.events.done, [{ to: 2n, ok: false }]);
  await over(a);
  t.strictSame(a.events.done, [{ to: 2n, ok: true }]);
  c.peers.sendSnapshot({ ...snapshotMessage(2n, 9), from: 3n });
  await over(c, 2);
  t.equal(c.events.done[1]?.ok, true);
});

t.test('members that are removed, and this one that stops', async (t) => {
  const { a, b } = await pair(t, 8 << 20, { snapshotBytesPerSecond: 1 << 20 });
  a.peers.sendSnapshot(snapshotMessage(2n));
  await waitFor('some bytes', () => ([...b.core.imports.values()][0]?.written ?? 0) > 0);
  a.peers.update([]);
  t.equal(a.events.done.length, 0, 'never from within update');
  await over(a);
  t.strictSame(a.events.done, [{ to: 2n, ok: false }]);
  await waitFor('the export to be closed', () => a.core.exports.size === 0);
  b.peers.update([]);
  await waitFor('the import to be closed', () => openImports(b) === 0);
  // Known again, and in the middle of a transfer when it stops.
  a.peers.update([b.address]);
  b.peers.update([a.address]);
  await waitFor('a connection', () => a.isConnected(b));
  a.peers.sendSnapshot(snapshotMessage(2n, 6));
  await waitFor('another import', () => openImports(b) === 1);
  const startMs = performance.now();
  await a.peers.stop();
  t.ok(performance.now() - startMs < 500, 'stops promptly');
  t.strictSame(a.events.done[1], { to: 2n, ok: false });
  t.equal(a.core.exports.size, 0);
  await b.peers.stop();
  await waitFor('the import to be closed', () => openImports(b) === 0);
  await sleep(50);
  t.equal(a.events.done.length, 2, 'once each');
});
