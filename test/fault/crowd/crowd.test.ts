// Crowds: many connections that say nothing, and many requests under way at once. All of them are
// held, a client that comes then is served as ever, and what they cost goes with them. Full runs
// take 10,000 connections and 5,000 requests, as the limits of docs/operating.md allow.

import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';

import { bytes, CallError, EtcdClient } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';
import { sleep, waitFor } from '../../support/wait.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';
const connections = isFull ? 10_000 : 2000;
const requests = isFull ? 5000 : 1000;
/** What a client that comes into the crowd may have to wait. */
const ANSWER_MS = 3000;
/**
 * How long the process may take to stop with all of its connections: well below the time that it
 * gives calls under way. On an idle machine it is a few hundred milliseconds.
 */
const STOP_MS = 4000;

t.setTimeout(10 * 60_000);

/** Opens HTTP/2: the preface and an empty SETTINGS frame (RFC 9113 §3.4). */
const hello = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
]);

function residentMiB(pid: number): number {
  const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kib ?? 0) / 1024;
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => undefined);
  socket.resume();
  socket.write(hello);
  return socket;
}

async function openAll(port: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let made = 0; made < connections; made += 100) {
    sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => open(port)))));
  }
  return sockets;
}

async function answersSoon(t: Test, endpoint: string, when: string): Promise<void> {
  const client = new EtcdClient(endpoint);
  const startedMs = performance.now();
  await client.put('crowd/new', when);
  const tookMs = performance.now() - startedMs;
  client.close();
  t.ok(tookMs < ANSWER_MS, `a new client is served after ${tookMs.toFixed(0)} ms ${when}`);
}

const canLook = process.platform === 'linux';

t.test('idle connections', { skip: !canLook && 'no /proc here' }, async (t) => {
  const member = await MemberProcess.start({ engine: 'memory' });
  t.teardown(() => member.stop());
  const before = residentMiB(member.pid);
  const sockets = await openAll(member.clientPort);
  await answersSoon(t, member.endpoint, `among ${connections} connections`);
  await sleep(2000);
  const cut = sockets.filter((socket) => socket.destroyed || socket.readableEnded).length;
  t.equal(cut, 0, 'none of them was cut');
  const costKiB = ((residentMiB(member.pid) - before) * 1024) / connections;
  t.comment(`${connections} idle connections: ${costKiB.toFixed(1)} KiB each`);
  t.ok(costKiB < 200, 'they cost little');
  for (const socket of sockets) socket.destroy();
  await answersSoon(t, member.endpoint, 'after they are gone');
});

t.test('a stop does not wait for idle connections', async (t) => {
  const member = await MemberProcess.start({ engine: 'memory' });
  t.teardown(() => member.process.alive && member.kill());
  const sockets = await openAll(member.clientPort);
  const startedMs = performance.now();
  await member.stop();
  const tookMs = performance.now() - startedMs;
  t.comment(`a stop among ${connections} connections: ${tookMs.toFixed(0)} ms`);
  t.ok(tookMs < STOP_MS, `a stop among ${connections} connections took ${tookMs.toFixed(0)} ms`);
  await waitFor('their end', () => sockets.every((socket) => socket.destroyed));
});

t.test('requests under way at once', async (t) => {
  const member = await MemberProcess.start({ engine: 'memory' });
  t.teardown(() => member.stop());
  const clients = Array.from({ length: 10 }, () => new EtcdClient(member.endpoint));
  const clientOf = (i: number) => clients[i % clients.length] as EtcdClient;
  // Watches of a key that nothing happens to stay under way for as long as it takes.
  const waiting = Array.from({ length: requests }, (_, i) => {
    const stream = clientOf(i).stream('/etcdserverpb.Watch/Watch');
    stream.send(Buffer.from([0x0a, 0x03, 0x0a, 0x01, 0x7a])); // create_request { key: "z" }
    return stream;
  });
  await Promise.all(waiting.map((stream) => stream.next(60_000)));
  t.pass(`${requests} calls are under way`);
  await answersSoon(t, member.endpoint, `among ${requests} calls`);
  const puts = Array.from({ length: requests }, (_, i) =>
    clientOf(i).put(`crowd/${i}`, 'x', {}, { timeoutMs: 60_000 }),
  );
  const settled = await Promise.allSettled(puts);
  const refused = settled.filter(
    (outcome) => outcome.status === 'rejected' && outcome.reason instanceof CallError,
  );
  t.equal(refused.length, 0, `${requests} puts at once are all carried out`);
  const all = await clientOf(0).range({
    key: bytes('crowd/'),
    range_end: bytes('crowd0'),
    count_only: true,
  });
  t.equal(Number(all.count), requests + 1);
  await clientOf(0).put('z', 'for all');
  await Promise.all(waiting.map((stream) => stream.next(60_000)));
  t.pass('every watcher got its event');
  for (const stream of waiting) stream.cancel();
  for (const client of clients) client.close();
  await waitFor('an idle member', () => member.process.alive, 1000);
  t.equal(member.process.alive, true);
});
