// How calls end: by a cancellation midway, by their deadline, by a lost connection, by a stop
// of the server. Whatever ends them, nothing of them stays: what the server counts goes to zero.

import t from 'tap';

import { EtcdClient } from '../../support/etcd/client.js';
import {
  callHeaders,
  methods,
  outcomeOf,
  putRequest,
  rangeRequest,
  watchRequest,
} from '../../support/etcd/wire/call.js';
import { data, ErrorCode, grpcMessage, rstStream } from '../../support/etcd/wire/frames.js';
import { residentMiB } from '../../support/etcd/wire/subject.js';
import { sleep } from '../../support/wait.js';
import { anyPings, isFull, overEach, Subject } from './subject.js';

const ROUNDS = isFull ? 200 : 30;
const CALLS = 100;

t.setTimeout(10 * 60_000);

const put = grpcMessage(putRequest('ends', Buffer.alloc(1000, 'v')));
const watch = grpcMessage(watchRequest('ends'));

async function nothingIsLeft(subject: Subject): Promise<void> {
  await subject.settles('etcd_debugging_mvcc_watch_stream_total', 0);
  await subject.settles('etcd_debugging_mvcc_watcher_total', 0);
  await subject.settles('etcd_debugging_mvcc_slow_watcher_total', 0);
}

overEach(t, 'calls that are given up', async (t, transport) => {
  const subject = await Subject.start(t, transport, anyPings);
  const ways: Record<string, (i: number) => Promise<void>> = {
    'by a reset right after the request': async () => {
      const connection = await subject.open({ keepBodies: false });
      for (let i = 0; i < CALLS; i++) {
        const isWatch = i % 2 === 0;
        const stream = connection.request(callHeaders(isWatch ? methods.watch : methods.put));
        connection.send(data(stream, isWatch ? watch : put, !isWatch));
        connection.send(rstStream(stream, ErrorCode.cancel));
        if (i % 10 === 0) await connection.settle();
        if (connection.goaway !== null) break; // too many: it is sent away
      }
      connection.close();
    },
    'by a reset in the middle of a message': async () => {
      const connection = await subject.open({ keepBodies: false });
      for (let i = 0; i < 20; i++) {
        const stream = connection.request(callHeaders(methods.put));
        connection.send(data(stream, put.subarray(0, 500)));
        await connection.settle();
        connection.send(rstStream(stream, ErrorCode.cancel));
      }
      connection.close();
    },
    'by the end of the connection': async (i) => {
      const connection = await subject.open({ keepBodies: false });
      for (let j = 0; j < CALLS; j++) {
        const isWatch = j % 2 === 0;
        const stream = connection.request(callHeaders(isWatch ? methods.watch : methods.put));
        connection.send(data(stream, isWatch ? watch : put, !isWatch));
      }
      if (i % 3 === 0) await connection.settle();
      if (i % 2 === 0) connection.abort();
      else connection.close();
    },
    'by their deadline': async () => {
      const connection = await subject.open({ keepBodies: false });
      const streams = Array.from({ length: CALLS }, () => {
        const changes = { 'grpc-timeout': '20m' };
        const stream = connection.request(callHeaders(methods.watch, changes));
        connection.send(data(stream, watch));
        return stream;
      });
      for (const stream of streams) await connection.answer(stream);
      const codes = new Set(streams.map((one) => outcomeOf(connection.answerOf(one)).status));
      if (codes.size !== 1 || !codes.has('4')) throw new Error(`ended with ${[...codes]}`);
      connection.close();
    },
  };
  for (const [name, way] of Object.entries(ways)) {
    await t.test(name, async (t) => {
      for (let i = 0; i < 3; i++) await way(i);
      const before = residentMiB(subject.member.pid);
      for (let i = 0; i < ROUNDS; i++) await way(i);
      await nothingIsLeft(subject);
      const grown = residentMiB(subject.member.pid) - before;
      t.comment(`${transport}: ${grown.toFixed(1)} MiB more after ${ROUNDS} rounds`);
      t.ok(grown < 100, 'memory does not grow with what has ended');
      const client = new EtcdClient(subject.member.endpoint);
      await client.put('ends', 'x');
      client.close();
      t.equal(subject.member.process.alive, true);
    });
  }
});

overEach(t, 'a stop with calls under way', async (t, transport) => {
  const subject = await Subject.start(t, transport, [...anyPings, '--stop-grace=1s']);
  const connection = await subject.open();
  const idle = await subject.open();
  await idle.settle();
  const stream = connection.request(callHeaders(methods.watch));
  connection.send(data(stream, watch));
  await connection.settle();
  subject.member.process.signal('SIGTERM');
  await sleep(300);
  const late = connection.request(callHeaders(methods.range));
  connection.send(data(late, grpcMessage(rangeRequest('k')), true));
  const startedMs = performance.now();
  await subject.member.process.exited;
  const tookMs = performance.now() - startedMs;
  t.equal(connection.goaway?.code, ErrorCode.none, 'who has calls is told by GOAWAY');
  t.equal(idle.goaway?.code, ErrorCode.none, 'and who has none');
  t.not(connection.closed, null, 'connections are closed');
  t.ok(tookMs < 5000, `it takes no longer than it may: ${tookMs.toFixed(0)} ms`);
  const answer = connection.answerOf(stream);
  t.comment(`the watch ended with ${outcomeOf(answer).status ?? `reset ${answer.reset}`}`);
  t.equal(outcomeOf(connection.answerOf(late)).status === '0', false, 'no new call is served');
});
