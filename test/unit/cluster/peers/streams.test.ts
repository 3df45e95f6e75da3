// Messages between members over real sockets: what is sent arrives once, whole and in order, on the
// stream it belongs to; what cannot be sent is dropped and reported; broken links come back.

import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { longestConnected } from '../../../../src/cluster/peers/types.js';
import {
  EntryType,
  type Message,
  MessageType,
  makeEntry,
  makeMessage,
} from '../../../../src/raft/index.js';
import { ReceivedPayload } from '../../../../src/storage/entry-run.js';
import { tempDir } from '../../../support/temp-dir.js';
import { sleep, waitFor, within } from '../../../support/wait.js';
import { makeRun } from './support/fake-peer-core.js';
import { cluster, TestMember } from './support/test-member.js';

async function connected(a: TestMember, b: TestMember): Promise<void> {
  await waitFor('a connection', () => a.isConnected(b), 10_000, 5);
}

function heartbeat(from: bigint, to: bigint, fields: Partial<Message> = {}): Message {
  return makeMessage(MessageType.Heartbeat, to, { from, term: 5, ...fields });
}

t.test('every kind of message arrives as it was sent', async (t) => {
  const [a, b] = (await cluster(2)) as [TestMember, TestMember];
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  await connected(a, b);
  const huge = Number.MAX_SAFE_INTEGER;
  const bytes = (text: string) => new Uint8Array(Buffer.from(text));
  const change = new Uint8Array([0x10, 0, 0x18, 7]);
  const messages: Message[] = [
    heartbeat(1n, 2n, { commit: huge, context: bytes('c') }),
    heartbeat(1n, 2n, { context: new Uint8Array(0) }),
    makeMessage(MessageType.Vote, 2n, { from: 1n, term: huge, logTerm: 3, index: 2 ** 40 }),
    makeMessage(MessageType.PreVoteResp, 2n, { from: 1n, term: 1, reject: true }),
    makeMessage(MessageType.AppResp, 2n, {
      from: 1n,
      term: 2,
      index: 3,
      reject: true,
      rejectHint: 2 ** 33,
      vote: 2n ** 64n - 3n,
    }),
    makeMessage(MessageType.TimeoutNow, 2n, { from: 1n, term: 2 }),
    makeMessage(MessageType.TransferLeader, 2n, { from: 77n, term: 2 }),
    makeMessage(MessageType.ReadIndex, 2n, {
      from: 1n,
      entries: [makeEntry(EntryType.Normal, 0, 0, bytes('question'))],
    }),
    makeMessage(MessageType.ReadIndexResp, 2n, {
      from: 1n,
      term: 4,
      index: 9,
      entries: [makeEntry(EntryType.Normal, 0, 0, bytes('question'))],
    }),
    makeMessage(MessageType.Prop, 2n, {
      from: 1n,
      entries: [makeEntry(EntryType.ConfChange, 0, 0, change)],
    }),
  ];
  for (const message of messages) {
    a.peers.send(message, null);
  }
  await waitFor('the messages', () => b.events.received.length === messages.length);
  t.strictSame(
    b.events.received.map((message) => ({
      ...message,
      context: message.context === null ? null : new Uint8Array(message.context),
      entries: message.entries.map((entry) => ({
        ...entry,
        data: new Uint8Array(entry.data as Uint8Array),
      })),
    })),
    messages,
  );
});

t.test('entries travel as a run, in order, and large ones too', async (t) => {
  const [a, b] = (await cluster(2)) as [TestMember, TestMember];
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  await connected(a, b);
  const append = (index: number) =>
    makeMessage(MessageType.App, 2n, { from: 1n, term: 3, logTerm: 2, index, commit: index });
  let index = 0;
  for (const size of [10, 5 << 20, 3, 70_000, 0]) {
    const data = Buffer.alloc(size, index + 1);
    const run = makeRun([
      { term: 2, type: EntryType.Normal, data },
      { term: 3, type: EntryType.Normal, data: null },
    ]);
    a.peers.send(append(index), run as unknown as Uint8Array);
    index += 2;
    // A commit index that follows entries must not overtake them.
    a.peers.send(append(index), null);
  }
  await waitFor('the appends', () => b.events.received.length === 10);
  t.strictSame(
    b.events.received.map((message) => [message.index, message.entries.length]),
    [0, 2, 4, 6, 8].flatMap((at) => [
      [at, 2],
      [at + 2, 0],
    ]),
  );
  const [, , second] = b.events.received;
  const payload = second?.entries[0]?.data;
  t.ok(payload instanceof ReceivedPayload);
  t.equal(payload?.byteLength, 5 << 20);
  t.equal(second?.entries[1]?.data, null);
  if (payload instanceof ReceivedPayload) {
    const start = payload.offset + 14;
    const body = Buffer.from(payload.run).subarray(start, start + payload.byteLength);
    t.ok(body.every((byte) => byte === 3));
  }
});

t.test('many messages keep their order', async (t) => {
  const [a, b, c] = (await cluster(3)) as [TestMember, TestMember, TestMember];
  t.teardown(() => Promise.all([a.stop(), b.stop(), c.stop()]));
  await connected(a, b);
  await connected(a, c);
  const count = 5000;
  for (let i = 1; i <= count; i++) {
    a.peers.send(heartbeat(1n, 2n, { commit: i }), null);
    a.peers.send(heartbeat(1n, 3n, { commit: i }), null);
    if (i % 500 === 0) {
      await sleep(1);
    }
  }
  for (const member of [b, c]) {
    await waitFor('the messages', () => member.events.received.length === count);
    t.ok(member.events.received.every((message, i) => message.commit === i + 1));
  }
  t.equal(a.events.unreachableAtMs.length, 0);
  t.ok(a.events.roundTrips.every((milliseconds) => milliseconds >= 0));
  const [traffic] = a.peers.traffic();
  t.ok(traffic?.connected && traffic.sentBytes > count * 10);
  t.ok((b.peers.traffic()[0]?.receivedBytes ?? 0) > count * 10);
});

t.test('what cannot be sent is dropped, and said now and then', async (t) => {
  const limits = { controlQueueBytes: 10_000, bulkQueueBytes: 100_000 };
  const [a, b] = (await cluster(2, { limits })) as [TestMember, TestMember];
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  // Not connected yet.
  a.peers.send(heartbeat(1n, 2n), null);
  t.equal(a.events.unreachableAtMs.length, 0, 'never from within send');
  await waitFor('the report', () => a.events.unreachableAtMs.length === 1);
  await connected(a, b);
  // One turn gives more than the bound.
  const context = new Uint8Array(1000);
  const startMs = performance.now();
  for (let i = 0; i < 100; i++) {
    a.peers.send(heartbeat(1n, 2n, { context, commit: i }), null);
  }
  await waitFor('the report', () => a.events.unreachableAtMs.length === 2);
  await waitFor('what was taken', () => b.events.received.length === 9);
  t.strictSame(
    b.events.received.map((message) => message.commit),
    [0, 1, 2, 3, 4, 5, 6, 7, 8],
  );
  // Losses over and over: a report every 100 ms at most.
  for (let round = 0; round < 30; round++) {
    for (let i = 0; i < 20; i++) {
      a.peers.send(heartbeat(1n, 2n, { context }), null);
    }
    await sleep(10);
  }
  const passedMs = performance.now() - startMs;
  const reports = a.events.unreachableAtMs.length - 1;
  t.ok(reports >= 3 && reports <= passedMs / 100 + 2, `${reports} reports in ${passedMs} ms`);
  // A single message above the bound still leaves.
  b.events.received.length = 0;
  const data = Buffer.alloc(300_000);
  const run = makeRun([{ term: 1, type: EntryType.Normal, data }]) as unknown as Uint8Array;
  const append = makeMessage(MessageType.App, 2n, { from: 1n, term: 1 });
  a.peers.send(append, run);
  a.peers.send(append, run);
  await waitFor('the large one', () => b.events.received.length > 0);
  await sleep(50);
  t.equal(b.events.received.filter(({ type }) => type === MessageType.App).length, 1);
  // Messages to strangers vanish.
  a.peers.send(heartbeat(1n, 99n), null);
});

t.test('proposals are handed over, refused, or lost', async (t) => {
  const [a, b] = (await cluster(2, { requestTimeoutMs: 500 })) as [TestMember, TestMember];
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  t.equal(await a.peers.forward(2n, 7, new Uint8Array(3)), 'ProposalDropped', 'not connected');
  t.equal(await a.peers.forward(99n, 7, new Uint8Array(3)), 'ProposalDropped', 'a stranger');
  await connected(a, b);
  const forwards = Buffer.alloc(3 << 20, 7);
  t.equal(await a.peers.forward(2n, 7, forwards as unknown as Uint8Array), null);
  t.equal(b.events.forwards[0]?.term, 7);
  t.ok(b.events.forwards[0]?.bytes.equals(forwards as unknown as Uint8Array));
  b.events.forwardAnswer = 'NotLeader';
  t.equal(await a.peers.forward(2n, 8, new Uint8Array(3)), 'NotLeader');
  b.events.forwardAnswer = 'LeaseNotFound';
  t.equal(await a.peers.forward(2n, 8, new Uint8Array(3)), 'ProposalDropped', 'no such reason');
  // The receiver goes away while nobody knows whether it has queued them.
  const failed = a.peers.forward(2n, 9, new Uint8Array(3));
  await b.peers.stop();
  await t.rejects(within('the outcome', failed));
});

t.test('a member that comes back is found again', async (t) => {
  const [a, b] = (await cluster(2)) as [TestMember, TestMember];
  t.teardown(() => a.stop());
  await connected(a, b);
  const since = a.peers.connectedSinceMs(2n) as number;
  const stopMs = performance.now();
  await b.stop();
  t.ok(performance.now() - stopMs < 500, 'stops promptly');
  await waitFor('the loss', () => a.peers.connectedSinceMs(2n) === null, 2000, 5);
  t.equal(longestConnected(a.peers, [2n]), null);
  // What was under way may be lost.
  await waitFor('the report', () => a.events.unreachableAtMs.length > 0);
  await sleep(300);
  const again = await TestMember.start(2n, {}, b.port);
  t.teardown(() => again.stop());
  again.peers.update([a.address]);
  await connected(a, again);
  t.ok((a.peers.connectedSinceMs(2n) as number) > since);
  t.equal(longestConnected(a.peers, [2n, 9n]), 2n);
  again.peers.send(heartbeat(2n, 1n), null);
  await waitFor('a message', () => a.events.received.length === 1);
  t.equal(a.log.with('established connections with remote peer').length, 2);
  t.equal(a.log.with('lost connections with remote peer').length, 1);
  t.equal(a.peers.traffic()[0]?.disconnections, 1);
});

t.test('several URLs are tried in turn, and new ones at once', async (t) => {
  const [a, b] = [await TestMember.start(1n), await TestMember.start(2n)];
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  a.peers.update([{ id: 2n, peerUrls: ['http://127.0.0.1:1', 'https://127.0.0.1:2', b.url] }]);
  b.peers.update([{ id: 1n, peerUrls: ['http://127.0.0.1:1'] }]);
  await sleep(600);
  t.equal(a.peers.connectedSinceMs(2n), null);
  const reasons = a.log.with('cannot reach remote peer').map((line) => line.fields.error);
  t.ok(reasons.some((reason) => String(reason).includes('ECONNREFUSED')));
  const startMs = performance.now();
  b.peers.update([a.address]);
  await connected(a, b);
  t.ok(performance.now() - startMs < 900, 'without waiting for the next try');
});

t.test('by name and through the file of a socket', async (t) => {
  const [a, b] = [await TestMember.start(1n), await TestMember.start(2n)];
  const path = join(tempDir('peers'), 'b.sock');
  const door = createServer((socket) => b.peers.grpcServer.accept(socket));
  await new Promise<void>((resolve) => door.listen(path, resolve));
  t.teardown(async () => {
    await Promise.all([a.stop(), b.stop()]);
    door.close();
  });
  a.peers.update([{ id: 2n, peerUrls: [`unix://${path}`] }]);
  b.peers.update([{ id: 1n, peerUrls: [`http://localhost:${a.port}`] }]);
  await connected(a, b);
  a.peers.send(heartbeat(1n, 2n), null);
  b.peers.send(heartbeat(2n, 1n), null);
  await waitFor('both', () => a.events.received.length + b.events.received.length === 2);
  t.equal(await a.peers.forward(2n, 7, new Uint8Array(3)), null);
});
