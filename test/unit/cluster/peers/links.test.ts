// Links that die: silently, as behind a network that swallows packets or a suspended process, or at
// once. A member must notice within about an election timeout, say so once, and come back.

import { spawn } from 'node:child_process';
import t, { type Test } from 'tap';
import { EntryType, MessageType, makeMessage } from '../../../../src/raft/index.js';
import { sleep, waitFor } from '../../../support/wait.js';
import { makeRun } from './support/fake-peer-core.js';
import { Relay } from './support/relay.js';
import { TestMember } from './support/test-member.js';

const ELECTION_MS = 300;

interface Relayed {
  readonly a: TestMember;
  readonly b: TestMember;
  /** Where a dials b, and b dials a. */
  readonly toB: Relay;
  readonly toA: Relay;
}

async function relayed(t: Test): Promise<Relayed> {
  const a = await TestMember.start(1n, { electionMs: ELECTION_MS });
  const b = await TestMember.start(2n, { electionMs: ELECTION_MS });
  const toB = await Relay.start(b.port);
  const toA = await Relay.start(a.port);
  t.teardown(async () => {
    await Promise.all([a.stop(), b.stop()]);
    await Promise.all([toB.stop(), toA.stop()]);
  });
  a.peers.update([{ id: 2n, peerUrls: [toB.url] }]);
  b.peers.update([{ id: 1n, peerUrls: [toA.url] }]);
  await waitFor('a connection', () => a.isConnected(b), 10_000, 5);
  return { a, b, toB, toA };
}

t.test('a network that swallows everything', async (t) => {
  const { a, b, toB, toA } = await relayed(t);
  toB.pause();
  toA.pause();
  const startMs = performance.now();
  for (const [one, other] of [
    [a, 2n],
    [b, 1n],
  ] as const) {
    await waitFor('the loss', () => one.peers.connectedSinceMs(other) === null, 3000, 5);
  }
  const noticedMs = performance.now() - startMs;
  t.ok(noticedMs > ELECTION_MS && noticedMs < 5 * ELECTION_MS, `noticed after ${noticedMs} ms`);
  await sleep(1500);
  t.ok(toB.connections < 20, `${toB.connections} connections: tries are spaced`);
  toB.resume();
  toA.resume();
  const healedMs = performance.now();
  await waitFor('a connection', () => a.isConnected(b), 5000, 5);
  t.ok(performance.now() - healedMs < 4000, 'comes back');
  t.equal(a.log.with('lost connections with remote peer').length, 1);
});

t.test('one direction only', async (t) => {
  const { a, b, toB } = await relayed(t);
  toB.pause();
  await waitFor('the loss', () => a.peers.connectedSinceMs(2n) === null, 3000, 5);
  await waitFor('the loss', () => b.peers.connectedSinceMs(1n) === null, 3000, 5);
  // What b says still arrives.
  b.peers.send(makeMessage(MessageType.Heartbeat, 1n, { from: 2n, term: 5 }), null);
  await waitFor('a message', () => a.events.received.length === 1);
  t.ok(a.log.with('lost or could not open the stream to remote peer').length > 0);
  toB.resume();
  await waitFor('a connection', () => a.isConnected(b), 5000, 5);
});

t.test('connections that are reset', async (t) => {
  const { a, b, toB, toA } = await relayed(t);
  for (let round = 0; round < 5; round++) {
    toB.cut();
    toA.cut();
    await waitFor('the loss', () => a.peers.connectedSinceMs(2n) === null, 2000, 2);
    await waitFor('a connection', () => a.isConnected(b), 3000, 5);
  }
  a.peers.send(makeMessage(MessageType.Heartbeat, 2n, { from: 1n, term: 5 }), null);
  await waitFor('a message', () => b.events.received.length === 1);
  t.equal(a.peers.traffic()[0]?.disconnections, 5);
});

t.test('an idle link and a busy one stay up', async (t) => {
  const { a, b } = await relayed(t);
  const since = a.peers.connectedSinceMs(2n);
  await sleep(4 * ELECTION_MS);
  const data = Buffer.alloc(1 << 20);
  const run = makeRun([{ term: 1, type: EntryType.Normal, data }]) as unknown as Uint8Array;
  for (let i = 0; i < 30; i++) {
    a.peers.send(makeMessage(MessageType.App, 2n, { from: 1n, term: 1, index: i }), run);
    await sleep(10);
  }
  await waitFor('the appends', () => b.events.received.length === 30);
  t.equal(a.peers.connectedSinceMs(2n), since);
  t.equal(a.events.unreachableAtMs.length, 0);
});

t.test('members with other election timeouts bear with each other', async (t) => {
  const quick = await TestMember.start(1n, { electionMs: 100 });
  const slow = await TestMember.start(2n, { electionMs: 4000 });
  t.teardown(() => Promise.all([quick.stop(), slow.stop()]));
  quick.peers.update([slow.address]);
  slow.peers.update([quick.address]);
  await waitFor('a connection', () => quick.isConnected(slow));
  await sleep(1500);
  t.ok(quick.isConnected(slow));
  t.equal(quick.peers.traffic()[0]?.disconnections, 0);
});

t.test('a receiver that does not read stops nobody but itself', async (t) => {
  const { a, b, toB } = await relayed(t);
  toB.pause();
  const before = process.memoryUsage().arrayBuffers;
  const data = Buffer.alloc(1 << 20);
  const run = makeRun([{ term: 1, type: EntryType.Normal, data }]) as unknown as Uint8Array;
  const startMs = performance.now();
  for (let i = 0; i < 500; i++) {
    a.peers.send(makeMessage(MessageType.App, 2n, { from: 1n, term: 1, index: i }), run);
    await sleep(1);
  }
  t.ok(performance.now() - startMs < 5000, 'sending never waits');
  await waitFor('the report', () => a.events.unreachableAtMs.length > 0);
  const grownMiB = (process.memoryUsage().arrayBuffers - before) / (1 << 20);
  t.ok(grownMiB < 200, `${grownMiB} MiB are kept`);
  toB.resume();
  await waitFor('a connection', () => a.isConnected(b), 5000, 5);
});

t.test('a process with open links ends by itself once they are stopped', async (t) => {
  const script = `
    import { TestMember } from '${new URL('./support/test-member.js', import.meta.url).href}';
    const a = await TestMember.start(1n);
    const b = await TestMember.start(2n);
    a.peers.update([b.address, { id: 3n, peerUrls: ['http://127.0.0.1:1'] }]);
    b.peers.update([a.address]);
    while (!a.isConnected(b)) await new Promise((resolve) => setTimeout(resolve, 10));
    const startMs = performance.now();
    await Promise.all([a.stop(), b.stop()]);
    console.log(Math.round(performance.now() - startMs));
  `;
  const args = ['--input-type=module', '--eval', script];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  clearTimeout(timer);
  t.equal(code, 0);
  t.ok(Number(output) < 500, `stopped within ${output.trim()} ms`);
});
