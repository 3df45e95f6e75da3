// Who is let in: each refusal with its status and its lines in both logs, and what a member does
// with bytes that no member would send. Nothing of it may end the process or disturb the others.

import { connect, createServer } from 'node:net';
import grpc from '@grpc/grpc-js';
import t from 'tap';
import { placeOf } from '../../../../src/cluster/peers/channel.js';
import { encodeFrame, outbound } from '../../../../src/cluster/peers/wire/frame.js';
import {
  greet,
  type Identity,
  readGreeting,
  refusalOf,
} from '../../../../src/cluster/peers/wire/handshake.js';
import {
  EntryType,
  type Message,
  MessageType,
  makeEntry,
  makeMessage,
} from '../../../../src/raft/index.js';
import { freePorts, resetOrClose } from '../../../support/ports.js';
import { sleep, waitFor, within } from '../../../support/wait.js';
import { makeRun } from './support/fake-peer-core.js';
import { CLUSTER_ID, cluster, TestMember } from './support/test-member.js';

type Members = [TestMember, TestMember];

function self(id: bigint, fields: Partial<Identity> = {}): Identity {
  return {
    clusterId: CLUSTER_ID,
    memberId: id,
    version: '3.7.1',
    minClusterVersion: '3.0.0',
    engine: 'memory',
    peerUrls: ['http://a:1'],
    electionMs: 1000,
    ...fields,
  };
}

async function pair(options: object, others: object): Promise<Members> {
  const a = await TestMember.start(1n, options);
  const b = await TestMember.start(2n, others);
  a.peers.update([b.address]);
  b.peers.update([a.address]);
  return [a, b];
}

t.test('members of another cluster', async (t) => {
  const [a, b] = await pair({}, { clusterId: 5n });
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  const ignored = 'request sent was ignored by remote peer due to cluster ID mismatch';
  for (const one of [a, b]) {
    await waitFor('the refusal', () => one.log.with('request cluster ID mismatch').length > 0);
    await waitFor('the answer', () => one.log.with(ignored).length > 0);
  }
  t.equal(a.log.with(ignored)[0]?.fields['remote-peer-cluster-id'], '5');
  await sleep(500);
  t.equal(a.log.with(ignored).length, 1, 'said once, though tried again');
  t.equal(a.peers.connectedSinceMs(2n), null);
  t.equal(a.events.removedCount, 0);
});

t.test('versions that cannot be in one cluster', async (t) => {
  const [a, b] = await pair({ version: '2.3.8', minClusterVersion: '2.0.0' }, {});
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  const ignored = 'request sent was ignored by remote peer due to version incompatibility';
  await waitFor('the answer', () => a.log.with(ignored).length > 0);
  await waitFor('the refusal', () => b.log.with('request version incompatibility').length > 0);
  t.equal(a.peers.connectedSinceMs(2n), null);
});

// Reproduces: a member that had been away while its leader was added refused that leader, and never
// caught up.
t.test('a member that the log does not name yet is let in, and answered', async (t) => {
  const a = await TestMember.start(1n);
  const b = await TestMember.start(2n);
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  a.peers.update([b.address]);
  await waitFor('a connection', () => a.isConnected(b), 3000);
  a.peers.send(makeMessage(MessageType.Heartbeat, 2n, { from: 1n, term: 5 }), null);
  await waitFor('the message', () => b.events.received.length === 1);
  b.peers.send(makeMessage(MessageType.HeartbeatResp, 1n, { from: 2n, term: 5 }), null);
  await waitFor('the answer', () => a.events.received.length === 1);
  t.equal(b.log.with('talking to a member that the log does not name yet').length, 1);
  // The log has gone on, but not so far yet.
  b.peers.update([]);
  t.ok(a.isConnected(b), 'it stays while it is there');
  await a.stop();
  await waitFor('the loss', () => b.peers.connectedSinceMs(1n) === null);
  b.peers.update([]);
  t.equal(b.log.with('stopped talking to remote peer').length, 1, 'and not longer');
});

t.test('a removed member is told so', async (t) => {
  const [a, b] = (await cluster(2)) as Members;
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  await waitFor('a connection', () => a.isConnected(b));
  b.events.removedIds.add(1n);
  b.peers.update([]);
  await waitFor('the news', () => a.events.removedCount > 0, 2000);
  await waitFor('the loss', () => a.peers.connectedSinceMs(2n) === null);
  await sleep(300);
  t.equal(a.events.removedCount, 1, 'said once');
  t.ok(a.log.with('remote peer says that this member has been removed').length > 0);
  // And again when it is started later.
  await a.stop();
  const again = await TestMember.start(1n, {}, a.port);
  t.teardown(() => again.stop());
  again.peers.update([b.address]);
  await waitFor('the news', () => again.events.removedCount === 1, 2000);
  t.ok(b.log.with('rejected a request of a removed member').length > 0);
});

// Reproduces: the last that an operator saw of a removed member was what its peers said of it, and
// not that its directory has to go.
t.test('a member that has been removed is silent about what the others say', async (t) => {
  const [a, b, c] = (await cluster(3)) as [TestMember, TestMember, TestMember];
  t.teardown(() => Promise.all([a.stop(), b.stop(), c.stop()]));
  await waitFor('connections', () => a.isConnected(b) && a.isConnected(c));
  const told = () => b.log.with('rejected a request of a removed member').length > 0;
  const warnings = () => a.log.lines.filter(({ level }) => level === 'warn');
  // It hears it from one of the others.
  b.events.removedIds.add(1n);
  b.peers.update([c.address]);
  await waitFor('the news', () => a.events.removedCount > 0 && told(), 2000);
  await waitFor('the loss', () => a.peers.connectedSinceMs(2n) === null);
  const before = warnings();
  c.events.removedIds.add(1n);
  c.peers.update([b.address]);
  await waitFor('the loss', () => a.peers.connectedSinceMs(3n) === null);
  await waitFor('the refusal', () => {
    return c.log.with('rejected a request of a removed member').length > 0;
  });
  await sleep(300);
  t.same(warnings(), before);
  // It knows it from its own log.
  const again = await TestMember.start(1n, {}, (await freePorts(1))[0]);
  t.teardown(() => again.stop());
  again.events.removedIds.add(1n);
  again.peers.update([b.address]);
  await waitFor('the news', () => again.events.removedCount === 1, 2000);
  t.same(
    again.log.lines.filter(({ level }) => level === 'warn'),
    [],
  );
});

t.test('another member at the URL', async (t) => {
  const a = await TestMember.start(1n);
  const b = await TestMember.start(2n);
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  b.peers.update([a.address]);
  a.peers.update([{ id: 3n, peerUrls: [b.url] }]);
  const text = 'rejected a request that is meant for another member';
  await waitFor('the refusal', () => b.log.with(text).length > 0);
  t.equal(a.peers.connectedSinceMs(3n), null);
});

t.test('something else at the URL', async (t) => {
  const [port] = (await freePorts(1)) as [number];
  const web = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end('HTTP/1.1 505 HTTP Version Not Supported\r\n\r\n'));
  });
  await new Promise<void>((resolve) => web.listen(port, '127.0.0.1', resolve));
  const a = await TestMember.start(1n);
  t.teardown(async () => {
    await a.stop();
    web.close();
  });
  a.peers.update([{ id: 2n, peerUrls: [`http://127.0.0.1:${port}`] }]);
  const text = 'what answers at the peer URL is not a MetaStore member';
  const [line] = await waitFor('the line', () => {
    const lines = a.log.with(text);
    return lines.length > 0 && lines;
  });
  t.equal(line?.fields.answer, 'HTTP/1.1 505 HTTP Version Not Su');
  t.equal(line?.fields.url, `http://127.0.0.1:${port}`);
});

/** Opens a stream as a member would and returns how it ends. */
function stream(b: TestMember, metadata: grpc.Metadata, frames: readonly Buffer[]) {
  const client = new grpc.Client(`127.0.0.1:${b.port}`, grpc.credentials.createInsecure());
  const asIs = (bytes: Buffer) => bytes;
  const path = '/metastore.peer.v1.Peer/Control';
  const call = client.makeBidiStreamRequest(path, asIs, asIs, metadata);
  const ended = new Promise<grpc.ServiceError>((resolve) => call.once('error', resolve));
  call.on('data', () => undefined);
  for (const frame of frames) {
    call.write(frame);
  }
  return within('the end of the stream', ended, 5000).finally(() => client.close());
}

function frameOf(message: Message, run: Uint8Array | null = null): Buffer {
  return encodeFrame([outbound(message, run)], 0);
}

t.test('invalid messages close the stream', async (t) => {
  const b = await TestMember.start(2n);
  t.teardown(() => b.stop());
  b.peers.update([{ id: 1n, peerUrls: ['http://127.0.0.1:1'] }]);
  const good = makeMessage(MessageType.Heartbeat, 2n, { from: 1n, term: 5 });
  const append = makeMessage(MessageType.App, 2n, { from: 1n, term: 5, logTerm: 5, index: 3 });
  const run = makeRun([{ term: 5, type: EntryType.Normal, data: Buffer.from('x') }]);
  const damaged = Buffer.from(run);
  damaged[damaged.length - 1] = 0;
  const bytes = (buffer: Buffer) => buffer as unknown as Uint8Array;
  const local = [
    MessageType.Hup,
    MessageType.Beat,
    MessageType.CheckQuorum,
    MessageType.Unreachable,
    MessageType.SnapStatus,
    MessageType.StorageAppend,
    MessageType.StorageAppendResp,
    MessageType.StorageApply,
    MessageType.StorageApplyResp,
    MessageType.Snap,
    MessageType.ForgetLeader,
  ].map((type): [string, Buffer] => [`type ${type}`, frameOf({ ...good, type })]);
  const entry = makeEntry(EntryType.ConfChange, 0, 0, new Uint8Array([0xff]));
  const cases: [string, Buffer][] = [
    ...local,
    ['an unknown type', frameOf({ ...good, type: 99 as MessageType })],
    ['somebody else', frameOf({ ...good, from: 3n })],
    ['nobody', frameOf({ ...good, from: 0n })],
    ['us', frameOf({ ...good, from: 2n })],
    ['for somebody else', frameOf({ ...good, to: 3n })],
    ['no term', frameOf({ ...good, term: 0 })],
    ['a damaged run', frameOf(append, bytes(damaged))],
    ['an empty run', frameOf(append, new Uint8Array(0))],
    ['a run from the future', frameOf({ ...append, term: 4 }, bytes(run))],
    ['a run in a heartbeat', frameOf(good, bytes(run))],
    ['entries outside of a run', frameOf({ ...append, entries: [entry] })],
    ['a read without context', frameOf({ ...good, type: MessageType.ReadIndexResp })],
    [
      'an undecodable proposal',
      frameOf({ ...good, type: MessageType.Prop, term: 0, entries: [entry] }),
    ],
    ['garbage', Buffer.from('0afffffffff', 'latin1')],
    ['a cut off frame', frameOf(good).subarray(0, 20)],
    ['a number above 2^53', Buffer.from('0a0a20ffffffffffffffff7f', 'hex')],
  ];
  for (const [what, frame] of cases) {
    const error = await stream(b, greet(self(1n), 2n), [frame]);
    t.equal(error.code, grpc.status.INVALID_ARGUMENT, `${what}: ${error.details}`);
  }
  t.strictSame(b.events.received, []);
  t.ok(b.log.with('closed a stream with an invalid message').length > 0);
});

t.test('malformed greetings', async (t) => {
  const b = await TestMember.start(2n);
  t.teardown(() => b.stop());
  b.peers.update([{ id: 1n, peerUrls: ['http://127.0.0.1:1'] }]);
  const code = async (metadata: grpc.Metadata) => (await stream(b, metadata, [])).code;
  t.equal(await code(new grpc.Metadata()), grpc.status.INVALID_ARGUMENT);
  for (const key of Object.keys(greet(self(1n), 2n).getMap()).filter(
    (key) => key !== 'x-peerurls',
  )) {
    const metadata = greet(self(1n), 2n);
    metadata.set(key, '-1');
    const expected =
      key === 'x-server-version' || key === 'x-min-cluster-version'
        ? grpc.status.FAILED_PRECONDITION
        : grpc.status.INVALID_ARGUMENT;
    t.equal(await code(metadata), expected, key);
  }
});

t.test('which greetings are refused, and why', async (t) => {
  const known = {
    isMember: (id: bigint) => id === 1n,
    isRemoved: (id: bigint) => id === 9n,
    admit: (newer: { memberId: bigint }) => newer.memberId === 5n,
  };
  const judge = (fields: Partial<Identity>, to = 2n, extra: Record<string, string> = {}) => {
    const metadata = greet(self(1n, fields), to);
    for (const [key, value] of Object.entries(extra)) {
      metadata.set(key, value);
    }
    return refusalOf(self(2n), readGreeting(metadata), known);
  };
  t.equal(judge({}), null);
  t.equal(judge({ version: '3.2.0', minClusterVersion: '3.0.0' }), null);
  t.equal(judge({ version: '3.99.0-alpha.1', minClusterVersion: '3.7.0' }), null);
  t.equal(judge({ version: '4.0.0', minClusterVersion: '4.0.0' }), 'version');
  t.equal(judge({ version: '2.9.0', minClusterVersion: '2.0.0' }), 'version');
  t.equal(judge({ version: '3.8.0', minClusterVersion: '3.8.0' }), 'version');
  t.equal(judge({ version: '' }), 'version');
  t.equal(judge({}, 2n, { 'x-metastore-protocol': '0' }), 'version');
  t.equal(judge({}, 2n, { 'x-metastore-min-protocol': '2' }), 'version');
  t.equal(judge({}, 2n, { 'x-metastore-protocol': '7' }), null, 'newer, and understands us');
  t.equal(judge({}, 2n, { 'x-metastore-engine': 'other' }), 'malformed');
  t.equal(judge({ clusterId: 1n, memberId: 9n }), 'cluster-id', 'before anything about members');
  t.equal(judge({ memberId: 9n }, 3n), 'removed');
  t.equal(judge({ memberId: 4n }, 3n), 'unknown-sender');
  t.equal(judge({ memberId: 4n }), 'unknown-sender');
  t.equal(judge({ memberId: 5n }), null, 'let in');
  t.equal(judge({ memberId: 5n }, 3n), 'unknown-sender', 'but only by whom it means');
  t.equal(judge({}, 3n), 'wrong-receiver');
});

t.test('bytes that are no HTTP/2, or not to the end', async (t) => {
  const [a, b] = (await cluster(2)) as Members;
  t.teardown(() => Promise.all([a.stop(), b.stop()]));
  await waitFor('a connection', () => a.isConnected(b));
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  const garbage = ['', 'GET / HTTP/1.1\r\n\r\n', preface, `${preface}${'\xff'.repeat(200)}`];
  for (const text of garbage) {
    await new Promise<void>((resolve) => {
      const socket = connect({ port: b.port, host: '127.0.0.1' }, () => {
        socket.write(new Uint8Array(Buffer.from(text, 'latin1')));
        setTimeout(() => resetOrClose(socket), 30);
      });
      socket.on('error', () => undefined);
      socket.once('close', () => resolve());
    });
  }
  a.peers.send(makeMessage(MessageType.Heartbeat, 2n, { from: 1n, term: 5 }), null);
  await waitFor('a message', () => b.events.received.length === 1);
  t.ok(a.isConnected(b));
});

t.test('places that URLs name', async (t) => {
  t.strictSame(placeOf('http://10.0.0.1:2380'), {
    target: 'ipv4:10.0.0.1:2380',
    address: { host: '10.0.0.1', port: 2380 },
    secure: null,
  });
  t.strictSame(placeOf('http://[::1]:2380'), {
    target: 'ipv6:[::1]:2380',
    address: { host: '::1', port: 2380 },
    secure: null,
  });
  t.strictSame(placeOf('http://node-1.example'), {
    target: 'dns:node-1.example:80',
    address: { host: 'node-1.example', port: 80 },
    secure: null,
  });
  t.strictSame(placeOf('unix://localhost:m10'), {
    target: 'unix:localhost:m10',
    address: { path: 'localhost:m10' },
    secure: null,
  });
  t.match(placeOf('https://a:1'), /no TLS towards other members/);
  t.match(placeOf('nonsense'), /malformed URL/);
});
