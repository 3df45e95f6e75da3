// Streams of the gateway against a real process: watches that live long, clients that are slow or
// go away, WebSockets, and what becomes of all of them when the server stops.

import { once } from 'node:events';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';

import { waitFor, within } from '../../support/wait.js';
import { base64, engines, type HttpSubject, Lines, startSubject } from './support.js';

const STREAMS = 'etcd_debugging_mvcc_watch_stream_total';

const watchAll = JSON.stringify({
  create_request: { key: base64('w/'), range_end: base64('w0') },
});

/** Behind `{"create_request":`, since a line ends between two messages. */
const SPLIT_AT = 18;

async function longWatch(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. watch; 2. write 500 values; 3. every one is told in order');
  const lines = await Lines.open(`${subject.url}/v3/watch`, watchAll);
  t.match(await lines.next(), { result: { created: true } });
  const writes = Array.from({ length: 500 }, (_, i) => subject.grpc.put('w/key', String(i)));
  await Promise.all(writes);
  const revisions: number[] = [];
  while (revisions.length < 500) {
    const line = (await within('an event', lines.next())) as {
      result: { events: { kv: { mod_revision: string } }[] };
    };
    revisions.push(...line.result.events.map(({ kv }) => Number(kv.mod_revision)));
  }
  t.same(
    revisions,
    [...revisions].sort((a, b) => a - b),
    'in the order of their revisions',
  );
  lines.close();
}

async function goneClients(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. prepare: how many streams there are');
  const before = await subject.metric(STREAMS);
  t.comment('2. start twenty watches and ten WebSockets');
  const lines = await Promise.all(
    Array.from({ length: 20 }, () => Lines.open(`${subject.url}/v3/watch`, watchAll)),
  );
  const sockets = Array.from(
    { length: 10 },
    () => new WebSocket(`ws://${subject.member.endpoint}/v3/watch`),
  );
  for (const socket of sockets) {
    await once(socket, 'open');
    socket.send(watchAll);
  }
  await waitFor('all streams', async () => (await subject.metric(STREAMS)) === before + 30);
  t.comment('3. trigger: all clients go, half of the sockets without a word');
  for (const one of lines) one.close();
  sockets.forEach((socket, i) => {
    if (i % 2 === 0) socket.terminate();
    else socket.close();
  });
  t.comment('4. wait: no stream is left');
  await waitFor('no streams', async () => (await subject.metric(STREAMS)) === before);
}

async function slowClient(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. a client that watches and does not read');
  const socket = subject.socket();
  await once(socket, 'connect');
  socket.pause();
  const head = 'POST /v3/watch HTTP/1.1\r\nHost: x\r\n';
  socket.write(`${head}Content-Length: ${watchAll.length}\r\n\r\n${watchAll}`);
  const other = await Lines.open(`${subject.url}/v3/watch`, watchAll);
  t.match(await other.next(), { result: { created: true } });
  t.comment('2. trigger: 60 MB of events');
  const value = Buffer.alloc(300_000, 'v').toString();
  for (let i = 0; i < 200; i += 1) {
    await subject.fetch('/kv/w%2Fslow', { method: 'PUT', body: value });
  }
  t.comment('3. verify: another watcher has them all, calls are answered, memory is bounded');
  let seen = 0;
  while (seen < 200) {
    const line = (await within('an event', other.next(), 30_000)) as {
      result: { events: unknown[] };
    };
    seen += line.result.events.length;
  }
  other.close();
  t.equal((await subject.fetch('/version')).status, 200);
  t.comment('4. the slow one reads on and gets everything as well');
  let text = 0;
  let events = 0;
  socket.on('data', (chunk: Buffer) => {
    text += chunk.length;
    events += chunk.toString('latin1').split('"mod_revision"').length - 1;
  });
  socket.resume();
  await waitFor('the rest', () => events >= 199, 30_000);
  t.ok(text > 200 * 300_000, `${text} bytes`);
  socket.destroy();
}

async function webSockets(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. watch over WebSocket');
  const socket = new WebSocket(`ws://${subject.member.endpoint}/v3/watch`);
  const messages: Record<string, unknown>[] = [];
  socket.on('message', (data, isBinary) => {
    t.notOk(isBinary, 'text');
    messages.push(JSON.parse(String(data)) as Record<string, unknown>);
  });
  await once(socket, 'open');
  t.comment('2. a request in two messages, then one more watcher');
  socket.send(watchAll.slice(0, SPLIT_AT));
  socket.send(watchAll.slice(SPLIT_AT));
  await waitFor('the first watcher', () => messages.length === 1);
  socket.send(JSON.stringify({ createRequest: { key: base64('other'), watchId: '7' } }));
  await waitFor('the second', () => messages.length === 2);
  t.match(messages, [{ result: { created: true } }, { result: { created: true, watch_id: '7' } }]);
  t.comment('3. events come to both');
  await subject.grpc.put('w/<&>', '<&>');
  await subject.grpc.put('other', 'x');
  await waitFor('both events', () => messages.length === 4);
  t.match(messages[2], { result: { events: [{ kv: { key: base64('w/<&>') } }] } });
  t.match(messages[3], { result: { watch_id: '7' } });
  t.comment('4. cancel one, and close');
  socket.send(JSON.stringify({ cancel_request: { watch_id: 7 } }));
  await waitFor('the cancellation', () => messages.length === 5);
  t.match(messages[4], { result: { canceled: true, watch_id: '7' } });
  socket.close();
  const [code] = (await once(socket, 'close')) as [number];
  t.equal(code, 1005);
  t.comment('5. pings are answered; a message that is too large ends the connection alone');
  const second = new WebSocket(`ws://${subject.member.endpoint}/v3/lease/keepalive`);
  await once(second, 'open');
  second.ping();
  await once(second, 'pong');
  second.send('x'.repeat(20_000_000));
  const [why] = (await within('closing', once(second, 'close'))) as [number];
  t.ok(why === 1009 || why === 1006, `closed with ${why}`);
  t.equal((await subject.fetch('/version')).status, 200);
}

async function floods(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. 20,000 renewals at once over one WebSocket, in messages of many sizes');
  await subject.grpc.leaseGrant(100n, 4711n);
  const socket = new WebSocket(`ws://${subject.member.endpoint}/v3/lease/keepalive`);
  await once(socket, 'open');
  let answers = 0;
  let wrong = 0;
  socket.on('message', (data) => {
    answers += 1;
    if (!String(data).includes('"ID":"4711","TTL":"100"')) wrong += 1;
  });
  const one = '{"ID":4711}';
  let sent = 0;
  for (let size = 1; sent < 20_000; size = (size % 700) + 1) {
    socket.send(one.repeat(size));
    sent += size;
  }
  t.comment('2. every one is answered, and others are served meanwhile');
  t.equal((await subject.fetch('/version')).status, 200);
  await waitFor('all answers', () => answers === sent, 60_000);
  t.equal(wrong, 0);
  socket.close();
}

async function stops(t: Test, subject: HttpSubject): Promise<void> {
  t.comment('1. open streams of each kind');
  const lines = await Lines.open(`${subject.url}/v3/watch`, watchAll);
  await lines.next();
  const socket = new WebSocket(`ws://${subject.member.endpoint}/v3/watch`);
  await once(socket, 'open');
  socket.send(watchAll);
  await once(socket, 'message');
  const closed = once(socket, 'close');
  socket.on('error', () => undefined);
  t.comment('2. stop the server; it does not wait for them');
  const started = Date.now();
  const { signal } = await subject.member.stop(12_000);
  t.equal(signal, 'SIGTERM');
  t.ok(Date.now() - started < 9000, `${Date.now() - started} ms`);
  await within('the socket', closed);
  await lines.next().catch(() => null);
}

t.setTimeout(600_000);
t.jobs = 2; // Members of their own, which mostly wait.
for (const engine of engines) {
  t.test(engine, { timeout: 180_000 }, async (t) => {
    const subject = await startSubject(t, engine);
    await t.test('a long watch', (t) => longWatch(t, subject));
    await t.test('clients that go away', (t) => goneClients(t, subject));
    await t.test('a client that does not read', (t) => slowClient(t, subject));
    await t.test('WebSockets', (t) => webSockets(t, subject));
    await t.test('a flood of requests', (t) => floods(t, subject));
    await t.test('the server stops', (t) => stops(t, subject));
  });
}
