// The proxy between members, with servers and clients of this process: bytes pass unchanged, a held
// link holds them one way and gives them up when it opens, a refused one resets, a slow one is
// slow, and the dialling process is told apart.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import t from 'tap';

import { canFindDialler, diallerOf } from '../../../support/cluster/proxy/dialler.js';
import { Links } from '../../../support/cluster/proxy/links.js';
import { PeerProxy } from '../../../support/cluster/proxy/peer-proxy.js';
import { freePorts } from '../../../support/ports.js';
import { sleep, waitFor, within } from '../../../support/wait.js';

/** A server that sends everything back, behind a proxy of the member `b` that `a` dials. */
class Bench {
  readonly links = new Links();
  readonly #server: Server;
  readonly proxy: PeerProxy;
  readonly #sockets: Socket[] = [];

  private constructor(server: Server, proxy: PeerProxy, links: Links) {
    this.#server = server;
    this.proxy = proxy;
    this.links = links;
  }

  static async start(): Promise<Bench> {
    const [port = 0] = await freePorts(1);
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const links = new Links();
    const proxy = await PeerProxy.start(links, 'b', port, () => 'a');
    return new Bench(server, proxy, links);
  }

  dial(): Dialled {
    const socket = connect({ host: '127.0.0.1', port: this.proxy.port });
    this.#sockets.push(socket);
    return new Dialled(socket);
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await this.proxy.stop();
    this.#server.close();
  }
}

class Dialled {
  readonly socket: Socket;
  readonly received: Buffer[] = [];
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
    });
    socket.on('data', (bytes: Buffer) => this.received.push(bytes));
  }

  get size(): number {
    return this.received.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  write(text: string): void {
    this.socket.write(text);
  }

  gets(size: number): Promise<true> {
    return waitFor(`${size} bytes`, () => this.size >= size, 5000, 2);
  }
}

t.test('links', async (t) => {
  const bench = await Bench.start();
  t.teardown(() => bench.stop());

  t.test('bytes pass unchanged, and are counted', async (t) => {
    const dialled = bench.dial();
    const sent = Buffer.alloc(3_000_000, 'abcdefghijk');
    dialled.socket.end(sent);
    await within('the end', once(dialled.socket, 'close'), 5000);
    const got = Buffer.concat(dialled.received as unknown as Uint8Array[]);
    t.ok(got.equals(new Uint8Array(sent)));
    t.equal(bench.links.bytes('a', 'b'), sent.length);
    t.equal(bench.links.bytes('b', 'a'), sent.length);
  });

  t.test('held one way, the other way goes on; opened, nothing is lost', async (t) => {
    const dialled = bench.dial();
    dialled.write('x');
    await dialled.gets(1);
    bench.links.set('b', 'a', { mode: 'hold' });
    const before = bench.links.bytes('a', 'b');
    dialled.write('yz');
    await waitFor('the bytes to b', () => bench.links.bytes('a', 'b') === before + 2);
    await sleep(50);
    t.equal(dialled.size, 1, 'nothing comes back');
    const late = bench.dial();
    await within('a connection', once(late.socket, 'connect'));
    late.write('w');
    await sleep(50);
    t.equal(late.size, 0, 'nor through new connections');
    bench.links.heal();
    await dialled.gets(3);
    await late.gets(1);
    t.equal(Buffer.concat(dialled.received as unknown as Uint8Array[]).toString(), 'xyz');
  });

  t.test('a held link does not take in bytes without a bound', async (t) => {
    const dialled = bench.dial();
    bench.links.set('a', 'b', { mode: 'hold' });
    const piece = Buffer.alloc(1 << 20);
    let written = 0;
    for (let i = 0; i < 64; i += 1) {
      if (!dialled.socket.write(piece)) {
        const drained = once(dialled.socket, 'drain').then(() => true);
        if (!(await Promise.race([drained, sleep(300).then(() => false)]))) break;
      }
      written += 1;
    }
    t.ok(written < 40, `${written} MB went into a held link`);
    bench.links.heal();
    await dialled.gets(written << 20);
  });

  t.test('refused: reset, and again until it opens', async (t) => {
    const dialled = bench.dial();
    dialled.write('x');
    await dialled.gets(1);
    bench.links.set('a', 'b', { mode: 'refuse' });
    await waitFor('the reset', () => dialled.isClosed);
    const again = bench.dial();
    await waitFor('the reset of a new one', () => again.isClosed);
    bench.links.heal();
    const third = bench.dial();
    third.write('x');
    await third.gets(1);
    t.equal(bench.links.breakConnections('b', 'a'), 1, 'connections of either direction');
    await waitFor('the reset', () => third.isClosed);
  });

  t.test('late and slow', async (t) => {
    const dialled = bench.dial();
    bench.links.set('a', 'b', { delayMs: 80 });
    let started = performance.now();
    dialled.write('x');
    await dialled.gets(1);
    const delay = performance.now() - started;
    t.ok(delay >= 79, `${delay} ms`);
    bench.links.set('a', 'b', { delayMs: 0, bytesPerSecond: 1_000_000 });
    started = performance.now();
    dialled.write('x'.repeat(300_000));
    await dialled.gets(300_001);
    const took = performance.now() - started;
    t.ok(took >= 260 && took < 2000, `${took} ms for 300 kB at 1 MB/s`);
  });
});

t.test('the dialling process is found', { skip: !canFindDialler && 'no /proc here' }, async (t) => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = (server.address() as { port: number }).port;
  const script = `require('net').connect(${port}, '127.0.0.1'); setTimeout(() => {}, 20000)`;
  const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  t.teardown(() => child.kill('SIGKILL'));
  const [socket] = (await within('a connection', once(server, 'connection'))) as [Socket];
  socket.on('error', () => undefined);
  const dialled = socket.remotePort ?? 0;
  const pids = new Map([
    ['a', process.pid],
    ['b', child.pid ?? 0],
  ]);
  t.equal(diallerOf(dialled, port, pids), 'b');
  t.equal(diallerOf(dialled, port, new Map([['a', process.pid]])), undefined, 'nobody we know');
  child.kill('SIGKILL');
  await within('its end', once(child, 'exit'));
  t.equal(diallerOf(dialled, port, pids), null, 'it has ended');
  socket.destroy();
  server.close();
});
