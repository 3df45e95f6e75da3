// Bad requests: random and damaged bytes to every RPC, sizes around every limit, too many
// operations, leases that are not there, garbage on the port. Each gets its documented error, and
// the server goes on serving.

import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { serviceMethods } from '../../../src/base/proto/codec.js';
import { Random } from '../../conformance/differential/values.js';
import { ask, calls, type Message, must } from '../../conformance/support/calls.js';
import type { Client } from '../../conformance/support/client.js';
import { disarm, names, type Subject, shown, startSubject, stillServes } from './subject.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';
const messagesPerMethod = isFull ? 300 : 25;
const seed = Number(process.env.METASTORE_BAD_INPUT_SEED ?? 7);
const services = [
  ...['KV', 'Watch', 'Lease', 'Cluster', 'Maintenance', 'Auth'].map(
    (name) => `etcdserverpb.${name}`,
  ),
  'v3lockpb.Lock',
  'v3electionpb.Election',
  'grpc.health.v1.Health',
];
/** Calls that wait for as long as somebody else holds what they ask for. */
const waiting = new Set(['/v3lockpb.Lock/Lock', '/v3electionpb.Election/Campaign']);

t.setTimeout(3_600_000);

/** Random bytes, or a valid message with bytes changed, cut off or added. */
function damaged(random: Random): Buffer {
  if (random.chance(40)) return random.bytes(random.below(60));
  const valid = random.pick([
    calls.put.encode({ key: Buffer.from('fuzz'), value: random.bytes(20), lease: 5n }),
    calls.range.encode({ key: Buffer.from('fuzz'), range_end: Buffer.from('g'), limit: -1n }),
    calls.txn.encode({ success: [{ request_put: { key: Buffer.from('fuzz') } }] }),
    calls.leaseGrant.encode({ ID: 77n, TTL: 100n }),
    calls.watch.encode({ create_request: { key: Buffer.from('fuzz'), start_revision: 1n } }),
  ]);
  const bytes = Buffer.concat([valid, random.bytes(random.below(3))]);
  for (let flips = 1 + random.below(4); flips > 0; flips -= 1) {
    bytes[random.below(bytes.length)] = random.below(256);
  }
  return bytes.subarray(0, random.chance(30) ? random.below(bytes.length) : bytes.length);
}

async function fuzzUnary(client: Client, path: string, random: Random): Promise<number[]> {
  const codes: number[] = [];
  for (let index = 0; index < messagesPerMethod; index += 1) {
    const timeoutMs = waiting.has(path) ? 200 : 10_000;
    const answer = await client.unary(path, damaged(random), { timeoutMs });
    codes.push(answer.code);
  }
  return codes;
}

async function fuzzStream(client: Client, path: string, random: Random): Promise<void> {
  for (let index = 0; index < messagesPerMethod; index += 1) {
    const stream = client.stream(path, () => {});
    for (let count = random.below(4); count >= 0; count -= 1) stream.send(damaged(random));
    await Promise.race([stream.ended, new Promise((resolve) => setTimeout(resolve, 20))]);
    stream.cancel();
  }
}

async function randomBytes(t: Test, subject: Subject): Promise<void> {
  const random = new Random(seed);
  const isEtcd = subject.program.options.kind === 'etcd';
  for (const method of services.flatMap((service) => serviceMethods(service))) {
    // An unknown kind of alarm ends a real etcd (3.7.1) with a panic.
    if (isEtcd && method.path.endsWith('/Alarm')) continue;
    if (method.requestStream || method.responseStream) {
      await fuzzStream(subject.client, method.path, random);
    } else {
      const codes = await fuzzUnary(subject.client, method.path, random);
      const lost = codes.filter((code) => (code === 4 && !waiting.has(method.path)) || code === 14);
      t.equal(lost.length, 0, `${method.path} always answers`);
    }
    t.ok(subject.program.running, `runs after ${method.path}`);
  }
  await disarm(subject.client);
  await stillServes(t, subject, 'random bytes');
}

/** Bytes that are no protobuf message at all. */
async function notProtobuf(t: Test, { client }: Subject): Promise<void> {
  const cases: [string, number[]][] = [
    ['a length past the end', [0x0a, 0x7f, 0x61]],
    ['a tag cut short', [0x80]],
    ['field number zero', [0x00, 0x01]],
    ['a wire type that does not exist', [0x0f, 0x01]],
    ['an endless varint', Array.from({ length: 12 }, () => 0xff)],
  ];
  for (const call of [calls.range, calls.put, calls.txn, calls.compact, calls.leaseGrant]) {
    for (const [what, bytes] of cases) {
      const answer = await client.unary(call.path, Buffer.from(bytes));
      t.equal(answer.code, 13, `${call.name}, ${what}`);
      t.match(answer.text, /^grpc: error unmarshalling request: /, `${call.name}, ${what}`);
    }
  }
}

/** A put request of exactly so many bytes. */
function putOfSize(messageBytes: number): Buffer {
  const encode = (valueBytes: number): Buffer =>
    calls.put.encode({ key: Buffer.from('big'), value: Buffer.alloc(valueBytes, 1) });
  const near = encode(messageBytes - 16);
  return encode(messageBytes - 16 + (messageBytes - near.length));
}

const maxRequestBytes = 1_572_864;
const maxMessageBytes = 2_097_152;
/** More than what a request gets around it in the log: header, ids, tags. */
const envelopeBytes = 100;

async function sizes(t: Test, { client }: Subject): Promise<void> {
  const put = async (bytes: number): Promise<string> => {
    const answer = await client.unary(calls.put.path, putOfSize(bytes));
    return answer.code === 0 ? 'ok' : `${answer.code} ${answer.text}`;
  };
  t.equal(await put(maxRequestBytes - envelopeBytes), 'ok', 'just under 1.5 MiB');
  const tooLarge = '3 etcdserver: request is too large';
  t.equal(await put(maxRequestBytes + 1), tooLarge, 'just over 1.5 MiB');
  t.equal(await put(maxMessageBytes), tooLarge, 'the largest message');
  for (const bytes of [maxMessageBytes + 1, 8 * maxMessageBytes]) {
    const text = `8 grpc: received message larger than max (${bytes} vs. ${maxMessageBytes})`;
    t.equal(await put(bytes), text, 'past the largest message');
  }
  const read = await must(client, calls.range, { key: Buffer.from('big') });
  const [kv] = read.kvs as { value: Buffer }[];
  t.ok((kv?.value.length ?? 0) > maxRequestBytes - 2 * envelopeBytes, 'the large value is there');
}

function puts(count: number): Message[] {
  return Array.from({ length: count }, (_, index) => ({
    request_put: { key: Buffer.from(`op/${index}`), value: Buffer.from('v') },
  }));
}

async function operations(t: Test, { client }: Subject): Promise<void> {
  const txn = async (request: Message): Promise<string> =>
    shown(await ask(client, calls.txn, request));
  const tooMany = '3 etcdserver: too many operations in txn request';
  t.equal(await txn({ success: puts(128) }), 'ok', '128 operations');
  t.equal(await txn({ success: puts(129) }), tooMany, '129 operations');
  t.equal(await txn({ failure: puts(10_000) }), tooMany, '10,000 operations');
  const nested = async (levels: number): Promise<string> => {
    const answer = await client.unary(calls.txn.path, nestedTxn(levels));
    return answer.code === 0 ? 'ok' : `${answer.code} ${answer.text}`;
  };
  t.equal(await nested(100), 'ok', 'nested a hundred times');
  t.equal(await nested(200), tooMany, 'nested two hundred times');
  // Far deeper than any budget: what reads the bytes must not recurse without bound.
  for (const levels of [2000, 100_000]) {
    const answer = await nested(levels);
    t.not(answer, 'ok', `nested ${levels} times: ${answer}`);
  }
}

/** Tag and length of a length-delimited field. */
function fieldHead(field: number, bodyBytes: number): Buffer {
  const head = [(field << 3) | 2];
  let left = bodyBytes;
  for (; left > 0x7f; left = Math.floor(left / 128)) head.push((left & 0x7f) | 0x80);
  return Buffer.from([...head, left]);
}

/** A put in a transaction in a transaction, so many levels deep; encoded from the inside out. */
function nestedTxn(levels: number): Buffer {
  const innermost = calls.txn.encode({ success: puts(1) });
  const heads: Buffer[] = [];
  let length = innermost.length;
  for (let level = 0; level < levels; level += 1) {
    // RequestOp.request_txn is field 4, TxnRequest.success field 2.
    for (const field of [4, 2]) {
      const head = fieldHead(field, length);
      heads.push(head);
      length += head.length;
    }
  }
  return Buffer.concat([...heads.reverse(), innermost]);
}

async function leases(t: Test, { client }: Subject): Promise<void> {
  const key = Buffer.from('leased');
  const notFound = '5 etcdserver: requested lease not found';
  t.equal(shown(await ask(client, calls.put, { key, lease: 404n })), notFound, 'put');
  t.equal(shown(await ask(client, calls.leaseRevoke, { ID: 404n })), notFound, 'revoke');
  const ttl = await must(client, calls.leaseTimeToLive, { ID: 404n });
  t.equal(ttl.TTL, -1n, 'time to live');
  const answer = await new Promise<Message>((resolve) => {
    const stream = client.stream(calls.keepAlive.path, (bytes) => {
      resolve(calls.keepAlive.reply.decode(bytes));
      stream.cancel();
    });
    stream.send(calls.keepAlive.encode({ ID: 404n }));
  });
  t.equal(answer.TTL, 0n, 'keep-alive');
}

/** Transactions whose later operation needs what an earlier one took away. */
async function selfDefeating(t: Test, subject: Subject): Promise<void> {
  const key = Buffer.from('gone');
  const everything = { key: Buffer.from('a'), range_end: Buffer.from([0]) };
  for (const keep of ['ignore_value', 'ignore_lease']) {
    await must(subject.client, calls.put, { key, value: Buffer.from('v') });
    const success = [{ request_delete_range: everything }, { request_put: { key, [keep]: true } }];
    const reply = await ask(subject.client, calls.txn, { success });
    t.ok(subject.program.running, `${keep} of a key that the transaction deleted: ${shown(reply)}`);
  }
  await stillServes(t, subject, 'such transactions');
}

/** Sends bytes to the port and hangs up, whatever comes back. */
function garbage(address: string, bytes: Buffer): Promise<void> {
  const [host = '', port = ''] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect(Number(port), host, () => {
      socket.write(bytes);
      setTimeout(() => socket.destroy(), 100);
    });
    socket.on('error', () => {});
    socket.on('data', () => {});
    socket.on('close', () => resolve());
  });
}

async function garbageOnThePort(t: Test, subject: Subject): Promise<void> {
  const random = new Random(seed);
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  const cases: [string, Buffer][] = [
    ['nothing', Buffer.alloc(0)],
    ['random bytes', random.bytes(5000)],
    ['half a preface', preface.subarray(0, 10)],
    ['a preface and random frames', Buffer.concat([preface, random.bytes(5000)])],
    [
      'a preface and a frame that never ends',
      Buffer.concat([preface, Buffer.from('ffffff0400', 'hex')]),
    ],
    ['a TLS hello', Buffer.from('16030100c8010000c40303', 'hex')],
    ['an HTTP/1 request', Buffer.from('GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['an HTTP/1 request without end', Buffer.from(`GET /${'x'.repeat(100_000)}`)],
  ];
  for (const [what, bytes] of cases) {
    await garbage(subject.program.address, bytes);
    t.ok(subject.program.running, `runs after ${what}`);
  }
  await stillServes(t, subject, 'garbage on the port');
}

for (const name of names) {
  t.test(`${name}: bad requests`, async (t) => {
    const subject = await startSubject(t, name);
    const tests: [string, (t: Test, subject: Subject) => Promise<void>][] = [
      ['bytes that are no message', notProtobuf],
      ['sizes around the limits', sizes],
      ['too many operations', operations],
      ['unknown leases', leases],
      ['garbage on the port', garbageOnThePort],
      ['random bytes to every RPC', randomBytes],
    ];
    // A real etcd (3.7.1) ends with a panic there.
    if (name !== 'etcd') tests.push(['transactions that defeat themselves', selfDefeating]);
    for (const [what, work] of tests) {
      await t.test(what, async (t) => {
        await work(t, subject);
        t.ok(subject.program.running, 'the server runs');
      });
    }
  });
}
