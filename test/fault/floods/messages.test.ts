// Messages at the edges: as large as they may be while windows are small, cut at every octet,
// compressed bombs many at once, and very many calls on one connection.

import { gzipSync } from 'node:zlib';
import t from 'tap';

import { bytes, EtcdClient } from '../../support/etcd/client.js';
import {
  callHeaders,
  methods,
  outcomeOf,
  putRequest,
  rangeRequest,
  watchRequest,
} from '../../support/etcd/wire/call.js';
import {
  concat,
  data,
  Flag,
  FrameType,
  frame,
  grpcMessage,
  headers,
  preface,
  Setting,
  settings,
  windowUpdate,
} from '../../support/etcd/wire/frames.js';
import { encodeHeaders } from '../../support/etcd/wire/hpack.js';
import { sleep } from '../../support/wait.js';
import { anyPings, isFull, overEach, Subject } from './subject.js';

const VALUE_BYTES = 1_572_000; // under the limit of a request, with its key
const CALLS = isFull ? 10_000 : 2000;
const BOMBS = isFull ? 1000 : 100;
/** Node takes 16 MiB more than the limit of each before it notices. */
const PORTABLE_BOMBS = 10;

t.setTimeout(10 * 60_000);

overEach(t, 'the largest values', async (t, transport) => {
  const subject = await Subject.start(t, transport, anyPings);
  const value = Buffer.alloc(VALUE_BYTES, 'v');

  await t.test('several at once on one connection', (t) =>
    subject.endure(t, 200, async () => {
      const connection = await subject.open();
      const sending: Promise<void>[] = [];
      const streams: number[] = [];
      for (let i = 0; i < 8; i++) {
        const stream = connection.request(callHeaders(methods.put));
        streams.push(stream);
        sending.push(connection.sendBody(stream, grpcMessage(putRequest(`large/${i}`, value))));
      }
      await Promise.all(sending);
      for (const stream of streams) {
        t.equal(outcomeOf(await connection.answer(stream, 20_000)).status, '0');
      }
    }),
  );

  await t.test('read through a window of one octet, then of all', async (t) => {
    const connection = await subject.open({
      settings: [[Setting.initialWindowSize, 1]],
      keepBodies: false,
    });
    const stream = connection.request(callHeaders(methods.range));
    connection.send(data(stream, grpcMessage(rangeRequest('large/0')), true));
    for (let i = 0; i < 50; i++) {
      connection.send(windowUpdate(stream, 1));
      if (i % 10 === 0) await connection.settle();
    }
    await connection.settle();
    t.equal(connection.answerOf(stream).bodyBytes, 51, 'exactly what there is a window for');
    connection.send(windowUpdate(stream, 2 ** 31 - 1 - 100));
    const answer = await connection.answer(stream);
    t.ok(answer.bodyBytes > VALUE_BYTES, 'and then all');
    t.equal(answer.blocks.flat().find(([name]) => name === 'grpc-status')?.[1], '0');
    connection.close();
  });

  await t.test('more than the window ends the stream or the connection', (t) =>
    subject.endure(t, 64, async () => {
      const connection = await subject.open();
      const stream = connection.request(callHeaders(methods.put));
      // A message that is never whole, so that nothing of it is taken.
      const head = Buffer.from([0, 0, 0x1f, 0xff, 0xff]);
      await connection.sendSlowly(data(stream, head));
      for (let i = 0; i < 640 && connection.closed === null; i++) {
        await connection.sendSlowly(data(stream, Buffer.alloc(16384)));
        const { reset } = connection.answerOf(stream);
        if (reset !== null || connection.goaway !== null) break;
      }
      await connection.settle();
      const { reset, ended } = connection.answerOf(stream);
      const isOver = reset !== null || ended || connection.goaway !== null;
      t.ok(isOver || connection.closed !== null, 'ten MiB beyond the window are not taken');
    }),
  );
});

overEach(t, 'cut at every octet', async (t, transport) => {
  const subject = await Subject.start(t, transport, anyPings);
  const block = encodeHeaders(callHeaders(methods.put));
  const call = concat([
    preface,
    settings(),
    frame(FrameType.headers, 0, 1, block.subarray(0, 20)),
    frame(FrameType.continuation, Flag.endHeaders, 1, block.subarray(20)),
    data(1, grpcMessage(putRequest('cut', 'v')).subarray(0, 3)),
    data(1, grpcMessage(putRequest('cut', 'v')).subarray(3), true),
  ]);

  await t.test('the rest comes later', async (t) => {
    let served = 0;
    const one = async (at: number) => {
      // Not even an acknowledgement may come in between.
      const connection = await subject.open({ hello: false, polite: false });
      await connection.sendSlowly(call.subarray(0, at));
      await sleep(30);
      connection.send(call.subarray(at));
      if (outcomeOf(await connection.answer(1)).status === '0') served += 1;
      connection.close();
    };
    for (let at = 1; at < call.length; at += 20) {
      const places = Array.from({ length: Math.min(20, call.length - at) }, (_, i) => at + i);
      await Promise.all(places.map(one));
    }
    t.equal(served, call.length - 1, 'every call is served');
  });

  await t.test('the rest never comes', async (t) => {
    for (let at = 0; at < call.length; at += 1) {
      const connection = await subject.open({ hello: false });
      await connection.sendSlowly(call.subarray(0, at));
      if (at % 2 === 0) connection.abort();
      else connection.close();
    }
    const client = new EtcdClient(subject.member.endpoint);
    await client.put('after', 'x');
    client.close();
    t.equal(subject.member.process.alive, true);
  });
});

overEach(t, 'bombs', async (t, transport) => {
  const subject = await Subject.start(t, transport, anyPings);
  const bomb = grpcMessage(gzipSync(bytes('\0'.repeat(64 << 20))), 1);

  const count = transport === 'native' ? BOMBS : PORTABLE_BOMBS;

  await t.test('of 64 MiB each, many at once', (t) =>
    subject.endure(t, 200, async () => {
      const connections = [await subject.open(), await subject.open(), await subject.open()];
      const outcomes = Array.from({ length: count }, async (_, i) => {
        const connection = connections[i % 3] ?? (await subject.open());
        const changes = { 'grpc-encoding': 'gzip' };
        const stream = connection.request(callHeaders(methods.put, changes));
        await connection.sendBody(stream, bomb);
        return outcomeOf(await connection.answer(stream, 60_000)).status;
      });
      t.same(new Set(await Promise.all(outcomes)), new Set(['8']), 'all are told the limit');
    }),
  );
});

overEach(t, 'many calls on one connection', async (t, transport) => {
  const subject = await Subject.start(t, transport, anyPings);

  await t.test('watches at once', (t) =>
    subject.endure(t, 300, async () => {
      const connection = await subject.open();
      const streams = Array.from({ length: CALLS }, () => {
        const stream = connection.nextStream();
        connection.answerOf(stream);
        return stream;
      });
      for (let at = 0; at < CALLS; at += 100) {
        const frames = streams.slice(at, at + 100).map((stream) => {
          const open = headers(stream, encodeHeaders(callHeaders(methods.watch)));
          return concat([open, data(stream, grpcMessage(watchRequest('many')))]);
        });
        await connection.sendSlowly(...frames);
      }
      const created = () => streams.filter((one) => connection.answerOf(one).bodyBytes > 0).length;
      for (let i = 0; i < 300 && created() < CALLS; i++) await sleep(100);
      t.equal(created(), CALLS, 'every watch is created');
      const before = streams.map((one) => connection.answerOf(one).bodyBytes);
      const client = new EtcdClient(subject.member.endpoint);
      await client.put('many', 'x');
      client.close();
      const told = () =>
        streams.filter((one, i) => connection.answerOf(one).bodyBytes > (before[i] ?? 0)).length;
      for (let i = 0; i < 300 && told() < CALLS; i++) await sleep(100);
      t.equal(told(), CALLS, 'and told of the event');
    }),
  );

  await t.test('puts one after the other', async (t) => {
    const connection = await subject.open();
    const put = grpcMessage(putRequest('row', 'v'));
    const block = encodeHeaders(callHeaders(methods.put));
    let done = 0;
    for (let at = 0; at < CALLS; at += 200) {
      const streams = Array.from({ length: 200 }, () => connection.nextStream());
      await connection.sendSlowly(
        ...streams.map((stream) => concat([headers(stream, block), data(stream, put, true)])),
      );
      for (const stream of streams) {
        if (outcomeOf(await connection.answer(stream)).status === '0') done += 1;
        connection.answers.delete(stream);
      }
    }
    t.equal(done, Math.ceil(CALLS / 200) * 200, 'each is answered');
    connection.close();
  });
});
