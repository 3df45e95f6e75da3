// TLS on a port, in this process: who calls by which protocol, as whom; and that certificates are
// held to the same rules where this Node does not let anybody look at them in the handshake.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import grpc from '@grpc/grpc-js';
import t from 'tap';

import type { CallContext, HandlerTable, HttpHandler } from '../../../../src/base/call.js';
import { ErrorTable } from '../../../../src/base/errors.js';
import { loadAddon } from '../../../../src/storage/loader.js';
import { GrpcServer } from '../../../../src/transport/grpc-js/server.js';
import { Http2Streams } from '../../../../src/transport/http2.js';
import { SharedPort } from '../../../../src/transport/port.js';
import { TlsAcceptor } from '../../../../src/transport/tls/acceptor.js';
import { TlsDialler } from '../../../../src/transport/tls/dialler.js';
import type { GuardTls, TlsFiles } from '../../../../src/transport/tls/options.js';
import { Authority, type CertificateFiles } from '../../../support/etcd/certificates.js';
import { dialTls } from '../../../support/etcd/tls-dial.js';
import { nativeErrorRows } from '../../../support/fakes/native-errors.js';
import { tempDir } from '../../../support/temp-dir.js';
import { waitFor, within } from '../../../support/wait.js';

const folder = tempDir('acceptor');
const ca = await Authority.make(folder, 'ca');
const other = await Authority.make(folder, 'other');
const server = await ca.issue('server');
const alice = await ca.issue('alice', { hosts: ['alice.example'] });
const wrong = await other.issue('wrong');
const expired = await ca.issue('expired', { days: -0.5 });

const native: GuardTls = loadAddon().network.guardTls;
const none: GuardTls = () => false;

const files: TlsFiles = {
  certFile: server.certFile,
  keyFile: server.keyFile,
  trustedCaFile: ca.caFile,
  clientCertAuth: true,
  crlFile: '',
  allowedCns: [],
  allowedHostnames: [],
  clientCertFile: '',
  clientKeyFile: '',
  autoTls: false,
  selfSignedValidityYears: 1,
  cipherSuites: [],
  minVersion: 'TLS1.2',
  maxVersion: 'TLS1.3',
  skipClientSanVerification: false,
};

/** A log that keeps what is said of rejected connections. */
function collect() {
  const errors: string[] = [];
  const ignore = () => undefined;
  const log = {
    debug: ignore,
    info: ignore,
    warn: (_message: string, fields?: Readonly<Record<string, unknown>>) => {
      errors.push(String(fields?.error));
    },
    error: (message: string) => errors.push(message),
    fatal: (message: string) => errors.push(message),
    child: () => log,
    enabled: () => false,
  };
  return { log, errors };
}

const handlers: HandlerTable = new Map([
  [
    '/test.Names/Who',
    {
      kind: 'unary' as const,
      handle: async ({ commonName }: CallContext) => Buffer.from(String(commonName)),
    },
  ],
]);

/** Says who asks, and sends back what is in the body. */
const http: HttpHandler = async (request) => {
  const body = await request.body(1 << 20);
  const { method, url, secure, commonName, headers } = request;
  const pieces = async function* () {
    yield JSON.stringify({ method, url, secure, commonName, host: headers.host });
    yield body ?? Buffer.from('too large');
  };
  return { status: 200, headers: { 'Content-Type': 'text/plain' }, body: pieces() };
};

async function open(change: Partial<TlsFiles>, guard: GuardTls = native) {
  const { log, errors } = collect();
  const streams = new Http2Streams(http, log);
  const limits = {
    maxReceiveBytes: 1 << 20,
    maxConcurrentStreams: 100,
    keepaliveIntervalMs: 0,
    keepaliveTimeoutMs: 0,
  };
  const calls = new GrpcServer(handlers, new ErrorTable(nativeErrorRows()), limits, streams);
  const options = {
    files: { ...files, ...change },
    side: 'client' as const,
    protocols: ['h2', 'http/1.1'],
    checkAddresses: false,
    guard,
  };
  const port = new SharedPort({ http2: (socket) => calls.acceptShared(socket), http1: http }, log, {
    clear: false,
    secure: (take) => new TlsAcceptor(options, take, log),
    limit: null,
    side: 'client',
  });
  await port.listen({ host: '127.0.0.1', port: 0 });
  port.serve();
  const close = async () => {
    await port.close();
    await calls.stop(100);
  };
  return { port: port.port, errors, close };
}

async function whoByGrpc(port: number, own: CertificateFiles): Promise<string> {
  const credentials = grpc.credentials.createSsl(
    readFileSync(ca.caFile),
    readFileSync(own.keyFile),
    readFileSync(own.certFile),
  );
  const client = new grpc.Client(`127.0.0.1:${port}`, credentials);
  try {
    return await new Promise((resolve, reject) => {
      const asIs = (bytes: Buffer) => bytes;
      const options = { deadline: Date.now() + 5000 };
      client.makeUnaryRequest(
        '/test.Names/Who',
        asIs,
        asIs,
        Buffer.alloc(0),
        new grpc.Metadata(),
        options,
        (error, reply) => (error === null ? resolve(String(reply)) : reject(error)),
      );
    });
  } finally {
    client.close();
  }
}

/** What both HTTP versions answer to a request with a body. */
async function whoByHttp(port: number, own: CertificateFiles): Promise<string[]> {
  const own2 = { cert: readFileSync(own.certFile), key: readFileSync(own.keyFile) };
  const session = connectHttp2(`https://127.0.0.1:${port}`, {
    ca: readFileSync(ca.caFile),
    ...own2,
  });
  const stream = session.request({ ':method': 'POST', ':path': '/a?b', 'x-y': 'z' });
  stream.end('body');
  let second = '';
  for await (const piece of stream.setEncoding('utf8')) second += piece;
  session.close();
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    ca: readFileSync(ca.caFile),
    ALPNProtocols: ['http/1.1'],
    ...own2,
  });
  socket.write(
    'POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody',
  );
  let first = '';
  for await (const piece of socket.setEncoding('utf8')) first += piece;
  return [first, second];
}

t.test('who calls, by each protocol', async (t) => {
  const named = await open({});
  t.equal(await whoByGrpc(named.port, alice), 'alice');
  const [first = '', second = ''] = await whoByHttp(named.port, alice);
  for (const answer of [first, second]) {
    t.match(answer, /"method":"POST","url":"\/a\?b","secure":true,"commonName":"alice"/);
    t.match(answer, /body/);
  }
  t.match(second, `"host":"127.0.0.1:${named.port}"`);
  await named.close();
  const unnamed = await open({ clientCertAuth: false });
  t.equal(await whoByGrpc(unnamed.port, alice), 'null', 'verified, but not asked for names');
  for (const answer of await whoByHttp(unnamed.port, alice)) {
    t.match(answer, /"commonName":null/);
  }
  await unnamed.close();
});

for (const [how, guard] of [
  ['in the handshake', native],
  ['after the handshake', none],
] as const) {
  t.test(`certificates are refused ${how}`, async (t) => {
    const unknown = /x509: certificate signed by unknown authority$/;
    const rows: [Partial<TlsFiles>, CertificateFiles, RegExp | null][] = [
      [{}, alice, null],
      [{}, wrong, unknown],
      [{}, expired, /x509: certificate has expired or is not yet valid$/],
      [{ allowedCns: ['alice'] }, alice, null],
      [{ allowedCns: ['alice'] }, server, /^client certificate authentication failed$/],
      [{ allowedHostnames: ['bob.example', 'alice.example'] }, alice, null],
      [{ allowedHostnames: ['127.0.0.1'] }, server, null],
      [
        { allowedHostnames: ['alice.example'] },
        server,
        /^client certificate authentication failed$/,
      ],
    ];
    for (const [change, own, refusal] of rows) {
      const { port, errors, close } = await open(change, guard);
      const { outcome } = await dialTls({ port, caFile: ca.caFile, own });
      if (refusal === null) {
        t.equal(outcome, '200', JSON.stringify(change));
        t.same(errors, []);
      } else {
        t.match(outcome, guard === native ? /^alert/ : /^closed/);
        await waitFor('the reason', () => errors.length > 0);
        t.match(errors[0], refusal);
      }
      await close();
    }
  });

  t.test(`a client refuses servers ${how}`, async (t) => {
    const { port, close } = await open({ clientCertAuth: false, trustedCaFile: '' });
    const rows: [Partial<TlsFiles>, string, RegExp | null][] = [
      [{}, '127.0.0.1', null],
      [{}, 'localhost', null],
      [{}, 'elsewhere.example', /not valid for the host|altnames/],
      [{ trustedCaFile: join('other') }, '127.0.0.1', /unknown authority|unable to verify/],
      [{ allowedCns: ['server'] }, '127.0.0.1', null],
      [{ allowedCns: ['alice'] }, '127.0.0.1', /^client certificate authentication failed$/],
      [{ allowedHostnames: ['localhost'] }, '127.0.0.1', null],
      [{ allowedHostnames: ['x'] }, '127.0.0.1', /^client certificate authentication failed$/],
      [{ autoTls: true, trustedCaFile: join('other') }, 'elsewhere.example', null],
    ];
    for (const [change, host, refusal] of rows) {
      const dialler = new TlsDialler({ ...files, ...change }, guard);
      const socket = connectTls({ ...dialler.options(host, ['h2']), host: '127.0.0.1', port });
      // The host that is dialled here is not the one that the certificate must be for.
      const outcome = await within(
        host,
        Promise.race([
          once(socket, 'secureConnect').then(() => null),
          new Promise<Error>((resolve) => socket.once('error', resolve)),
        ]),
      );
      const text = outcome === null ? null : dialler.failureText(outcome as Error);
      if (refusal === null) {
        t.equal(text, null, `${host} ${JSON.stringify(change)}`);
      } else {
        t.match(text, refusal, `${host} ${JSON.stringify(change)}`);
      }
      socket.destroy();
    }
    await close();
  });
}

function join(name: string): string {
  return `${folder}/${name}.pem`;
}
