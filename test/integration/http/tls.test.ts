// The HTTP side over TLS: HTTP/1.1 and HTTP/2 alike, WebSockets, and certificates with a name,
// which speak for nobody here and are refused once there is authentication. The same requests go
// to a real etcd where there is one (METASTORE_ETCD), with the same answers.

import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { WebSocket } from 'ws';

import { Authority, type CertificateFiles } from '../../support/etcd/certificates.js';
import { freePorts } from '../../support/ports.js';
import { launcher, RunningProcess, serverEnvironment } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';
import { within } from '../../support/wait.js';
import { base64 } from './support.js';

const folder = tempDir('http-tls');
const ca = await Authority.make(folder, 'ca');
const server = await ca.issue('server');
const named = await ca.issue('named', { commonName: 'root' });
const nameless = await ca.issue('nameless', { commonName: '' });

interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/**
 * Any real client sends it. Without it etcd takes the certificate of its own gateway for the
 * client's, which is nobody here.
 */
const accept = { Accept: '*/*' };

/** A client with one of the certificates. */
class TlsClient {
  readonly #port: number;
  readonly #files: { ca: Buffer; cert: Buffer; key: Buffer };

  constructor(port: number, { certFile, keyFile }: CertificateFiles) {
    this.#port = port;
    this.#files = {
      ca: readFileSync(ca.caFile),
      cert: readFileSync(certFile),
      key: readFileSync(keyFile),
    };
  }

  http1({ method = 'POST', path, body = '', headers = {} }: Asked): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const options = {
        host: '127.0.0.1',
        port: this.#port,
        method,
        path,
        agent: false as const,
        servername: 'localhost',
      };
      const all = { ...accept, ...headers };
      const sent = httpsRequest({ ...options, headers: all, ...this.#files }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        const { statusCode: status = 0, headers: got } = response;
        const type = got['content-type'] ?? '';
        response.on('end', () => resolve({ status, type, body: text }));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  async http2({ method = 'POST', path, body = '', headers = {} }: Asked): Promise<Answer> {
    const session = connectHttp2(`https://127.0.0.1:${this.#port}`, this.#files);
    try {
      return await new Promise<Answer>((resolve, reject) => {
        session.on('error', reject);
        const asked = { ':method': method, ':path': path, accept: '*/*', ...headers };
        const stream = session.request(asked, { endStream: body === '' });
        let status = 0;
        let type = '';
        let text = '';
        stream.on('response', (got) => {
          status = Number(got[':status']);
          type = String(got['content-type'] ?? '');
        });
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        stream.on('error', reject);
        stream.on('end', () => resolve({ status, type, body: text }));
        if (body !== '') stream.end(body);
      });
    } finally {
      session.close();
    }
  }

  /** The first message, or the status of a refusal. */
  socket(path: string, message: string, protocols: readonly string[] = []): Promise<string> {
    const url = `wss://127.0.0.1:${this.#port}${path}`;
    const socket = new WebSocket(url, [...protocols], this.#files);
    const first = new Promise<string>((resolve) => {
      socket.on('open', () => socket.send(message));
      socket.on('message', (data) => resolve(String(data)));
      socket.on('unexpected-response', (_request, response) => {
        resolve(`refused ${response.statusCode}`);
        response.destroy();
      });
      socket.on('close', (code) => resolve(`closed ${code}`));
      socket.on('error', () => undefined);
    });
    return within('a first message', first).finally(() => socket.terminate());
  }
}

function withoutIds(text: string): string {
  return text
    .replace(/"(?:[^"\\]|\\.)*"|,[ \u00a0]+/g, (part) => (part.startsWith('"') ? part : ','))
    .replace(/"(cluster_id|member_id)":"\d+"/g, '"$1":"<id>"')
    .replace(/"raft_term":"\d+"/g, '"raft_term":"<term>"')
    .replace(/"token":"[^"]*"/g, '"token":"<token>"');
}

/** Everything that is asked, in order, with its answers as they can be compared. */
async function transcript(port: number): Promise<string[]> {
  const lines: string[] = [];
  const byName = new TlsClient(port, named);
  const byNobody = new TlsClient(port, nameless);
  const tell = (what: string, { status, type, body }: Answer) =>
    lines.push(`${what}: ${status} ${type} ${withoutIds(body)}`);
  const both = async (what: string, client: TlsClient, asked: Asked) => {
    tell(`${what} 1.1`, await client.http1(asked));
    tell(`${what} 2`, await client.http2(asked));
  };
  const put = { path: '/v3/kv/put', body: JSON.stringify({ key: base64('a'), value: 'eA==' }) };
  const range = { path: '/v3/kv/range', body: JSON.stringify({ key: base64('a') }) };
  const keepAlive = { path: '/v3/lease/keepalive', body: '{"ID":5}{"ID":6}' };
  const watch = JSON.stringify({ create_request: { key: base64('a') } });
  const any = { Host: 'any.example' };
  for (const client of [byName, byNobody]) {
    await both('put', client, put);
    await both('range', client, range);
    await both('keepalive', client, keepAlive);
    await both('nothing', client, { path: '/v3/nosuch' });
    await both('wrong method', client, { path: '/v3/kv/range', method: 'GET' });
    await both('malformed', client, { path: '/v3/kv/range', body: '{' });
    await both('version', client, { path: '/version', method: 'GET' });
    await both('health', client, { path: '/health', method: 'GET' });
    lines.push(withoutIds(await client.socket('/v3/watch', watch)));
  }
  tell('any host', await byNobody.http1({ path: '/version', method: 'GET', headers: any }));

  const call = (path: string, body: object, headers = {}) =>
    byNobody.http1({ path: `/v3/auth/${path}`, body: JSON.stringify(body), headers });
  await call('user/add', { name: 'root', password: 'pass' });
  await call('user/grant', { user: 'root', role: 'root' });
  tell('enable', await call('enable', {}));
  const login = await call('authenticate', { name: 'root', password: 'pass' });
  tell('login', login);
  const { token = '' } = JSON.parse(login.body) as { token?: string };
  const withToken = { Authorization: token };
  await both('range without a token', byNobody, range);
  await both('range with one', byNobody, { ...range, headers: withToken });
  await both('range by name', byName, range);
  await both('range by name with a token', byName, { ...range, headers: withToken });
  await both('the older path by name', byName, { ...range, path: '/v3beta/kv/range' });
  await both('nothing by name', byName, { path: '/v3/nosuch' });
  await both('version by name', byName, { path: '/version', method: 'GET' });
  await both('health by name', byName, { path: '/health', method: 'GET' });
  await both('options by name', byName, { path: '/v3/kv/range', method: 'OPTIONS' });
  lines.push(withoutIds(await byName.socket('/v3/watch', watch)));
  lines.push(withoutIds(await byNobody.socket('/v3/watch', watch, ['Bearer', token])));
  tell('disable', await call('disable', {}, withToken));
  await both('range by name again', byName, range);
  return lines;
}

async function started(t: Test, command: string, extra: readonly string[]): Promise<number> {
  const [client = 0, peer = 0] = await freePorts(2);
  const peerUrl = `http://127.0.0.1:${peer}`;
  const flags = [
    `--data-dir=${join(tempDir('http-tls'), 'data')}`,
    `--listen-client-urls=https://127.0.0.1:${client}`,
    `--advertise-client-urls=https://127.0.0.1:${client}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    `--cert-file=${server.certFile}`,
    `--key-file=${server.keyFile}`,
    `--trusted-ca-file=${ca.caFile}`,
    '--client-cert-auth',
    '--host-whitelist=only.example',
    ...extra,
  ];
  const running = new RunningProcess(command, flags, serverEnvironment());
  t.teardown(async () => {
    running.signal('SIGKILL');
    await running.exited;
  });
  await within('a start', running.waitForOutput('serving client traffic'), 30_000);
  return client;
}

t.setTimeout(180_000);
t.test('answers over TLS', async (t) => {
  const own = await transcript(await started(t, launcher, ['--storage-engine=memory']));
  const refused =
    ': 400 text/plain; charset=utf-8 CommonName of client sending a request against gateway will ' +
    'be ignored and not used as expected\n';
  for (const what of ['range by name', 'range by name with a token', 'the older path by name']) {
    t.ok(own.includes(`${what} 1.1${refused}`), `${what} is refused`);
    t.ok(own.includes(`${what} 2${refused}`), `${what} is refused over HTTP/2`);
  }
  t.ok(own.includes('refused 400'), 'a WebSocket as well');
  t.ok(
    own.some((line) => line.startsWith('range with one 2: 200 ')),
    'a token is taken',
  );
  t.ok(
    own.some((line) => line.startsWith('range by name again 2: 200 ')),
    'without auth: served',
  );
  const reference = process.env.METASTORE_ETCD;
  if (reference === undefined) {
    t.comment('no etcd here to compare with');
    return;
  }
  const theirs = await transcript(await started(t, reference, []));
  t.same(own, theirs, `${theirs.length} answers are those of a real etcd`);
});
