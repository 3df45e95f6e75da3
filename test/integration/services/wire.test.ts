// gRPC as it goes over the wire, seen with a plain HTTP/2 client against a real process: deadlines,
// statuses, compression, and the cases that docs/transport/grpc-js.md lists, so that the list
// stays true.

import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';
import { gzipSync } from 'node:zlib';
import t from 'tap';

import { clientTransport, MemberProcess } from '../../support/process.js';
import { within } from '../../support/wait.js';

interface Answer {
  readonly headers: IncomingHttpHeaders;
  /** Trailers, or the headers themselves when there was nothing but them. */
  readonly status: string | undefined;
  readonly message: string;
  readonly body: Buffer;
}

function frame(message: Buffer, compressed = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = compressed;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message] as unknown as Uint8Array[]);
}

function call(
  session: ClientHttp2Session,
  path: string,
  body: Buffer | null,
  extra: Record<string, string> = {},
): Promise<Answer> {
  const answer = new Promise<Answer>((resolve, reject) => {
    const request = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...extra,
    });
    let headers: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    const chunks: Buffer[] = [];
    request.on('response', (got) => {
      headers = got;
    });
    request.on('trailers', (got) => {
      trailers = got;
    });
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('error', reject);
    request.on('end', () => {
      const last = { ...headers, ...trailers };
      resolve({
        headers,
        status: last['grpc-status'] as string | undefined,
        message: decodeURIComponent(String(last['grpc-message'] ?? '')),
        body: Buffer.concat(chunks as unknown as Uint8Array[]),
      });
    });
    if (body === null) {
      request.end();
    } else if (path.endsWith('/Watch')) {
      request.write(body);
    } else {
      request.end(body);
    }
  });
  return within(path, answer);
}

const put = Buffer.from('0a016b120176', 'hex');

t.test('calls over plain HTTP/2', async (t) => {
  const member = await MemberProcess.start({ engine: 'memory' });
  const session = connect(`http://${member.endpoint}`);
  t.teardown(async () => {
    session.destroy();
    await member.stop();
  });
  const kv = (method: string) => `/etcdserverpb.KV/${method}`;

  t.test('a call that succeeds', async (t) => {
    const answer = await call(session, kv('Put'), frame(put));
    t.equal(answer.headers[':status'], 200);
    t.equal(answer.status, '0');
    t.equal(answer.body[0], 0, 'not compressed');
    t.equal(answer.body.readUInt32BE(1), answer.body.length - 5);
  });

  t.test('errors come as trailers only', async (t) => {
    const answer = await call(session, kv('Put'), frame(Buffer.alloc(0)));
    t.equal(answer.headers[':status'], 200);
    t.equal(answer.status, '3');
    t.equal(answer.message, 'etcdserver: key is not provided');
    t.equal(answer.body.length, 0);
    t.equal(answer.headers['grpc-status-details-bin'], undefined);
  });

  t.test('a deadline that passes has the documented text', async (t) => {
    const watch = await call(session, '/etcdserverpb.Watch/Watch', frame(Buffer.alloc(0)), {
      'grpc-timeout': '150m',
    });
    t.equal(watch.status, '4');
    t.equal(watch.message, 'context deadline exceeded');
  });

  t.test('paths that are no methods', async (t) => {
    const malformed = await call(session, '/nopath', frame(put));
    t.same([malformed.status, malformed.message], ['12', 'malformed method name: "/nopath"']);
    const service = await call(session, '/no.Such/Method', frame(put));
    t.same([service.status, service.message], ['12', 'unknown service no.Such']);
  });

  t.test('requests compressed with gzip are taken', async (t) => {
    const body = frame(gzipSync(put as unknown as Uint8Array), 1);
    const answer = await call(session, kv('Put'), body, { 'grpc-encoding': 'gzip' });
    t.equal(answer.status, '0');
    const broken = await call(session, kv('Put'), frame(put, 1), { 'grpc-encoding': 'gzip' });
    t.not(broken.status, '0');
  });

  t.test('cases that grpc-js answers in its own way', async (t) => {
    const isNative = clientTransport === 'native';
    const type = await call(session, kv('Put'), frame(put), { 'content-type': 'text/plain' });
    t.equal(type.headers[':status'], 415);
    const timeout = await call(session, kv('Put'), frame(put), { 'grpc-timeout': '5xx' });
    t.equal(timeout.status, '13');
    const empty = await call(session, kv('Put'), null);
    t.not(empty.status, '0');
    const cut = await call(session, kv('Put'), Buffer.from([0, 0, 0, 0, 9, 1]));
    t.not(cut.status, '0');
    const zstd = await call(session, kv('Put'), frame(put, 1), { 'grpc-encoding': 'zstd' });
    t.equal(zstd.status, '12');
    if (isNative) {
      const texts = [type, timeout, empty, cut, zstd].map(({ status, message }) => [
        status,
        message,
      ]);
      t.same(texts, [
        ['3', 'invalid gRPC request content-type "text/plain"'],
        ['13', 'malformed grpc-timeout: transport: timeout unit is not recognized: "5xx"'],
        ['2', 'EOF'],
        ['2', 'unexpected EOF'],
        ['12', 'grpc: Decompressor is not installed for grpc-encoding "zstd"'],
      ]);
      t.equal(timeout.headers[':status'], 400);
    }
  });

  t.test('the server is well after all of it', async (t) => {
    const answer = await call(session, kv('Range'), frame(Buffer.from('0a016b', 'hex')));
    t.equal(answer.status, '0');
    t.ok(member.process.alive);
  });
});
