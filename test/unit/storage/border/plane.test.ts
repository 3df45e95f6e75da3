// The plane across the border: sockets of Node handed over, calls and requests as events, answers
// as commands, and environments that end in the middle of it.

import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { createServer, connect as netConnect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { loadAddon } from '../../../../src/storage/loader.js';
import type { MemberCore } from '../../../../src/storage/native.js';
import type { NativePlane } from '../../../../src/storage/native-plane.js';
import { PlaneDecoder, type PlaneHandler } from '../../../../src/storage/plane-events.js';
import { tempDir } from '../../../support/temp-dir.js';
import { waitFor } from '../../../support/wait.js';
import { openOptions } from '../voters/tiny-voter.js';
import { planeOptions } from './plane-options.js';

const addon = loadAddon();
const bytesOf = (buffer: Buffer): Uint8Array =>
  new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);

/** A message of gRPC behind its prefix. */
function framed(text: string): Buffer {
  const bytes = Buffer.alloc(5 + Buffer.byteLength(text));
  bytes.writeUInt32BE(bytes.length - 5, 1);
  bytes.write(text, 5);
  return bytes;
}

/** A plane whose events are gathered by name; handlers may be replaced. */
class Served implements PlaneHandler {
  readonly core: MemberCore;
  readonly plane: NativePlane;
  readonly events: unknown[][] = [];
  wakes = 0;

  constructor(core: MemberCore) {
    this.core = core;
    const decoder = new PlaneDecoder(addon.planeEvents);
    this.plane = core.openPlane(planeOptions, () => {
      this.wakes += 1;
      const records = this.plane.drain();
      if (records !== null) decoder.decode(records, this);
    });
  }

  drain(): void {
    const records = this.plane.drain();
    if (records !== null) new PlaneDecoder(addon.planeEvents).decode(records, this);
  }

  /** The first event of a kind, once it has come. */
  async next(kind: string): Promise<unknown[]> {
    await waitFor(`event ${kind}`, () => this.events.some(([name]) => name === kind));
    const [event] = this.events.splice(
      this.events.findIndex(([name]) => name === kind),
      1,
    );
    return event ?? [];
  }

  call: PlaneHandler['call'] = (...event) => this.events.push(['call', ...event]);
  message: PlaneHandler['message'] = (...event) => this.events.push(['message', ...event]);
  halfClose: PlaneHandler['halfClose'] = (...event) => this.events.push(['halfClose', ...event]);
  ended: PlaneHandler['ended'] = (...event) => this.events.push(['ended', ...event]);
  taken: PlaneHandler['taken'] = (...event) => this.events.push(['taken', ...event]);
  http: PlaneHandler['http'] = (...event) => this.events.push(['http', ...event]);
  output: PlaneHandler['output'] = (...event) => this.events.push(['output', ...event]);
  closed: PlaneHandler['closed'] = (...event) => this.events.push(['closed', ...event]);
  keepAlives: PlaneHandler['keepAlives'] = (...event) => this.events.push(['keepAlives', ...event]);
  caller: PlaneHandler['caller'] = (...event) => this.events.push(['caller', ...event]);
  slow: PlaneHandler['slow'] = (...event) => this.events.push(['slow', ...event]);
  log: PlaneHandler['log'] = (...event) => this.events.push(['log', ...event]);
}

async function serve(name: string): Promise<Served> {
  const { core } = await addon.open(openOptions(tempDir(name), 'memory'), () => {});
  return new Served(core);
}

/** A port whose connections go to `take`. */
async function listen(take: (socket: Socket) => void) {
  const server = createServer(take);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { port, close: () => server.close() };
}

/** Hands a socket's connection to the plane, as a transport does. */
function adopt(plane: NativePlane, socket: Socket, first: Buffer): number {
  const { _handle: handle } = socket as unknown as { _handle: { fd: number } };
  const number = plane.adopt(handle.fd, bytesOf(first), 'somewhere', true);
  socket.destroy();
  return number;
}

function request(client: ClientHttp2Session, path: string, more = {}): ClientHttp2Stream {
  return client.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  });
}

/** What became of a call: its status and the bytes of its messages. */
async function outcome(stream: ClientHttp2Stream): Promise<{ status: string; body: Buffer }> {
  let status = '';
  const chunks: Buffer[] = [];
  const read = (headers: Record<string, unknown>) => {
    if (headers['grpc-status'] !== undefined) status = String(headers['grpc-status']);
  };
  stream.on('response', read);
  stream.on('trailers', read);
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'close');
  return { status, body: Buffer.concat(chunks as unknown as Uint8Array[]) };
}

t.test('a connection of Node is handed over with what was read of it', async (test) => {
  const served = await serve('adopt');
  const { plane } = served;
  let number = 0;
  const port = await listen((socket) => {
    socket.once('readable', () => {
      number = adopt(plane, socket, (socket.read() as Buffer | null) ?? Buffer.alloc(0));
    });
  });
  const client = connect(`http://127.0.0.1:${port.port}`);
  const stream = request(client, '/pkg.Service/Method', { token: 'me', 'x-y': 'é' });
  stream.end(framed('question'));
  const [, call, connection, head, message] = await served.next('call');
  test.ok(number > 0);
  test.equal(connection, number);
  test.equal(plane.openConnections(), 1);
  test.match(head, { path: '/pkg.Service/Method', timeoutNs: -1 });
  const { metadata } = head as { metadata: string[] };
  test.equal(metadata[metadata.indexOf('token') + 1], 'me');
  test.equal(String(message), 'question');
  plane.reply(call as number, Buffer.from('answer'));
  const { status, body } = await outcome(stream);
  test.equal(status, '0');
  test.strictSame(body, framed('answer'));
  client.close();
  test.strictSame(await served.next('closed'), ['closed', number]);
  test.strictSame(served.events, [], 'nothing else was told');
  port.close();
  await served.core.close();
});

t.test('streams, requests that are not gRPC, and their ends', async (test) => {
  const served = await serve('streams');
  const { plane } = served;
  const port = await listen((socket) => adopt(plane, socket, Buffer.alloc(0)));
  const client = connect(`http://127.0.0.1:${port.port}`);
  const stream = request(client, '/pkg.Service/Stream');
  const answered = outcome(stream);
  const [, call] = (await served.next('call')) as [string, number];
  stream.write(framed('one'));
  test.strictSame((await served.next('message')).slice(1), [call, Buffer.from('one')]);
  stream.end(framed('two'));
  plane.ask(call);
  test.strictSame((await served.next('message')).slice(1), [call, Buffer.from('two')]);
  test.strictSame(await served.next('halfClose'), ['halfClose', call]);
  plane.send(call, Buffer.from('a'));
  test.strictSame(await served.next('taken'), ['taken', call, 1]);
  plane.finish(call, 5, 'gone');
  test.equal((await answered).status, '5');
  const http = client.request({ ':method': 'GET', ':path': '/health' });
  http.end();
  const body: Buffer[] = [];
  http.on('data', (chunk: Buffer) => body.push(chunk));
  const [, id, , head] = (await served.next('http')) as [string, number, number, unknown];
  test.match(head, { method: 'GET', path: '/health' });
  plane.httpRespond(id, 503, ['content-type', 'text/plain']);
  plane.httpSend(id, Buffer.from('ill'));
  plane.httpEnd(id);
  const [headers] = (await once(http, 'response')) as [Record<string, unknown>];
  test.equal(headers[':status'], 503);
  await once(http, 'close');
  test.equal(String(Buffer.concat(body as unknown as Uint8Array[])), 'ill');
  const cancelled = request(client, '/pkg.Service/Stream');
  cancelled.on('error', () => {});
  const [, last] = (await served.next('call')) as [string, number];
  cancelled.destroy();
  test.strictSame(await served.next('ended'), ['ended', last]);
  client.destroy();
  await served.next('closed');
  port.close();
  await served.core.close();
});

t.test('a connection whose bytes JavaScript carries', async (test) => {
  const served = await serve('attach');
  const { plane } = served;
  let end: Duplex | null = null;
  const port = await listen((socket) => {
    end = socket;
    const number = plane.attach('somewhere', 'name', false);
    served.output = (connection, bytes) => {
      test.equal(connection, number);
      socket.write(bytesOf(bytes), () => plane.outputTaken(connection, bytes.length));
    };
    socket.on('data', (bytes) => plane.feed(number, bytesOf(bytes)));
    socket.on('close', () => plane.ended(number));
  });
  const client = connect(`http://127.0.0.1:${port.port}`);
  served.call = (call, _connection, _head, message) => {
    plane.reply(call, Buffer.alloc(Number(String(message)), 1));
  };
  for (const size of [0, 10, 3_000_000]) {
    const stream = request(client, '/pkg.Service/Sized');
    stream.end(framed(String(size)));
    const { status, body } = await outcome(stream);
    test.equal(status, '0');
    test.equal(body.length, 5 + size);
  }
  test.equal(plane.openConnections(), 1);
  plane.drainConnections();
  await served.next('closed');
  (end as Duplex | null)?.destroy();
  test.equal(plane.openConnections(), 0);
  test.equal(plane.metrics()[addon.planeNumbers.indexOf('foreignCalls')], 3);
  port.close();
  await served.core.close();
});

t.test('stop tells of every end; closing the core stops its plane', async (test) => {
  for (const stops of [true, false]) {
    const served = await serve('stop');
    const { plane } = served;
    const port = await listen((socket) => adopt(plane, socket, Buffer.alloc(0)));
    const sockets = Array.from({ length: 50 }, () => netConnect(port.port, '127.0.0.1'));
    for (const socket of sockets) socket.on('error', () => {});
    const client = connect(`http://127.0.0.1:${port.port}`);
    client.on('error', () => {});
    const stream = request(client, '/pkg.Service/Stream');
    stream.on('error', () => {});
    const [, call] = await served.next('call');
    await waitFor('51 connections', () => plane.openConnections() === 51);
    if (stops) await plane.stop();
    await served.core.close();
    served.drain();
    test.strictSame(
      served.events.filter(([kind]) => kind === 'ended'),
      [['ended', call]],
    );
    test.equal(served.events.filter(([kind]) => kind === 'closed').length, 51);
    test.equal(plane.openConnections(), 0);
    for (const socket of sockets) socket.destroy();
    client.destroy();
    port.close();
  }
});

const here = (file: string): string => new URL(file, import.meta.url).href;

/** A script whose plane has calls under way on several connections, and then does `last`. */
function busyScript(dataDir: string, last: string): string {
  return `(async () => {
    const { loadAddon } = await import('${here('../../../../src/storage/loader.js')}');
    const { openOptions } = await import('${here('../voters/tiny-voter.js')}');
    const { planeOptions } = await import('${here('./plane-options.js')}');
    const { createServer } = await import('node:net');
    const { connect } = await import('node:http2');
    const addon = loadAddon();
    const { core } = await addon.open(openOptions('${dataDir}', 'memory'), () => {});
    let woken = 0;
    const plane = core.openPlane({ ...planeOptions, lanes: 2 }, () => {
      woken += 1;
      plane.drain();
    });
    const server = createServer((socket) => {
      plane.adopt(socket._handle.fd, new Uint8Array(0), 'peer', false);
      socket.destroy();
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const clients = [0, 1, 2].map(() => connect('http://127.0.0.1:' + server.address().port));
    for (let turn = 0; turn < 20; turn += 1) {
      for (const client of clients) {
        const call = { ':method': 'POST', ':path': '/a.B/C', te: 'trailers' };
        const stream = client.request({ ...call, 'content-type': 'application/grpc' });
        stream.on('error', () => {});
        stream.end(Buffer.from([0, 0, 0, 0, 0]));
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    if (woken === 0) throw new Error('no call has come');
    ${last}
  })();`;
}

function run(last: string): { status: number | null; stderr: string } {
  const script = busyScript(tempDir('plane-exit'), last);
  return spawnSync(process.execPath, ['--eval', script], { encoding: 'utf8', timeout: 30_000 });
}

t.test('a process that ends in the middle', async (test) => {
  const exited = run('process.exit(7);');
  test.equal(exited.status, 7, exited.stderr);
  const ended = run('server.close(); for (const client of clients) client.destroy();');
  test.equal(ended.status, 0, ended.stderr);
});

t.test('workers that are terminated in the middle', async (test) => {
  const codes = await Promise.all(
    [0, 20, 40, 80, null].map((delayMs) => {
      const last = 'server.close(); for (const client of clients) client.destroy();';
      const worker = new Worker(busyScript(tempDir('plane-worker'), last), { eval: true });
      const ended = new Promise<string>((resolve) => {
        worker.once('exit', (code) => resolve(`${delayMs === null ? code : 'ended'}`));
        worker.once('error', (error) => resolve(String(error)));
      });
      if (delayMs !== null) setTimeout(() => worker.terminate(), delayMs);
      return ended;
    }),
  );
  test.strictSame(codes, ['ended', 'ended', 'ended', 'ended', '0']);
});
