// Tests of src/api/services/streams: records of the plane about its streams, what is commanded for
// them, and how its counts are added at a scrape.

import t from 'tap';
import { OpenStreams } from '../../../../src/api/guard.js';
import { observeStreams } from '../../../../src/api/metrics/streams.js';
import { PlaneStreams } from '../../../../src/api/services/streams/plane-streams.js';
import { decodeQuestion, encodeAnswers } from '../../../../src/api/services/streams/records.js';
import type { CallContext } from '../../../../src/base/call.js';
import { MetaStoreError } from '../../../../src/base/errors.js';
import { Metrics } from '../../../../src/base/metrics/metrics.js';
import { nobody } from '../../../../src/server/serving/caller.js';
import { noPlane } from '../../../support/fakes/no-network.js';

const marks = noPlane.streamMarks;

function text(value: string): Buffer {
  const bytes = Buffer.alloc(4 + value.length);
  bytes.writeUInt32LE(value.length);
  bytes.write(value, 4, 'latin1');
  return bytes;
}

function head(call: number, kind: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes.writeDoubleLE(call);
  bytes.writeUInt8(kind, 8);
  return bytes;
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const join = (...parts: Buffer[]): Buffer => Buffer.concat(parts as unknown as Uint8Array[]);
const credentials = join(number32(1), text('token'), text('t\xff.1'), text('cn'), text('10.0.0.1'));

t.test('questions are read', async (test) => {
  test.strictSame(decodeQuestion(head(8, marks.opened), marks), {
    kind: 'opened',
    version: undefined,
  });
  test.strictSame(decodeQuestion(join(head(8, marks.opened), text('3.7')), marks), {
    kind: 'opened',
    version: '3.7',
  });
  const known = {
    metadata: new Map([['token', 't\xff.1']]),
    commonName: 'cn',
    peer: '10.0.0.1',
  };
  test.strictSame(decodeQuestion(join(head(8, marks.watcher), credentials), marks), {
    kind: 'watcher',
    call: 8,
    credentials: known,
  });
  const lease = Buffer.alloc(8);
  lease.writeBigInt64LE(-5n);
  test.strictSame(decodeQuestion(join(head(9, marks.renewal), lease, credentials), marks), {
    kind: 'renewal',
    renewal: { call: 9, lease: -5n },
    credentials: known,
  });
  test.throws(() => decodeQuestion(head(8, 77), marks));
});

t.test('answers carry their header once', async (test) => {
  const header = { cluster_id: 1n, member_id: 2n, revision: 3n, raft_term: 4n };
  const bytes = Buffer.from(encodeAnswers(header, [{ call: 8, result: -2 }]));
  test.equal(bytes.toString('hex', 0, 12), '080000000801100218032004');
  test.equal(bytes.readDoubleLE(12), 8);
  test.equal(bytes.readDoubleLE(20), -2);
  test.equal(bytes.length, 28);
});

function made() {
  const asked: CallContext[] = [];
  const counted: unknown[] = [];
  const commands: unknown[] = [];
  const header = { cluster_id: 1n, member_id: 2n, revision: 3n, raft_term: 4n };
  const member = {
    header: () => header,
    leaderKnown: async () => undefined,
    auth: { enabled: false, revision: 0, isRoot: () => true },
    native: { checkRange: () => 0 },
    errors: { fromCode: () => MetaStoreError.of('Internal') },
    leaseKeys: async () => [],
  };
  const streams = new PlaneStreams({
    member,
    leases: { renew: async () => 5n, renewNow: async (ids) => ids.map(() => 60) },
    access: {
      enabled: false,
      requireUser: async () => nobody,
      caller: async (context) => {
        asked.push(context);
        return { userName: 'u', authRevision: 9, refusal: null };
      },
    },
    errors: { refusalCode: () => 0, codeOf: (name) => name.length },
    calls: { counted: (...about) => counted.push(about) },
    marks,
  });
  const plane = {
    watchCaller: (...about: unknown[]) => commands.push(['watchCaller', ...about]),
    keepAlivesDone: (bytes: Uint8Array) => commands.push(['done', bytes.length]),
    endStreams: (...about: unknown[]) => commands.push(['end', ...about]),
  };
  return { streams, plane, asked, counted, commands };
}

t.test('a creator of watches is identified by the call', async (test) => {
  const { streams, plane, asked, counted, commands } = made();
  streams.attach(
    plane,
    new OpenStreams({ isLearner: false, leader: 1n, membership: { version: '3.7.0' } }),
  );
  streams.caller(join(head(8, marks.watcher), credentials));
  streams.caller(join(head(8, marks.opened), text('3.7')));
  await new Promise(setImmediate);
  test.equal(asked[0]?.metadata('token'), 't\xff.1');
  test.equal(asked[0]?.metadata('authorization'), undefined);
  test.equal(asked[0]?.commonName, 'cn');
  test.equal(asked[0]?.peer, '10.0.0.1');
  test.equal(asked[0]?.signal.aborted, false);
  test.strictSame(commands, [['watchCaller', 8, 'u', 9, 0]]);
  test.strictSame(counted, [['stream', '3.7']]);
});

t.test('renewals are answered', async (test) => {
  const { streams, plane, commands } = made();
  streams.attach(
    plane,
    new OpenStreams({ isLearner: false, leader: 1n, membership: { version: '3.7.0' } }),
  );
  const two = Buffer.alloc(32);
  two.writeDoubleLE(8, 0);
  two.writeDoubleLE(16, 16);
  streams.keepAlives(two);
  await new Promise(setImmediate);
  test.strictSame(commands, [['done', 4 + 8 + 32]]);
});

t.test('streams end for want of a leader, and with the member', async (test) => {
  const { streams, plane, commands } = made();
  const member = { isLearner: false, leader: 0n, membership: { version: '3.7.0' } };
  const open = new OpenStreams(member);
  streams.attach(plane, open);
  open.poll();
  open.poll();
  test.strictSame(commands, []);
  open.poll();
  test.strictSame(commands, [['end', 'NoLeader'.length, true]]);
  member.leader = 1n;
  open.poll();
  open.stop();
  test.strictSame(commands.slice(1), [['end', 'Stopped'.length, false]]);
});

t.test('native counts are added to those of the handlers', async (test) => {
  const metrics = new Metrics();
  const size = 5 + 17 + 12 + 1;
  let numbers = new Float64Array(2 * size).map((_value, place) => place);
  observeStreams(metrics, true, () => numbers);
  const text = async (name: string, ...labels: string[]) => {
    const lines = (await metrics.text()).split('\n');
    const watch = ['grpc_method="Watch"', 'grpc_type="bidi_stream"', ...labels];
    const found = lines.find(
      (line) => line.startsWith(`${name}{`) && watch.every((label) => line.includes(label)),
    );
    return found?.split(' ').at(-1);
  };
  const sent = 'grpc_server_msg_sent_total';
  test.equal(await text(sent), '2');
  const handled = await text('grpc_server_handled_total', 'grpc_code="Canceled"');
  test.equal(handled, '6', 'what has been added is not added again');
  numbers = numbers.map((value, place) => (place === 2 ? value + 10 : value));
  test.equal(await text(sent), '12');
  const seconds = 'grpc_server_handling_seconds';
  test.equal(await text(`${seconds}_sum`), `${size - 1}`);
  test.equal(await text(`${seconds}_bucket`, 'le="0.005"'), '22');
  numbers = new Float64Array(0);
  test.equal(await text(sent), '12', 'the plane has ended');
});
