// The limits that operators choose for gRPC: sizes of messages, windows of flow control, idle
// connections, and the grace of a stop.

import { connect, constants } from 'node:http2';
import t from 'tap';

import { EtcdClient } from '../../support/etcd/client.js';
import { MemberProcess } from '../../support/process.js';
import { within } from '../../support/wait.js';

async function start(t: Tap, flags: readonly string[]): Promise<MemberProcess> {
  const member = await MemberProcess.start({ engine: 'memory', flags });
  t.teardown(() => member.process.alive && member.kill());
  return member;
}

type Tap = { teardown(work: () => unknown): void };

t.test('windows of streams and connections, as the client sees them', async (t) => {
  const member = await start(t, [
    '--grpc-stream-window-bytes=8388608',
    '--grpc-connection-window-bytes=16777216',
    '--max-concurrent-streams=2048',
  ]);
  const session = connect(`http://${member.endpoint}`);
  t.teardown(() => session.destroy());
  const settings = await within(
    'settings',
    new Promise<{ initialWindowSize?: number; maxConcurrentStreams?: number }>((resolve) => {
      session.once('remoteSettings', resolve);
    }),
    5000,
  );
  t.equal(settings.initialWindowSize, 8388608);
  t.equal(settings.maxConcurrentStreams, 2048);
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: '/etcdserverpb.KV/Range',
    'content-type': 'application/grpc',
  });
  stream.on('error', () => undefined);
  await within('headers', new Promise((resolve) => session.ping(resolve)), 5000);
  t.equal(session.state.remoteWindowSize, 16777216);
});

t.test('messages beyond the limits are refused', async (t) => {
  const member = await start(t, [
    '--max-request-bytes=8388608',
    '--grpc-max-receive-bytes=4194304',
    '--grpc-max-send-bytes=1048576',
  ]);
  const client = new EtcdClient(member.endpoint);
  t.teardown(() => client.close());
  const large = 'x'.repeat(700_000);
  await client.put('a', large);
  await client.put('b', large);
  t.equal((await client.get('a'))?.value.length, large.length);
  await t.rejects(client.put('c', 'x'.repeat(4_200_000)), {
    code: 8,
    details: /grpc: received message larger than max \(\d+ vs\. 4194304\)/,
  });
  await t.rejects(client.range({ key: bytes('a'), range_end: bytes('c') }), { code: 8 });
});

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

t.test('idle connections are closed, others are not', async (t) => {
  const member = await start(t, ['--grpc-idle-timeout=300ms']);
  const session = connect(`http://${member.endpoint}`);
  const closed = new Promise<void>((resolve) => session.once('close', () => resolve()));
  session.on('error', () => undefined);
  const before = performance.now();
  await within('the end of an idle connection', closed, 5000);
  t.ok(performance.now() - before >= 250);
});

t.test('a stop waits no longer than its grace for open streams', async (t) => {
  const member = await start(t, ['--stop-grace=500ms']);
  const session = connect(`http://${member.endpoint}`);
  session.on('error', () => undefined);
  const stream = session.request({
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: '/etcdserverpb.Watch/Watch',
    'content-type': 'application/grpc',
  });
  stream.on('error', () => undefined);
  await within('a ping', new Promise((resolve) => session.ping(resolve)), 5000);
  const before = performance.now();
  await member.stop();
  t.ok(performance.now() - before < 3000, `${performance.now() - before} ms`);
});

/** Pings one after the other; the answer is how many went well, and how the connection ended. */
async function pingAway(endpoint: string, withStream: boolean) {
  const session = connect(`http://${endpoint}`);
  session.on('error', () => undefined);
  const goaways: string[] = [];
  session.on('goaway', (code, _last, data) => goaways.push(`${code} ${data?.toString()}`));
  await within('a connection', new Promise((resolve) => session.once('connect', resolve)), 5000);
  if (withStream) {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/etcdserverpb.Watch/Watch',
      'content-type': 'application/grpc',
    });
    stream.on('error', () => undefined);
  }
  let sent = 0;
  for (; sent < 10 && !session.closed && !session.destroyed; sent++) {
    const answered = new Promise((resolve) => {
      session.once('close', resolve);
      session.ping(resolve);
    });
    await within('an answer', answered, 5000);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  session.destroy();
  return { sent, goaways };
}

t.test('clients that ping too often are sent away', async (t) => {
  const strict = await start(t, []);
  for (const withStream of [false, true]) {
    const { sent, goaways } = await pingAway(strict.endpoint, withStream);
    t.same(goaways, ['11 too_many_pings']);
    t.ok(sent >= 4 && sent <= 5, `${sent} pings`);
  }
  const lenient = await start(t, ['--grpc-keepalive-min-time=10ms']);
  t.same(await pingAway(lenient.endpoint, true), { sent: 10, goaways: [] });
  t.same((await pingAway(lenient.endpoint, false)).goaways, ['11 too_many_pings']);
});

t.test('a client that is being answered may ping', async (t) => {
  const member = await start(t, []);
  const client = new EtcdClient(member.endpoint, {
    'grpc.keepalive_time_ms': 20,
    'grpc.keepalive_permit_without_calls': 0,
  });
  t.teardown(() => client.close());
  const until = performance.now() + 1500;
  let puts = 0;
  while (performance.now() < until) {
    await client.put('a', `${puts}`);
    puts += 1;
  }
  t.ok(puts > 20, `${puts} puts in a row`);
});
