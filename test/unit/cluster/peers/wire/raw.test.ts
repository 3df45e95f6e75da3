// Raw streams between members: frames cut anywhere, bytes that no member would send, refusals, and
// members that know no raw streams beside those that do, in either direction.

import { connect, type Socket } from 'node:net';
import grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { encodeFrame, outbound } from '../../../../../src/cluster/peers/wire/frame.js';
import {
  greet,
  type Identity,
  readGreeting,
} from '../../../../../src/cluster/peers/wire/handshake.js';
import {
  decodeAnswer,
  decodeEnd,
  decodeForward,
  encodeAnswer,
  encodeEnd,
  encodeForward,
  framed,
  HEAD_BYTES,
  headersOf,
  metadataOf,
  RAW_PROTOCOL,
  RawKind,
  RawReader,
} from '../../../../../src/cluster/peers/wire/raw.js';
import { EntryType, MessageType, makeEntry, makeMessage } from '../../../../../src/raft/index.js';
import { waitFor } from '../../../../support/wait.js';
import { makeRun } from '../support/fake-peer-core.js';
import { CLUSTER_ID, TestMember } from '../support/test-member.js';

const bytes = (text: string) => Buffer.from(text, 'latin1') as Buffer & Uint8Array;
const joined = (parts: readonly Buffer[]) => Buffer.concat(parts as unknown as Uint8Array[]);

t.test('frames arrive whole, wherever the bytes are cut', async (t) => {
  const bodies = ['', 'a', 'some more', 'x'.repeat(3000)];
  const all = joined(bodies.map((body, i) => framed((i + 1) as RawKind, bytes(body))));
  const expected = bodies.map((body, i) => `${i + 1} ${body}`);
  for (const size of [1, 2, 3, 4, 5, 7, 100, all.length]) {
    const got: string[] = [];
    const reader = new RawReader((kind, body) => got.push(`${kind} ${body.toString('latin1')}`));
    for (let at = 0; at < all.length; at += size) {
      reader.push(all.subarray(at, at + size));
    }
    t.strictSame(got, expected, `pieces of ${size}`);
  }
  const lengths = [0, 2 ** 32 - 1, (64 << 20) + (64 << 10) + 1];
  for (const length of lengths) {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(length);
    t.throws(() => new RawReader(() => t.fail('a frame')).push(head), /a frame of/, String(length));
  }
});

t.test('what frames say', async (t) => {
  const forward = encodeForward(7, 2 ** 40, bytes('abc')).subarray(HEAD_BYTES);
  t.match(decodeForward(forward), { number: 7, term: 2 ** 40 });
  t.equal(Buffer.from(decodeForward(forward).forwards).toString(), 'abc');
  t.throws(() => decodeForward(forward.subarray(0, 11)), /malformed forward/);
  const future = Buffer.from(forward);
  future.writeBigUInt64LE(2n ** 60n, 4);
  t.throws(() => decodeForward(future), /malformed forward/, 'a term that is no safe number');
  t.strictSame(decodeAnswer(encodeAnswer(9, 'NotLeader').subarray(HEAD_BYTES)), {
    number: 9,
    error: 'NotLeader',
  });
  t.throws(() => decodeAnswer(Buffer.alloc(3)), /malformed answer/);
  const metadata = new grpc.Metadata();
  metadata.set('x-metastore-refusal', 'silent');
  const status = Object.assign(new Error('why'), { code: 1, details: 'why', metadata });
  const end = decodeEnd(encodeEnd(status).subarray(HEAD_BYTES));
  t.equal(end.details, 'why');
  t.strictSame(end.metadata.get('x-metastore-refusal'), ['silent']);
  for (const text of ['', 'null', '[1', '"a"', ' '.repeat(20_000)]) {
    t.throws(() => decodeEnd(bytes(text)), /malformed end/, text.slice(0, 10));
  }
  t.strictSame(decodeEnd(bytes('{}')).metadata.getMap(), {});
  const odd = { 'x-a': 'b', 'x-b': 'c\r\nx-d: e', cookie: 'f', 'x-g': ['h'], 'x-Upper': 'i' };
  t.strictSame(metadataOf(odd).getMap(), { 'x-a': 'b' }, 'only what greetings consist of');
});

function identity(id: bigint, fields: Partial<Identity> = {}): Identity {
  return {
    clusterId: CLUSTER_ID,
    memberId: id,
    version: '3.7.1',
    minClusterVersion: '3.0.0',
    engine: 'memory',
    peerUrls: [],
    electionMs: 300,
    ...fields,
  };
}

/** Asks for a raw stream, and keeps what is answered. */
class Caller {
  readonly socket: Socket;
  text = '';
  closed = false;

  constructor(t: Test, member: TestMember, name: string, greeting: grpc.Metadata) {
    this.socket = connect({ host: '127.0.0.1', port: member.port });
    t.teardown(() => this.socket.destroy());
    this.socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
    });
    this.socket.on('error', () => undefined);
    this.socket.once('close', () => {
      this.closed = true;
    });
    const headers = Object.entries(headersOf(greeting)).map(([key, value]) => `${key}: ${value}`);
    const lines = [`GET /metastore.peer.v1.Peer/${name} HTTP/1.1`, 'host: peer', ...headers];
    lines.push('connection: Upgrade', `upgrade: ${RAW_PROTOCOL}`, '', '');
    this.write(bytes(lines.join('\r\n')));
  }

  write(frame: Buffer): void {
    this.socket.write(frame as unknown as Uint8Array);
  }

  /** The last words of the stream. */
  get end() {
    const body = this.text.slice(this.text.indexOf('\r\n\r\n') + 4 + HEAD_BYTES);
    return decodeEnd(bytes(body));
  }
}

async function receiver(t: Test, options = {}): Promise<TestMember> {
  const member = await TestMember.start(2n, options);
  t.teardown(() => member.stop());
  member.peers.update([{ id: 1n, peerUrls: ['http://127.0.0.1:1'] }]);
  return member;
}

t.test('requests for raw streams that are refused', async (t) => {
  const member = await receiver(t);
  const cases: [string, grpc.Metadata, string][] = [
    ['cluster ID mismatch', greet(identity(1n, { clusterId: 5n }), 2n), 'cluster-id'],
    ['sender not found', greet(identity(7n), 2n), 'unknown-sender'],
    ['to field mismatch', greet(identity(1n), 3n), 'wrong-receiver'],
    ['incompatible version', greet(identity(1n, { version: '2.0.0' }), 2n), 'version'],
    ['malformed handshake', new grpc.Metadata(), 'malformed'],
  ];
  for (const [details, greeting, name] of cases) {
    const caller = new Caller(t, member, 'Control', greeting);
    await waitFor(name, () => caller.closed);
    t.match(caller.text, /^HTTP\/1\.1 403 Forbidden\r\n/);
    t.match(caller.text, `x-metastore-details: ${details}\r\n`);
    t.match(caller.text, `x-metastore-refusal: ${name}\r\n`);
    t.match(caller.text, 'x-server-from: 2\r\n', 'who refuses says who it is');
  }
  const elsewhere = new Caller(t, member, 'Nothing', greet(identity(1n), 2n));
  await waitFor('an answer', () => elsewhere.text !== '');
  t.match(elsewhere.text, /^HTTP\/1\.1 404 /, 'it is plain HTTP');
});

t.test('raw streams that break the rules are closed with the reason', async (t) => {
  const member = await receiver(t);
  const run = makeRun([{ term: 5, type: 0, data: Buffer.from('payload') }]);
  const good = makeMessage(MessageType.App, 2n, { from: 1n, term: 5, logTerm: 5, index: 1 });
  const other = makeMessage(MessageType.Heartbeat, 2n, { from: 3n, term: 5 });
  const snapshot = makeMessage(MessageType.Snap, 2n, { from: 1n, term: 5 });
  const damaged = Buffer.from(run);
  damaged[8] = 99;
  const frame = (message: typeof good, of: Buffer | null) =>
    framed(RawKind.Frame, encodeFrame([outbound(message, of)], 0) as Buffer & Uint8Array);
  const cases: [string, Buffer][] = [
    ['a message from 3', frame(other, null)],
    ['do not travel', frame(snapshot, null)],
    ['a damaged run of entries', frame(good, damaged)],
    ['a frame of 0 bytes', Buffer.alloc(4)],
    ['a frame of 4294967295 bytes', Buffer.alloc(4, 0xff)],
    ['a frame of kind 2', framed(RawKind.Reply, bytes(''))],
    ['a frame of kind 99', framed(99 as RawKind, bytes('abc'))],
    ['malformed forward', framed(RawKind.Forward, bytes('abc'))],
    ['malformed peer message', framed(RawKind.Frame, bytes('\xff\xff'))],
  ];
  for (const [reason, sent] of cases) {
    const caller = new Caller(t, member, 'Bulk', greet(identity(1n), 2n));
    caller.write(frame(good, run));
    caller.write(sent);
    // What comes behind is not looked at.
    caller.write(frame(good, run));
    await waitFor(reason, () => caller.closed);
    t.match(caller.end.details, reason);
    t.strictSame(caller.end.metadata.get('x-metastore-refusal'), ['invalid-message']);
    t.equal(readGreeting(caller.end.metadata)?.identity.memberId, 2n);
  }
  t.equal(member.events.received.length, cases.length, 'what came before was in order');
  t.equal(member.peers.traffic()[0]?.receiveFailures, cases.length);
});

t.test('a newer stream takes the place of an older one, a silent one ends', async (t) => {
  const member = await receiver(t, { electionMs: 100 });
  const first = new Caller(t, member, 'Control', greet(identity(1n), 2n));
  await waitFor('the stream', () => first.text.startsWith('HTTP/1.1 101 '));
  const second = new Caller(t, member, 'Control', greet(identity(1n), 2n));
  await waitFor('the end of the first', () => first.closed);
  t.strictSame(first.end.metadata.get('x-metastore-refusal'), ['replaced']);
  await waitFor('the end of the second', () => second.closed);
  t.strictSame(second.end.metadata.get('x-metastore-refusal'), ['silent']);
});

t.test('proposals are handed over within the stream, and answered', async (t) => {
  const member = await receiver(t);
  const caller = new Caller(t, member, 'Bulk', greet(identity(1n), 2n));
  await waitFor('the stream', () => caller.text.endsWith('\r\n\r\n'));
  const before = caller.text.length;
  caller.write(encodeForward(3, 9, bytes('first')));
  member.events.forwardAnswer = null;
  await waitFor('an answer', () => caller.text.length > before);
  t.strictSame(decodeAnswer(bytes(caller.text.slice(before + HEAD_BYTES))), {
    number: 3,
    error: '',
  });
  t.equal(member.events.forwards[0]?.term, 9);
  t.equal(member.events.forwards[0]?.bytes.toString(), 'first');
});

t.test('answers that nobody waits for go together, in order', async (t) => {
  const member = await receiver(t);
  const caller = new Caller(t, member, 'Bulk', greet(identity(1n), 2n));
  await waitFor('the stream', () => caller.text.endsWith('\r\n\r\n'));
  const before = caller.text.length;
  member.events.forwardAnswer = null;
  const answers = () => {
    const found: { number: number; error: string }[] = [];
    const reader = new RawReader((_kind, body) => found.push(decodeAnswer(body)));
    reader.push(bytes(caller.text.slice(before)));
    return found;
  };
  const well = (number: number) => ({ number, error: '' });
  for (const number of [1, 2, 3, 4]) {
    caller.write(encodeForward(number, 9, bytes('one')));
  }
  await waitFor('four answers', () => answers().length >= 4);
  t.strictSame(answers(), [1, 2, 3, 4].map(well));
  caller.write(encodeForward(5, 9, bytes('five')));
  await waitFor('the forward', () => member.events.forwards.length === 5);
  member.events.forwardAnswer = 'NotLeader';
  caller.write(encodeForward(6, 9, bytes('six')));
  await waitFor('the refusal', () => answers().length >= 6);
  t.strictSame(answers().slice(4), [well(5), { number: 6, error: 'NotLeader' }]);
});

for (const [older, newer] of [
  [1, 2],
  [2, 1],
] as const) {
  t.test(`a member without raw streams beside one that has them: ${older}`, async (t) => {
    const one = await TestMember.start(1n, { rawStreams: older !== 1 });
    const two = await TestMember.start(2n, { rawStreams: older !== 2 });
    t.teardown(() => Promise.all([one.stop(), two.stop()]));
    one.peers.update([two.address]);
    two.peers.update([one.address]);
    await waitFor('connections', () => one.isConnected(two));
    const entry = { term: 5, type: EntryType.Normal, data: Buffer.from('payload') };
    for (const [from, to] of [
      [one, two],
      [two, one],
    ] as const) {
      const fields = { from: from.id, term: 5, logTerm: 5, index: 1 };
      const entries = [makeEntry(EntryType.Normal, 5, 2, entry.data as unknown as Uint8Array)];
      const append = makeMessage(MessageType.App, to.id, { ...fields, entries });
      from.peers.send(append, makeRun([entry]));
      from.peers.send(makeMessage(MessageType.Heartbeat, to.id, { from: from.id, term: 5 }), null);
      await waitFor('both', () => to.events.received.length === 2);
      to.events.forwardAnswer = 'NotLeader';
      t.equal(await from.peers.forward(to.id, 5, bytes('proposal')), 'NotLeader');
      t.equal(to.events.forwards[0]?.bytes.toString(), 'proposal');
    }
    await waitFor('a round trip', () => one.events.roundTrips.length > 0);
    t.ok(newer, 'in both directions');
  });
}
