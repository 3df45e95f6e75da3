// Clients that are slow or dead: they do not read their answers, do not finish their requests, or
// say nothing at all. What waits for them is bounded, and nobody else waits.

import { connect, type Socket } from 'node:net';
import t from 'tap';

import { EtcdClient, prefixEnd } from '../../support/etcd/client.js';
import {
  callHeaders,
  methods,
  putRequest,
  rangeRequest,
  watchRequest,
} from '../../support/etcd/wire/call.js';
import type { WireConnection } from '../../support/etcd/wire/connection.js';
import {
  data,
  FrameType,
  frame,
  grpcMessage,
  headers,
  preface,
  Setting,
  settings,
} from '../../support/etcd/wire/frames.js';
import { encodeHeaders } from '../../support/etcd/wire/hpack.js';
import { sleep, waitFor } from '../../support/wait.js';
import { isFull, overEach, Subject } from './subject.js';

const READERS = isFull ? 200 : 40;
const DEAD = isFull ? 2000 : 300;
/** What answers that nobody takes may cost: the budget, and its copies on their way. */
const BUDGET_MIB = 128;
const CROWD = isFull ? 500 : 200;
const AT_ONCE = isFull ? 2000 : 600;
const READ_MS_MAX = 5000;
const EVENTS = isFull ? 2000 : 300;

t.setTimeout(10 * 60_000);

const closedWindow = { settings: [[Setting.initialWindowSize, 0] as const] };

/** Sends a whole request and reads nothing of its answer. */
function ask(connection: WireConnection, path: string, message: Buffer): number {
  const stream = connection.request(callHeaders(path));
  connection.send(data(stream, grpcMessage(message), path !== methods.watch));
  return stream;
}

/** 4 MiB under `big/`. */
async function fill(endpoint: string): Promise<void> {
  const client = new EtcdClient(endpoint);
  for (let i = 0; i < 4; i++) await client.put(`big/${i}`, Buffer.alloc(1 << 20, i) as never);
  client.close();
}

const bigKeys = { key: Buffer.from('big/') as never, range_end: prefixEnd('big/') as never };
const bigRange = rangeRequest('big/', Buffer.from(prefixEnd('big/')).toString());

overEach(t, 'slow readers', async (t, transport) => {
  const subject = await Subject.start(t, transport);
  await fill(subject.member.endpoint);

  await t.test('answers of 4 MiB that nobody has a window for', (t) =>
    // What a real etcd keeps here is all of it: 4 MiB a call. The native transport has a budget.
    subject.endure(t, transport === 'native' ? BUDGET_MIB : READERS * 4.5 * 2, async () => {
      const connections = [await subject.open(closedWindow), await subject.open(closedWindow)];
      for (let i = 0; i < READERS; i++) {
        ask(connections[i % 2] as WireConnection, methods.range, bigRange);
      }
      await sleep(3000);
    }),
  );

  if (transport === 'native') {
    await t.test('answers of 1 MiB asked for in one piece', (t) =>
      subject.endure(t, BUDGET_MIB, async () => {
        const connection = await subject.open(closedWindow);
        connection.socket.cork();
        for (let i = 0; i < AT_ONCE; i++) {
          ask(connection, methods.range, rangeRequest('big/1'));
        }
        connection.socket.uncork();
        await sleep(2000);
      }),
    );

    await t.test('answers of 4 MiB on many connections, beside a client that reads its own', (t) =>
      // 800 MiB without a budget. What the allocator keeps of thrown away answers counts.
      subject.endure(t, 4 * BUDGET_MIB, async () => {
        const reader = new EtcdClient(subject.member.endpoint);
        const read = () => reader.range(bigKeys);
        await read();
        for (let i = 0; i < CROWD; i++) {
          const connection = await subject.open(closedWindow);
          ask(connection, methods.range, bigRange);
        }
        const waits: number[] = [];
        for (let i = 0; i < 40; i++) {
          const startedMs = performance.now();
          const { kvs } = await read();
          waits.push(performance.now() - startedMs);
          t.equal(kvs.length, 4);
          await sleep(100);
        }
        reader.close();
        const longest = Math.max(...waits);
        t.comment(`its longest wait for 4 MiB: ${longest.toFixed(0)} ms`);
        t.ok(longest < READ_MS_MAX, `a client that reads is served, within ${READ_MS_MAX} ms`);
      }),
    );

    await t.test('one that asks for much at once and reads all of it', async (t) => {
      const client = new EtcdClient(subject.member.endpoint);
      const asked = Array.from({ length: READERS }, () => client.range(bigKeys));
      const answers = await Promise.all(asked);
      client.close();
      t.ok(
        answers.every(
          ({ kvs }) => kvs.length === 4 && kvs.every((kv) => kv.value.length === 1 << 20),
        ),
        'every answer is whole',
      );
    });
  }

  await t.test('events that nobody reads', (t) =>
    subject.endure(t, 200, async () => {
      const connection = await subject.open(closedWindow);
      for (let i = 0; i < 20; i++) ask(connection, methods.watch, watchRequest('slow'));
      await connection.settle();
      const client = new EtcdClient(subject.member.endpoint);
      for (let i = 0; i < EVENTS; i++) {
        await client.put('slow', Buffer.alloc(20_000, 1) as never, {}, { timeoutMs: 30_000 });
      }
      client.close();
    }),
  );

  await t.test('sockets that nobody reads', (t) =>
    subject.endure(t, 200, async () => {
      const connection = await subject.open();
      connection.socket.pause();
      for (let i = 0; i < 20; i++) ask(connection, methods.range, bigRange);
      for (let i = 0; i < 20; i++) ask(connection, methods.watch, watchRequest('slow'));
      const client = new EtcdClient(subject.member.endpoint);
      for (let i = 0; i < EVENTS; i++) {
        await client.put('slow', Buffer.alloc(20_000, 1) as never, {}, { timeoutMs: 30_000 });
      }
      client.close();
    }),
  );

  await t.test('when they are gone their streams are too', async (t) => {
    subject.closeAll();
    await subject.settles('etcd_debugging_mvcc_watch_stream_total', 0);
    await subject.settles('etcd_debugging_mvcc_watcher_total', 0);
    t.pass('no watcher is left');
  });
});

overEach(t, 'slow writers', async (t, transport) => {
  const subject = await Subject.start(t, transport);

  await t.test('messages that are never finished', (t) =>
    subject.endure(t, 64, async () => {
      const half = grpcMessage(putRequest('k', Buffer.alloc(1_000_000))).subarray(0, 60_000);
      const connections: WireConnection[] = [];
      for (let i = 0; i < READERS; i++) {
        const connection = await subject.open();
        const stream = connection.request(callHeaders(methods.put));
        await connection.sendBody(stream, half, false);
        connections.push(connection);
      }
      await sleep(1000);
      const alive = connections.filter((connection) => connection.closed === null).length;
      t.comment(`${alive} of ${connections.length} still wait`);
    }),
  );

  await t.test('headers that are never finished', (t) =>
    subject.endure(t, 64, async () => {
      const block = encodeHeaders(callHeaders(methods.put));
      for (let i = 0; i < READERS; i++) {
        const connection = await subject.open();
        connection.send(frame(FrameType.headers, 0, 1, block));
      }
      await sleep(500);
    }),
  );

  await t.test('one octet at a time is a call all the same', async (t) => {
    const connection = await subject.open({ hello: false, polite: false });
    const whole = Buffer.concat([
      preface,
      settings(),
      headers(1, encodeHeaders(callHeaders(methods.put))),
      data(1, grpcMessage(putRequest('slow/octets', 'v')), true),
    ] as never);
    for (const octet of whole) await connection.sendSlowly(Buffer.from([octet]));
    const answer = await connection.answer(1);
    t.equal(answer.blocks.flat().find(([name]) => name === 'grpc-status')?.[1], '0');
    connection.close();
  });
});

/** Connects and says only this much. */
async function sayOnly(port: number, text: Buffer): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  if (text.length > 0) socket.write(text);
  return socket;
}

overEach(t, 'the dead', async (t, transport) => {
  const subject = await Subject.start(t, transport);
  const beginnings = [Buffer.alloc(0), preface.subarray(0, 3), preface, Buffer.from('GET / HT')];
  for (const [i, beginning] of beginnings.entries()) {
    await t.test(`after ${beginning.length} octets (${i})`, (t) =>
      subject.endure(t, 64, async () => {
        const sockets = await Promise.all(
          Array.from({ length: DEAD }, () => sayOnly(subject.member.clientPort, beginning)),
        );
        await sleep(1000);
        for (const socket of sockets) socket.destroy();
      }),
    );
  }

  await t.test('clients that end their side and still get their answers', async (t) => {
    const connection = await subject.open();
    const stream = connection.request(callHeaders(methods.put));
    connection.send(data(stream, grpcMessage(putRequest('half', 'v')), true));
    await connection.halfClose();
    const answer = await connection.answer(stream);
    const status = answer.blocks.flat().find(([name]) => name === 'grpc-status')?.[1];
    t.comment(`half-closed before the answer: ${status ?? 'no answer'}`);
    await waitFor('the end', () => connection.closed !== null);
    t.pass('the server closes its side as well');
  });
});
