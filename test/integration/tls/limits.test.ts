// How much a server takes at once: connections, requests, streams and memory up to a limit, and
// what is said beyond it; and the end of it all over TLS.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import t from 'tap';

import { Authority } from '../../support/etcd/certificates.js';
import { EtcdClient } from '../../support/etcd/client.js';
import { kill, secureClient, startListening } from '../../support/etcd/tls-server.js';
import { freePorts } from '../../support/ports.js';
import { launcher, RunningProcess, serverEnvironment } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitFor, within } from '../../support/wait.js';

const folder = tempDir('limits');
const ca = await Authority.make(folder);
const server = await ca.issue('server');
const shown = [`--cert-file=${server.certFile}`, `--key-file=${server.keyFile}`];

function dial(port: number): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.on('error', () => undefined);
    socket.resume();
  });
}

async function serveOn(scheme: string, flags: readonly string[]) {
  const [port = 0] = await freePorts(1);
  const url = `${scheme}://127.0.0.1:${port}`;
  const all = [`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`, ...flags];
  return { port, started: await startListening(all) };
}

t.test('connections beyond the limit are closed, and the server serves on', async (t) => {
  const { port, started } = await serveOn('http', ['--max-connections=3']);
  t.teardown(() => kill(started));
  const held: Socket[] = [];
  for (let i = 0; i < 3; i += 1) {
    const socket = await dial(port);
    socket.write('GET /version HTTP/1.1\r\nHost: a\r\n\r\n');
    await within('an answer', once(socket, 'data'));
    held.push(socket);
  }
  const silent = await dial(port);
  const reason = 'too many open connections, the limit is 3';
  const told = async (text: string | Buffer) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    let answer = '';
    socket.on('data', (bytes: Buffer) => {
      answer += bytes.toString('latin1');
    });
    socket.write(typeof text === 'string' ? text : new Uint8Array(text));
    await within('the end', once(socket, 'close'), 3000);
    return answer;
  };
  t.match(await told('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 503 Service Unavailable/);
  t.ok((await told('GET / HTTP/1.1\r\nHost: a\r\n\r\n')).endsWith(`${reason}\n`));
  t.ok((await told('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).endsWith(reason), 'by GOAWAY');
  t.equal(await told(Buffer.from([0x16, 3, 1, 0, 1, 1])), '\x15\x03\x03\x00\x02\x02P', 'by alert');
  const refused = new EtcdClient(`127.0.0.1:${port}`);
  // The library's own word for GOAWAY with ENHANCE_YOUR_CALM.
  await t.rejects(refused.put('a', '1', {}, { timeoutMs: 2000 }), { code: 8 });
  refused.close();
  if (!silent.destroyed) {
    await within('the end of who says nothing', once(silent, 'close'), 3000);
  }
  await waitFor('the reason', () =>
    started.stderr.includes('too many open connections, the limit is 3'),
  );
  held[0]?.destroy();
  await waitFor('the place that is free again', async () => {
    const client = new EtcdClient(`127.0.0.1:${port}`);
    try {
      return await client.put('a', '1');
    } catch {
      return undefined;
    } finally {
      client.close();
    }
  });
  for (const socket of held) {
    socket.destroy();
  }
});

t.test('too few files for any connection end the start', async (t) => {
  const script = `ulimit -n 140; exec ${launcher} "$@"`;
  const flags = ['--storage-engine=memory', `--data-dir=${join(tempDir('files'), 'data')}`];
  const [port = 0, peerPort = 0] = await freePorts(2);
  const urls = [
    `--listen-client-urls=http://127.0.0.1:${port}`,
    `--advertise-client-urls=http://127.0.0.1:${port}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
  ];
  const args = ['-c', script, 'sh', ...flags, ...urls];
  const refused = new RunningProcess('/bin/sh', args, serverEnvironment());
  t.equal((await within('the end', refused.exited, 15_000)).code, 1);
  t.match(refused.logLines().at(-1), {
    level: 'fatal',
    msg: 'file descriptor limit of etcd process is too low; please set higher',
  });
});

t.test('requests beyond the limit get an error, and the others an answer', async (t) => {
  const { port, started } = await serveOn('http', ['--max-concurrent-requests=2']);
  t.teardown(() => kill(started));
  const client = new EtcdClient(`127.0.0.1:${port}`);
  const asked = Array.from({ length: 60 }, (_, i) => client.put(`k${i}`, 'v'));
  const settled = await Promise.allSettled(asked);
  const refused = settled.filter((one) => one.status === 'rejected');
  t.ok(refused.length > 0, `${refused.length} refused`);
  t.ok(refused.length < settled.length, 'some were served');
  for (const { reason } of refused as PromiseRejectedResult[]) {
    t.match(reason, { code: 8, details: 'etcdserver: too many requests' });
  }
  await client.put('afterwards', 'v');
  client.close();
});

t.test('writes are refused while memory is short, reads are not', async (t) => {
  const { port, started } = await serveOn('http', ['--max-memory-bytes=1']);
  t.teardown(() => kill(started));
  const client = new EtcdClient(`127.0.0.1:${port}`);
  await t.rejects(client.put('a', '1'), { code: 8, details: /memory is above 1 bytes/ });
  t.equal(await client.get('a'), undefined);
  await client.status();
  client.close();
});

t.test('streams of a connection are bounded', async (t) => {
  const { port, started } = await serveOn('https', [...shown, '--max-concurrent-streams=7']);
  t.teardown(() => kill(started));
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: readFileSync(ca.caFile) });
  const [settings] = (await within('settings', once(session, 'remoteSettings'))) as [
    { maxConcurrentStreams: number },
  ];
  t.equal(settings.maxConcurrentStreams, 7);
  session.destroy();
});

t.test('a stop over TLS: idle clients are let go at once', async (t) => {
  const { port, started } = await serveOn('https', shown);
  const client = secureClient(`127.0.0.1:${port}`, ca.caFile);
  await client.put('a', '1');
  const idle = connectTls({ port, ca: readFileSync(ca.caFile), host: '127.0.0.1' });
  idle.on('error', () => undefined);
  await within('a handshake', once(idle, 'secureConnect'));
  const json = connectHttp2(`https://127.0.0.1:${port}`, { ca: readFileSync(ca.caFile) });
  json.on('error', () => undefined);
  const goaway = once(json, 'goaway');
  await within('settings', once(json, 'remoteSettings'));
  const before = performance.now();
  started.signal('SIGTERM');
  t.same(await within('the end', started.exited), { code: null, signal: 'SIGTERM' });
  const tookMs = performance.now() - before;
  // Its grace would be seven seconds.
  t.ok(tookMs < 4000, `stopped in ${Math.round(tookMs)} ms`);
  await within('GOAWAY', goaway);
  client.close();
  idle.destroy();
  json.destroy();
});

t.test('a stop over TLS: a stream is told, and the process ends', async (t) => {
  const { port, started } = await serveOn('https', shown);
  const client = secureClient(`127.0.0.1:${port}`, ca.caFile);
  const watch = client.watch();
  watch.create({ key: new Uint8Array([97]) });
  t.ok((await watch.next()).created);
  started.signal('SIGTERM');
  await within('the end', started.exited, 12_000);
  await t.rejects(watch.next(2000));
  client.close();
});
