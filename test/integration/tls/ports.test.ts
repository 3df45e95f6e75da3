// Where a server listens, and what it speaks there: TLS and clear text on one port, HTTP and gRPC
// apart, metrics alone, socket files, ports that processes share.

import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';

import { Authority } from '../../support/etcd/certificates.js';
import { EtcdClient } from '../../support/etcd/client.js';
import { dialTls } from '../../support/etcd/tls-dial.js';
import {
  kill,
  launchListening,
  secureClient,
  startListening,
} from '../../support/etcd/tls-server.js';
import { freePorts } from '../../support/ports.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitFor, within } from '../../support/wait.js';

const folder = tempDir('ports');
const ca = await Authority.make(folder);
const server = await ca.issue('server');
const shown = [`--cert-file=${server.certFile}`, `--key-file=${server.keyFile}`];

/** Status and body of a request by HTTP/1.1, or the code of what went wrong. */
function get(port: number, path: string, socketPath?: string): Promise<[number | string, string]> {
  return new Promise((resolve) => {
    const place = socketPath === undefined ? { host: '127.0.0.1', port } : { socketPath };
    const asked = request({ ...place, path, agent: false, timeout: 3000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.once('end', () => resolve([response.statusCode ?? 0, body]));
    });
    asked.once('timeout', () => asked.destroy());
    asked.once('error', (error: NodeJS.ErrnoException) => resolve([error.code ?? '', '']));
    asked.end();
  });
}

/** A request by HTTP/2 over TLS. */
async function getHttp2(port: number, headers: Record<string, string>) {
  const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: await pem() });
  try {
    const stream = session.request(headers);
    stream.end();
    const [answer] = (await within('an answer', once(stream, 'response'), 5000)) as [
      Record<string, unknown>,
    ];
    let body = '';
    stream.setEncoding('utf8');
    for await (const piece of stream) {
      body += piece;
    }
    return { status: answer[':status'], type: answer['content-type'], body };
  } finally {
    session.destroy();
  }
}

async function pem(): Promise<string> {
  const { readFile } = await import('node:fs/promises');
  return readFile(ca.caFile, 'utf8');
}

t.test('https and http share a port, and each has gRPC and HTTP', async (t) => {
  const [port = 0] = await freePorts(1);
  const urls = `https://127.0.0.1:${port},http://127.0.0.1:${port}`;
  const started = await startListening(
    [`--listen-client-urls=${urls}`, `--advertise-client-urls=${urls}`, ...shown],
    { until: 'serving client traffic securely' },
  );
  t.teardown(() => kill(started));
  t.equal((await get(port, '/version'))[0], 200);
  t.equal((await dialTls({ port, caFile: ca.caFile })).outcome, '200');
  const plain = new EtcdClient(`127.0.0.1:${port}`);
  const secure = secureClient(`127.0.0.1:${port}`, ca.caFile);
  await plain.put('a', '1');
  t.equal((await secure.get('a'))?.value.toString(), '1');
  const json = await getHttp2(port, { ':path': '/version' });
  t.match(json, { status: 200, type: 'application/json', body: /etcdserver/ });
  const unary = { ':method': 'POST', ':path': '/x.Y/Z', 'content-type': 'application/grpc' };
  t.match(await getHttp2(port, unary), { status: 200, type: /^application\/grpc/ });
  const lines = started.logLines().filter(({ msg }) => msg.startsWith('serving client traffic'));
  t.strictSame(
    lines.map(({ msg, traffic, address }) => [msg.includes('insecurely'), traffic, address]).sort(),
    [
      [false, 'grpc+http', `127.0.0.1:${port}`],
      [true, 'grpc+http', `127.0.0.1:${port}`],
    ],
  );
  t.match(started.stderr, /scheme is http or unix while key and cert files are present/);
  plain.close();
  secure.close();
});

t.test('clear text to a port of TLS alone', async (t) => {
  const [port = 0] = await freePorts(1);
  const url = `https://127.0.0.1:${port}`;
  const flags = [`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`, ...shown];
  const started = await startListening(flags);
  t.teardown(() => kill(started));
  for (const text of [
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\0',
  ]) {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (bytes: Buffer) => {
      answer += bytes.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.write(text);
    await within('the end', once(socket, 'close'), 3000);
    t.equal(answer, '', 'closed without an answer');
  }
  const [line] = started
    .logLines()
    .filter(({ msg }) => msg === 'rejected connection on client endpoint');
  t.match(line, {
    level: 'warn',
    error: 'tls: first record does not look like a TLS handshake',
    'remote-addr': /^127\.0\.0\.1:\d+$/,
  });
  t.equal((await dialTls({ port, caFile: ca.caFile })).outcome, '200', 'and serves on');
});

t.test('HTTP on a port of its own', async (t) => {
  for (const scheme of ['http', 'https']) {
    const [port = 0, httpPort = 0] = await freePorts(2);
    const url = `${scheme}://127.0.0.1:${port}`;
    const started = await startListening([
      `--listen-client-urls=${url}`,
      `--listen-client-http-urls=${scheme}://127.0.0.1:${httpPort}`,
      `--advertise-client-urls=${url}`,
      ...(scheme === 'https' ? shown : []),
    ]);
    const isSecure = scheme === 'https';
    const client = isSecure
      ? secureClient(`127.0.0.1:${port}`, ca.caFile)
      : new EtcdClient(`127.0.0.1:${port}`);
    await client.put('a', '1');
    client.close();
    const misled = isSecure
      ? secureClient(`127.0.0.1:${httpPort}`, ca.caFile)
      : new EtcdClient(`127.0.0.1:${httpPort}`);
    await t.rejects(misled.put('a', '1', {}, { timeoutMs: 1000 }), `${scheme}: no gRPC there`);
    misled.close();
    if (isSecure) {
      t.equal((await dialTls({ port: httpPort, caFile: ca.caFile })).outcome, '200');
      t.equal((await dialTls({ port, caFile: ca.caFile })).outcome, 'closed');
      t.match(await getHttp2(httpPort, { ':path': '/version' }), { status: 200 });
      t.match(await getHttp2(port, { ':path': '/version' }), { status: 415 });
    } else {
      t.equal((await get(httpPort, '/version'))[0], 200);
      const [answer] = await get(port, '/version');
      t.type(answer, 'string', 'HTTP/1 gets frames of HTTP/2, which it does not understand');
    }
    const traffic = started.logLines().filter(({ msg }) => msg.startsWith('serving client'));
    t.strictSame(traffic.map((line) => [line.traffic, line.address]).sort(), [
      ['grpc', `127.0.0.1:${port}`],
      ['http', `127.0.0.1:${httpPort}`],
    ]);
    await kill(started);
  }
});

t.test('metrics and health on ports of their own', async (t) => {
  const [port = 0, clear = 0, secure = 0] = await freePorts(3);
  const url = `http://127.0.0.1:${port}`;
  const flags = [
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-metrics-urls=http://127.0.0.1:${clear},https://127.0.0.1:${secure}`,
  ];
  const refused = await launchListening(flags);
  t.same(await within('the end', refused.exited, 15_000), { code: 1, signal: null });
  t.match(refused.logLines().at(-1), {
    level: 'fatal',
    msg: 'discovery failed',
    error: 'client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url',
  });
  const started = await startListening([...flags, ...shown]);
  t.teardown(() => kill(started));
  for (const path of ['/metrics', '/health', '/livez', '/readyz']) {
    t.equal((await get(clear, path))[0], 200, path);
    t.equal((await dialTls({ port: secure, caFile: ca.caFile, path })).outcome, '200', path);
  }
  for (const path of ['/version', '/v3/kv/range', '/debug/vars', '/']) {
    t.strictSame(await get(clear, path), [404, '404 page not found\n'], path);
  }
  const lines = started.logLines().filter(({ msg }) => msg === 'serving metrics');
  t.strictSame(lines.map(({ address }) => address).sort(), [
    `http://127.0.0.1:${clear}`,
    `https://127.0.0.1:${secure}`,
  ]);
});

t.test('socket files, relative and absolute, clear and encrypted', async (t) => {
  const cwd = tempDir('sockets');
  const absolute = join(cwd, 'abs.sock');
  const urls = ['unixs://localhost:m20', 'unix://localhost:m21', `unix://${absolute}`];
  const flags = [`--listen-client-urls=${urls}`, `--advertise-client-urls=${urls}`, ...shown];
  const started = await startListening(flags, { cwd, until: 'serving client traffic insecurely' });
  t.teardown(() => kill(started));
  for (const name of ['localhost:m20', 'localhost:m21', 'abs.sock']) {
    await waitFor(name, () => existsSync(join(cwd, name)));
    t.ok(statSync(join(cwd, name)).isSocket(), name);
  }
  t.equal((await get(0, '/version', absolute))[0], 200);
  t.equal((await get(0, '/version', join(cwd, 'localhost:m21')))[0], 200);
  const client = new EtcdClient(`unix:${absolute}`);
  await client.put('a', 'b');
  client.close();
  const secure = secureClient(`unix:${join(cwd, 'localhost:m20')}`, ca.caFile);
  t.equal((await secure.get('a'))?.value.toString(), 'b');
  secure.close();
});

t.test('two processes share a port that both asked to share', async (t) => {
  const [port = 0] = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const flags = [`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`];
  const first = await startListening([...flags, '--socket-reuse-port']);
  t.teardown(() => kill(first));
  const refused = await launchListening(flags);
  t.equal((await within('the end', refused.exited, 15_000)).code, 1);
  t.match(refused.logLines().at(-1), {
    error: `listen tcp 127.0.0.1:${port}: bind: address already in use`,
  });
  const second = await startListening([...flags, '--socket-reuse-port']);
  t.teardown(() => kill(second));
  for (let i = 0; i < 10; i += 1) {
    t.equal((await get(port, '/version'))[0], 200);
  }
  await kill(first);
  t.equal((await get(port, '/version'))[0], 200, 'what one leaves the other serves');
});

t.test('what is missing or wrong of TLS ends the start, with the reason', async (t) => {
  const [port = 0] = await freePorts(1);
  const url = `https://127.0.0.1:${port}`;
  const noFile = 'open /no/x.pem: no such file or directory';
  const needed =
    `TLS key/cert (--cert-file, --key-file) must be provided for client url ${url} ` +
    'with HTTPS scheme';
  const switched =
    'tls: failed to find certificate PEM data in certificate input, but did find a private key; ' +
    'PEM inputs may have been switched';
  const { certFile, keyFile } = server;
  const foreign = await ca.issue('foreign');
  const rows: [string[], string, string][] = [
    [[], 'discovery failed', needed],
    [
      [`--cert-file=${certFile}`],
      'listener failed',
      `KeyFile and CertFile must both be present[key: , cert: ${certFile}]`,
    ],
    [['--cert-file=/no/x.pem', `--key-file=${keyFile}`], 'listener failed', noFile],
    [[...shown, '--trusted-ca-file=/no/x.pem'], 'listener failed', noFile],
    [[`--cert-file=${keyFile}`, `--key-file=${certFile}`], 'listener failed', switched],
    [
      [`--cert-file=${certFile}`, `--key-file=${foreign.keyFile}`],
      'listener failed',
      'tls: private key does not match public key',
    ],
    [
      [...shown, '--client-cert-file=x'],
      'listener failed',
      'ClientKeyFile and ClientCertFile must both be present or both absent: key: , cert: x]',
    ],
    [[...shown, '--cipher-suites=foo'], 'discovery failed', 'unexpected TLS cipher suite "foo"'],
  ];
  for (const [flags, msg, error] of rows) {
    const all = [`--listen-client-urls=${url}`, `--advertise-client-urls=${url}`, ...flags];
    const refused = await launchListening(all);
    t.equal((await within('the end', refused.exited, 15_000)).code, 1);
    t.match(refused.logLines().at(-1), { level: 'fatal', msg, error }, error);
  }
});
