// Calls that a member of the cluster would not make but could: offers, chunks and forwards that
// contradict themselves or each other. Each gets a status, nothing is stored that should not be,
// and the member goes on serving the others.

import { connect } from 'node:net';
import grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { greet, type Identity } from '../../../../src/cluster/peers/wire/handshake.js';
import {
  type ConfStateMessage,
  type SnapshotOffer,
  snapshotAnswer,
  snapshotChunk,
  snapshotOffer,
  snapshotProgress,
} from '../../../../src/cluster/peers/wire/payloads.js';
import { sleep, waitFor, within } from '../../../support/wait.js';
import { FakePeerCore } from './support/fake-peer-core.js';
import { CLUSTER_ID, TestMember } from './support/test-member.js';

const PATH = '/metastore.peer.v1.Peer/';
const asIs = (bytes: Buffer) => bytes;

function identity(id: bigint): Identity {
  return {
    clusterId: CLUSTER_ID,
    memberId: id,
    version: '3.7.1',
    minClusterVersion: '3.0.0',
    engine: 'memory',
    peerUrls: [],
    electionMs: 1000,
  };
}

/** A member that says whatever a test wants, to a real one. */
class Impostor {
  readonly client: grpc.Client;
  readonly id: bigint;

  constructor(t: Test, member: TestMember, id = 1n) {
    this.id = id;
    this.client = new grpc.Client(`127.0.0.1:${member.port}`, grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
    t.teardown(() => this.client.close());
  }

  call(method: string, request: Buffer): Promise<Buffer> {
    return within(
      method,
      new Promise((resolve, reject) => {
        const metadata = greet(identity(this.id), 2n);
        this.client.makeUnaryRequest(
          PATH + method,
          asIs,
          asIs,
          request,
          metadata,
          (error: grpc.ServiceError | null, reply?: Buffer) =>
            error === null ? resolve(reply as Buffer) : reject(error),
        );
      }),
      5000,
    );
  }

  async offer(fields: Partial<SnapshotOffer> = {}) {
    const reply = await this.call('OfferSnapshot', snapshotOffer.encode({ ...offer, ...fields }));
    return snapshotAnswer.decode(reply as unknown as Uint8Array);
  }

  /** Sends chunks on one stream; the offsets that were confirmed, and how it ended. */
  async chunks(frames: readonly Buffer[]) {
    const metadata = greet(identity(this.id), 2n);
    const call = this.client.makeBidiStreamRequest(`${PATH}SendSnapshot`, asIs, asIs, metadata);
    const offsets: number[] = [];
    call.on('data', (reply: Buffer) => {
      offsets.push(Number(snapshotProgress.decode(reply as unknown as Uint8Array).offset));
    });
    const ended = new Promise<grpc.StatusObject | grpc.ServiceError>((resolve) => {
      call.on('error', resolve);
      call.on('status', resolve);
    });
    for (const frame of frames) {
      call.write(frame);
    }
    const timer = setTimeout(() => call.end(), 200);
    const { code } = await within('the stream', ended, 5000);
    clearTimeout(timer);
    return { offsets, code };
  }
}

const confState: ConfStateMessage = {
  voters: [1n, 2n],
  learners: [],
  voters_outgoing: [],
  learners_next: [],
  auto_leave: false,
};

const offer: SnapshotOffer = {
  transfer_id: 7n,
  term: 5n,
  snapshot_index: 100n,
  snapshot_term: 4n,
  conf_state: confState,
  kind: 1,
  size_bytes: 1000n,
};

/** Bytes behind the checksum that FakePeerCore expects. */
async function framed(bytes: Buffer): Promise<Buffer> {
  const core = new FakePeerCore();
  core.state = bytes;
  const { id } = await core.exportSnapshot(false);
  return core.readExport(id, 0, bytes.length);
}

async function chunk(offset: number, size: number, transfer = 7n): Promise<Buffer> {
  const data = await framed(Buffer.alloc(size, 1));
  return snapshotChunk.encode({ transfer_id: transfer, offset: BigInt(offset), data });
}

async function receiver(t: Test): Promise<TestMember> {
  const limits = { chunkBytes: 1 << 16, chunksInFlight: 4, transferStallMs: 1500 };
  const member = await TestMember.start(2n, { limits });
  t.teardown(() => member.stop());
  const nowhere = ['http://127.0.0.1:1'];
  member.peers.update([
    { id: 1n, peerUrls: nowhere },
    { id: 3n, peerUrls: nowhere },
  ]);
  return member;
}

t.test('offers that cannot be', async (t) => {
  const member = await receiver(t);
  const impostor = new Impostor(t, member);
  const bad: [string, Partial<SnapshotOffer>][] = [
    ['no position', { snapshot_index: 0n }],
    ['no term of the position', { snapshot_term: 0n }],
    ['no term', { term: 0n }],
    ['a position of the future', { snapshot_term: 6n }],
    ['a term above 2^53', { term: 2n ** 63n }],
    ['a size above 2^53', { size_bytes: 2n ** 64n - 1n }],
    ['no membership', { conf_state: null }],
    ['nobody votes', { conf_state: { ...confState, voters: [] } }],
    ['somebody votes and learns', { conf_state: { ...confState, learners: [1n] } }],
    ['no kind', { kind: 0 }],
    ['an unknown kind', { kind: 3 }],
  ];
  for (const [what, fields] of bad) {
    await t.rejects(impostor.offer(fields), { code: grpc.status.INVALID_ARGUMENT }, what);
  }
  const garbage = Buffer.from('0afffffffff', 'latin1');
  await t.rejects(impostor.call('OfferSnapshot', garbage), { code: grpc.status.INVALID_ARGUMENT });
  t.equal((await impostor.offer({ kind: 2 })).accepted, false, 'a checkpoint for memory');
  t.equal(member.core.imports.size, 0);
  t.strictSame(await impostor.offer(), { accepted: true, offset: 0n, reason: '' });
});

t.test('chunks that do not follow', async (t) => {
  const member = await receiver(t);
  const impostor = new Impostor(t, member);
  const invalid = { offsets: [], code: grpc.status.INVALID_ARGUMENT };
  t.strictSame(await impostor.chunks([await chunk(0, 10)]), invalid, 'without an offer');
  await impostor.offer();
  t.strictSame(await impostor.chunks([await chunk(0, 10, 8n)]), invalid, 'of something else');
  t.strictSame(await impostor.chunks([await chunk(5, 10)]), invalid, 'not from the start');
  t.strictSame(await impostor.chunks([await chunk(0, 1001)]), invalid, 'more than offered');
  t.strictSame(await impostor.chunks([await chunk(0, 0)]), invalid, 'nothing');
  const short = snapshotChunk.encode({ transfer_id: 7n, offset: 0n, data: Buffer.from([1]) });
  t.strictSame(await impostor.chunks([short]), invalid, 'less than a checksum');
  const damaged = await chunk(0, 10);
  damaged[damaged.length - 1] = 9;
  t.strictSame(await impostor.chunks([damaged]), invalid, 'damaged');
  t.strictSame(await impostor.chunks([Buffer.from('ffff', 'hex')]), invalid, 'garbage');
  const other = new Impostor(t, member, 3n);
  t.strictSame(await other.chunks([await chunk(0, 10)]), invalid, 'of another member');
  // Nothing of it has harmed the transfer.
  t.strictSame(await impostor.chunks([await chunk(0, 400), await chunk(400, 500)]), {
    offsets: [400, 900],
    code: grpc.status.OK,
  });
  t.equal((await impostor.offer()).offset, 900n);
  t.strictSame(await impostor.chunks([await chunk(900, 100)]), {
    offsets: [1000],
    code: grpc.status.OK,
  });
  t.equal(member.events.snapshots.length, 1);
  // The sender may not have heard of the end.
  t.strictSame(await impostor.offer(), { accepted: true, offset: 1000n, reason: '' });
  t.strictSame(await impostor.chunks([await chunk(0, 10)]), invalid, 'after the end');
  t.equal(member.events.snapshots.length, 1, 'it is handed on once');
  t.equal(member.core.imports.size, 1);
});

t.test('many more bytes than may be under way', async (t) => {
  const member = await receiver(t);
  const impostor = new Impostor(t, member);
  let release: () => void = () => undefined;
  member.core.writeImport = () =>
    new Promise((resolve) => {
      release = resolve;
    });
  await impostor.offer({ size_bytes: 1n << 40n });
  member.core.imports.clear();
  const frames: Buffer[] = [];
  for (let i = 0; i < 40; i++) {
    frames.push(await chunk(i << 16, 1 << 16));
  }
  const { code } = await impostor.chunks(frames);
  t.equal(code, grpc.status.INVALID_ARGUMENT);
  member.core.closeImport = () => undefined;
  release();
});

t.test('two streams for one transfer', async (t) => {
  const member = await receiver(t);
  const impostor = new Impostor(t, member);
  await impostor.offer();
  const first = impostor.chunks([await chunk(0, 100)]);
  await waitFor('the first bytes', () => [...member.core.imports.values()][0]?.written === 100);
  t.equal((await impostor.chunks([await chunk(100, 100)])).code, grpc.status.INVALID_ARGUMENT);
  t.equal((await first).code, grpc.status.OK);
  t.equal((await impostor.offer()).offset, 100n);
  t.equal((await impostor.chunks([await chunk(100, 100)])).code, grpc.status.OK);
});

t.test('offers that cross each other', async (t) => {
  const member = await receiver(t);
  const impostor = new Impostor(t, member);
  const other = new Impostor(t, member, 3n);
  const open = member.core.openImport.bind(member.core);
  member.core.openImport = async (kind, sizeBytes) => {
    await sleep(300);
    return open(kind, sizeBytes);
  };
  // Both connections stand before the offers go out, in the order in which they are made.
  await Promise.all([
    impostor.call('Forward', Buffer.alloc(0)),
    other.call('Forward', Buffer.alloc(0)),
  ]);
  const later = async <T>(ms: number, call: () => Promise<T>) => {
    await sleep(ms);
    return call();
  };
  const answers = await Promise.all([
    impostor.offer({ transfer_id: 1n }),
    impostor.offer({ transfer_id: 1n }),
    later(80, () => other.offer({ transfer_id: 2n, term: 6n })),
    later(160, () => impostor.offer({ transfer_id: 3n })),
  ]);
  t.strictSame(
    answers.map(({ accepted }) => accepted),
    [true, true, true, false],
  );
  await waitFor('the older import to be closed', () =>
    [...member.core.imports.values()].every(({ closed }, i) => closed === (i === 0)),
  );
  t.equal(member.core.imports.size, 2);
  t.equal((await other.chunks([await chunk(0, 1000, 2n)])).code, grpc.status.OK);
  t.equal(member.events.snapshots[0]?.message.from, 3n);
});

t.test('forwards and methods that cannot be', async (t) => {
  const member = await receiver(t);
  const impostor = new Impostor(t, member);
  const garbage = Buffer.from('0afffffffff', 'latin1');
  await t.rejects(impostor.call('Forward', garbage), { code: grpc.status.INVALID_ARGUMENT });
  const term = Buffer.from('08ffffffffffffffffff01', 'hex');
  await t.rejects(impostor.call('Forward', term), { code: grpc.status.INVALID_ARGUMENT });
  t.equal(member.events.forwards.length, 0);
  await t.rejects(impostor.call('Nothing', garbage), { code: grpc.status.UNIMPLEMENTED });
  const stranger = new Impostor(t, member, 9n);
  await t.rejects(stranger.call('Forward', Buffer.alloc(0)), { code: grpc.status.NOT_FOUND });
  const huge = Buffer.alloc((65 << 20) + 100);
  await t.rejects(impostor.call('Forward', huge), { code: grpc.status.RESOURCE_EXHAUSTED });
  t.equal((await impostor.call('Forward', Buffer.alloc(0))).length, 0, 'and still serves');
  t.equal(member.events.forwards.length, 1);
});

t.test('connections that open and close', async (t) => {
  const member = await receiver(t);
  for (let i = 0; i < 200; i++) {
    const socket = connect({ port: member.port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    socket.once('connect', () => socket.destroy());
  }
  const impostor = new Impostor(t, member);
  t.equal((await impostor.offer()).accepted, true);
});
