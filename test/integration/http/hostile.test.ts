// What a server has to bear: no JSON on any route, bodies that never end or break off, headers
// that come byte by byte, bodies of many megabytes, texts made to be slow. It goes on serving
// others meanwhile, quickly, and its memory stays bounded.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import t, { type Test } from 'tap';

import { gatewayRoutes } from '../../../src/api/http/gateway/routes.js';
import { sleep, within } from '../../support/wait.js';
import { waitedMs } from './main-thread.js';
import { base64, type HttpSubject, startSubject } from './support.js';

async function serves(t: Test, subject: HttpSubject, after: string): Promise<void> {
  const put = await subject.post('kv/put', { key: base64('alive'), value: base64(after) });
  t.equal(put.status, 200, `writes after ${after}`);
  t.equal(await subject.jsonGet('alive'), after, `reads after ${after}`);
}

/** How long the server lets simple requests wait while something else goes on, at most. */
async function slowestMeanwhile(subject: HttpSubject, work: Promise<unknown>): Promise<number> {
  let over = false;
  const done = work.finally(() => {
    over = true;
  });
  let slowest = 0;
  while (!over) {
    const waited = await waitedMs(subject.member.pid, () => {
      return within('an answer', subject.fetch('/version'), 10_000);
    });
    slowest = Math.max(slowest, waited);
    await sleep(2);
  }
  await done;
  return slowest;
}

/** Resident memory of the server, bytes. */
function memoryOf(subject: HttpSubject): number {
  const status = readFileSync(`/proc/${subject.member.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
}

const nonsense = ['[', '{"', '{"key":', '\u0000', 'null', '"x"', '{"ID":{}}', '[[[[{', '{"a":1]'];

async function everyRoute(t: Test, subject: HttpSubject): Promise<void> {
  let refused = 0;
  for (const [path, { requestStream, responseStream }] of gatewayRoutes()) {
    // Streams of requests do not answer to what is no JSON, which the streams' own tests look at.
    for (const body of requestStream ? [] : nonsense) {
      if (responseStream && body === '{"ID":{}}') continue;
      const init = { method: 'POST', body, headers: { 'grpc-timeout': '5S' } };
      const reply = await subject.fetch(path, init);
      const said = JSON.parse(reply.text) as { code?: number; message?: string };
      // `{"ID":{}}` is a fine message where there is no such field.
      if (reply.status === 400 && said.code === 3) refused += 1;
      else if (body !== '{"ID":{}}') t.fail(`${path} ${body}: ${reply.status} ${reply.text}`);
    }
  }
  t.ok(refused > 350, `${refused} refused`);
  await serves(t, subject, 'nonsense on every route');
}

async function open(subject: HttpSubject, text: string): Promise<Socket> {
  const socket = subject.socket();
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

const post = (path: string, length: number) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;

async function halfOpen(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. start: 300 connections that stop in the middle of something');
  const beginnings = [
    'P',
    'POST /v3/kv/range HTTP/1.1\r\nHo',
    post('/v3/kv/range', 100),
    `${post('/v3/kv/put', 100)}{"key":"Zm9v`,
    `${post('/v3/watch', 1000)}{"create_request":{"key":"Zm9v"`,
    `${post('/kv/half', 100).replace('POST', 'PUT')}half`,
    'POST /v3/lease/keepalive HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"ID"',
    'GET /v3/watch HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  ];
  const sockets: Socket[] = [];
  for (let i = 0; i < 300; i += 1) {
    sockets.push(await open(subject, beginnings[i % beginnings.length] ?? ''));
  }
  await serves(t, subject, 'half a request');
  t.comment('2. trigger: a third goes on byte by byte, a third is reset, a third ends its side');
  for (let round = 0; round < 20; round += 1) {
    for (let i = 0; i < sockets.length; i += 3) sockets[i]?.write(' ');
    await sleep(5);
  }
  sockets.forEach((socket, i) => {
    if (i % 3 === 1) socket.resetAndDestroy();
    if (i % 3 === 2) socket.end();
  });
  await serves(t, subject, 'broken connections');
  t.comment('3. the rest goes too');
  for (const socket of sockets) socket.destroy();
  const half = await subject.fetch('/kv/half');
  t.equal(half.status, 404, 'what did not arrive whole was not written');
  const { stderr } = subject.member.process;
  t.notMatch(stderr, /an HTTP handler failed/, 'nothing failed inside');
}

async function largeBodies(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. bodies of 5 MB, one after the other and forty at once');
  const value = base64(Buffer.alloc(3_700_000));
  const body = `{"key":"Zm9v","value":"${value}"}`;
  const one = await subject.post('kv/put', body);
  t.equal(one.status, 429);
  t.match(one.text, /"grpc: received message larger than max \(37000\d\d vs\. 2097152\)"/);
  const before = memoryOf(subject);
  const many = Promise.all(
    Array.from({ length: 40 }, () => subject.post('kv/put', body).catch(() => null)),
  );
  await slowestMeanwhile(subject, many);
  t.ok(memoryOf(subject) - before < 600e6, `${memoryOf(subject) - before} bytes more`);
  t.comment('2. a body without end is cut off at its limit, and never kept');
  const socket = await open(
    subject,
    'POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n',
  );
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text;
  });
  const chunk = `100000\r\n${' '.repeat(2 ** 20)}\r\n`;
  for (let sent = 0; sent < 64 && !socket.destroyed && answer === ''; sent += 1) {
    if (!socket.write(chunk)) await Promise.race([once(socket, 'drain'), sleep(200)]);
  }
  await within('the refusal', answer === '' ? once(socket, 'data') : Promise.resolve([]));
  t.match(answer, /^HTTP\/1.1 429 /);
  socket.destroy();
  await serves(t, subject, 'large bodies');
}

async function slowTexts(t: Test, subject: HttpSubject): Promise<void> {
  const texts: [string, string][] = [
    ['numbers in a list that nobody knows', `{"x":[${'1,'.repeat(2_400_000)}1]}`],
    ['objects in a list that nobody knows', `{"x":[${'{},'.repeat(1_600_000)}{}]}`],
    ['strings in a list that nobody knows', `{"x":[${'"",'.repeat(1_600_000)}""]}`],
    ['backslashes', `{"x":"${'\\\\'.repeat(2_400_000)}"}`],
    ['escaped quotes', `{"x":"${'\\"'.repeat(2_400_000)}"}`],
    ['escapes in a name', `{"${'\\u0041'.repeat(800_000)}":1}`],
    ['escapes in a value', `{"key":"${'\\u0041'.repeat(800_000)}"}`],
    ['blanks', `{${' '.repeat(4_900_000)}}`],
    ['names that nobody knows', `{${'"a":1,'.repeat(800_000)}"a":1}`],
    ['digits', `{"limit":${'1'.repeat(4_900_000)}}`],
    ['zeros behind the point', `{"limit":1.${'0'.repeat(4_900_000)}}`],
    ['brackets', `{"x":${'['.repeat(9_000)}${']'.repeat(9_000)}}`],
    ['empty compares', `{"compare":[${'{},'.repeat(1_000_000)}{}]}`],
    ['empty events of a watch', `{"create_request":{"filters":[${'0,'.repeat(2_000_000)}0]}}`],
  ];
  for (const [name, body] of texts) {
    const path = name.startsWith('empty c') ? 'kv/txn' : 'kv/range';
    const call = subject.post(path, body);
    const slowest = await slowestMeanwhile(subject, call);
    const reply = await call;
    t.ok(
      [200, 400, 429].includes(reply.status),
      `${name}: ${reply.status} ${reply.text.slice(0, 90)}`,
    );
    t.ok(slowest < 700, `${name}: others waited ${slowest.toFixed(0)} ms at most`);
  }
  await serves(t, subject, 'slow texts');
}

async function largeReplies(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. prepare: 60 MB of values');
  const value = Buffer.alloc(200_000, 'v').toString();
  for (let i = 0; i < 300; i += 1) {
    await subject.fetch(`/kv/large%2F${i}`, { method: 'PUT', body: value });
  }
  t.comment('2. a range of all of them comes in pieces while others are served');
  const range = { key: base64('large/'), range_end: base64('large0') };
  const call = subject.post('kv/range', range);
  const slowest = await slowestMeanwhile(subject, call);
  const { kvs } = (await call).json() as { kvs: { value: string }[] };
  t.equal(kvs.length, 300);
  t.ok(
    kvs.every((kv) => kv.value === base64(value)),
    'every value is whole',
  );
  t.ok(slowest < 1000, `others waited ${slowest.toFixed(0)} ms at most`);
  t.comment('3. a client that asks for it and goes away leaves nothing behind');
  for (let i = 0; i < 10; i += 1) {
    const text = JSON.stringify(range);
    const socket = await open(subject, `${post('/v3/kv/range', text.length)}${text}`);
    await once(socket, 'data');
    socket.destroy();
  }
  await serves(t, subject, 'large replies');
}

t.setTimeout(600_000);
t.test('a server that is badly treated', { timeout: 300_000 }, async (t) => {
  const subject = await startSubject(t, 'memory');
  await t.test('nonsense on every route', (t) => everyRoute(t, subject));
  await t.test('half-open connections', (t) => halfOpen(t, subject));
  await t.test('large bodies', (t) => largeBodies(t, subject));
  await t.test('texts made to be slow', (t) => slowTexts(t, subject));
  await t.test('large replies', (t) => largeReplies(t, subject));
});
