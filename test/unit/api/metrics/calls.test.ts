// Tests of src/api/metrics: what is counted of calls, which labels clients can choose, what is said
// of slow calls, and how a scrape is answered.

import t from 'tap';
import { CallMeters } from '../../../../src/api/metrics/calls.js';
import { acceptsGzip, metricsReply } from '../../../../src/api/metrics/endpoint.js';
import { RequestStats } from '../../../../src/api/metrics/request-stats.js';
import type { CallContext, Handler, ServerStream } from '../../../../src/base/call.js';
import { ErrorTable, MetaStoreError } from '../../../../src/base/errors.js';
import { createLogger } from '../../../../src/base/log/logger.js';
import { Metrics } from '../../../../src/base/metrics/metrics.js';
import { networkMetrics } from '../../../../src/base/metrics/tables/network.js';
import { putRequest, putResponse } from '../../../../src/base/proto/kv-messages.js';

const context: CallContext = {
  metadata: () => undefined,
  peer: '127.0.0.1:7',
  commonName: null,
  signal: new AbortController().signal,
};
const put = { path: '/etcdserverpb.KV/Put', requestStream: false, responseStream: false };
const watch = { path: '/etcdserverpb.Watch/Watch', requestStream: true, responseStream: true };
const lock = { path: '/v3lockpb.Lock/Lock', requestStream: false, responseStream: false };

function made(options: { extensive?: boolean; level?: 'debug' | 'info'; warningMs?: number } = {}) {
  const metrics = new Metrics();
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line), close: () => {} };
  const log = createLogger({ level: options.level ?? 'info', format: 'json', outputs: [] }, sink);
  const stats = new RequestStats(log, options.warningMs ?? 300);
  const extensive = options.extensive ?? false;
  const calls = new CallMeters(metrics, new ErrorTable([]), stats, { extensive });
  return { metrics, calls, lines };
}

async function valuesOf(metrics: Metrics, pattern: RegExp): Promise<string[]> {
  return (await metrics.text())
    .split('\n')
    .filter((line) => pattern.test(line) && !line.endsWith(' 0'));
}

function unaryOf(handler: Handler) {
  if (handler.kind !== 'unary') {
    throw new Error('not unary');
  }
  return handler.handle;
}

t.test('unary calls: begun, ended by status, messages, bytes', async (t) => {
  const { metrics, calls } = made();
  let refuse = false;
  const inner = calls.inside(
    {
      kind: 'unary',
      handle: async () => {
        if (refuse) {
          throw MetaStoreError.of('NotImplemented');
        }
        return Buffer.alloc(20);
      },
    },
    put,
  );
  const handle = unaryOf(calls.outside(inner));
  await handle(context, Buffer.alloc(7));
  refuse = true;
  await t.rejects(handle(context, Buffer.alloc(5)), { code: 'NotImplemented' });
  const labels = 'grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"';
  t.same(await valuesOf(metrics, /^grpc_server/), [
    `grpc_server_handled_total{grpc_code="OK",${labels}} 1`,
    `grpc_server_handled_total{grpc_code="Unimplemented",${labels}} 1`,
    `grpc_server_msg_received_total{${labels}} 2`,
    `grpc_server_msg_sent_total{${labels}} 2`,
    `grpc_server_started_total{${labels}} 2`,
  ]);
  t.equal(metrics.value(networkMetrics.clientReceivedBytes).value, 12);
  t.equal(metrics.value(networkMetrics.clientSentBytes).value, 20);
});

t.test('a handler that throws instead of rejecting is counted, too', async (t) => {
  const { metrics, calls } = made();
  const handle = unaryOf(
    calls.inside(
      {
        kind: 'unary',
        handle: () => {
          throw new Error('at once');
        },
      },
      put,
    ),
  );
  await t.rejects(handle(context, Buffer.alloc(1)), /at once/);
  t.match(await valuesOf(metrics, /^grpc.*handled/), [/grpc_code="Unknown".* 1$/]);
});

t.test(
  'every method is there from the start, Lock and Election after their first call',
  async (t) => {
    const { metrics, calls } = made();
    const handler: Handler = { kind: 'unary', handle: async () => Buffer.alloc(0) };
    calls.inside(handler, put);
    const locked = unaryOf(calls.inside(handler, lock));
    const count = async () => (await metrics.text()).match(/^grpc_server_handled_total/gm)?.length;
    t.equal(await count(), 17);
    await locked(context, Buffer.alloc(0));
    t.equal(await count(), 34);
  },
);

t.test('the time of calls only when it is asked for', async (t) => {
  for (const extensive of [false, true]) {
    const { metrics, calls } = made({ extensive });
    calls.inside({ kind: 'unary', handle: async () => Buffer.alloc(0) }, put);
    t.equal(/handling_seconds/.test(await metrics.text()), extensive);
  }
});

t.test('streams: each message, the end, and failures but for clients that go', async (t) => {
  const { metrics, calls } = made();
  const arriving = [Buffer.alloc(3), Buffer.alloc(4), null];
  const sent: number[] = [];
  const stream: ServerStream = {
    receive: async () => arriving.shift() ?? null,
    send: (message, taken) => {
      sent.push(message.length);
      taken?.();
    },
  };
  let failing: MetaStoreError | null = null;
  const handler = calls.outside(
    calls.inside(
      {
        kind: 'stream',
        handle: async (_context, call) => {
          for (let message = await call.receive(); message !== null; ) {
            call.send(Buffer.alloc(message.length * 2));
            message = await call.receive();
          }
          if (failing !== null) {
            throw failing;
          }
        },
      },
      watch,
    ),
  );
  if (handler.kind !== 'stream') {
    throw new Error('not a stream');
  }
  await handler.handle(context, stream);
  t.same(sent, [6, 8]);
  failing = MetaStoreError.of('NotImplemented');
  await t.rejects(handler.handle(context, stream));
  const labels = 'grpc_method="Watch",grpc_service="etcdserverpb.Watch",grpc_type="bidi_stream"';
  t.same(await valuesOf(metrics, /^grpc_server_(handled|started|msg_sent)/), [
    `grpc_server_handled_total{grpc_code="OK",${labels}} 1`,
    `grpc_server_handled_total{grpc_code="Unimplemented",${labels}} 1`,
    `grpc_server_msg_sent_total{${labels}} 2`,
    `grpc_server_started_total{${labels}} 2`,
  ]);
  t.equal(metrics.value(networkMetrics.clientReceivedBytes).value, 7);
  t.equal(metrics.value(networkMetrics.clientSentBytes).value, 14);
  const broken = { ...stream, receive: () => Promise.reject(MetaStoreError.of('MessageTooLarge')) };
  await t.rejects(handler.handle(context, broken));
  const gone = { ...stream, receive: () => Promise.reject(MetaStoreError.of('ContextCanceled')) };
  await t.rejects(handler.handle(context, gone));
  t.same(await valuesOf(metrics, /^etcd_network_server_stream_failures_total/), [
    'etcd_network_server_stream_failures_total{API="watch",Type="receive"} 1',
  ]);
});

t.test('calls by API version, of which there may be only so many', async (t) => {
  const { metrics, calls } = made();
  calls.counted('unary', '3.7');
  calls.counted('unary', '3.7');
  calls.counted('stream', undefined);
  calls.counted('unary', 'v'.repeat(100));
  for (let i = 0; i < 1000; i++) {
    calls.counted('stream', `hostile-${i}`);
  }
  const lines = await valuesOf(metrics, /^etcd_server_client_requests_total/);
  t.ok(
    lines.includes('etcd_server_client_requests_total{client_api_version="3.7",type="unary"} 2'),
  );
  t.ok(
    lines.includes(
      'etcd_server_client_requests_total{client_api_version="unknown",type="stream"} 1',
    ),
  );
  t.ok(
    lines.includes('etcd_server_client_requests_total{client_api_version="other",type="unary"} 1'),
  );
  t.ok(lines.length < 210, 'a client cannot fill the memory');
  const total = lines.map((line) => Number(line.split(' ')[1])).reduce((a, b) => a + b);
  t.equal(total, 1004, 'and none is lost');
});

t.test('slow calls are warned of, without the values', async (t) => {
  const { calls, lines } = made({ warningMs: -1 });
  const request = putRequest.encode({
    key: Buffer.from('k"\u00e9'),
    value: Buffer.from('secret'),
    lease: 9n,
  });
  const reply = putResponse.encode({ header: null });
  const handle = unaryOf(calls.inside({ kind: 'unary', handle: async () => reply }, put));
  await handle(context, request);
  t.equal(lines.length, 1);
  const line = JSON.parse(lines[0] as string) as Record<string, unknown>;
  t.match(line, {
    level: 'warn',
    msg: 'request stats',
    'start time': /^\d{4}-.*T/,
    'time spent': /s$/,
    remote: '127.0.0.1:7',
    'response type': '/etcdserverpb.KV/Put',
    'request count': 1,
    'request size': request.length,
    'response count': 0,
    'response size': reply.length,
    'request content': 'key:"k\\"\\303\\251" value_size:6 lease:9 ',
  });
  t.notMatch(lines[0], /secret/);
  const other = unaryOf(calls.inside({ kind: 'unary', handle: async () => reply }, lock));
  await other(context, Buffer.alloc(0));
  t.match(JSON.parse(lines[1] as string), {
    'request count': -1,
    'request size': -1,
    'response count': -1,
    'response size': -1,
    'request content': '',
  });
  const txn = { path: '/etcdserverpb.KV/Txn', requestStream: false, responseStream: false };
  const large = unaryOf(calls.inside({ kind: 'unary', handle: async () => reply }, txn));
  await large(context, Buffer.alloc(70_000));
  t.match(JSON.parse(lines[2] as string), {
    'request size': 70_000,
    'request content': 'a transaction of 70000 bytes',
  });
});

t.test('quick calls are told of at debug level only', async (t) => {
  for (const level of ['info', 'debug'] as const) {
    const { calls, lines } = made({ level });
    const handle = unaryOf(
      calls.inside({ kind: 'unary', handle: async () => Buffer.alloc(0) }, put),
    );
    await handle(context, Buffer.from([0xff])); // no message at all
    t.equal(lines.length, level === 'debug' ? 1 : 0);
    t.match(
      lines.join(''),
      level === 'debug' ? /"level":"debug".*"request content":"1 bytes"/ : '',
    );
  }
});

t.test('a scrape, compressed when the client takes that', async (t) => {
  t.ok(acceptsGzip('gzip, deflate'));
  t.ok(acceptsGzip('br;q=1.0, GZIP;q=0.5'));
  t.notOk(acceptsGzip('gzip;q=0, identity'));
  t.notOk(acceptsGzip('deflate'));
  t.notOk(acceptsGzip(undefined));
  const { metrics } = made();
  const plain = await metricsReply(metrics, undefined);
  t.equal(
    plain.headers['content-type'],
    'text/plain; version=0.0.4; charset=utf-8; escaping=underscores',
  );
  t.match(plain.body, /etcd_server_has_leader 0\n/);
  t.match(plain.body, /promhttp_metric_handler_requests_in_flight 1\n/);
  const { gunzipSync } = await import('node:zlib');
  const packed = await metricsReply(metrics, 'gzip');
  t.equal(packed.headers['content-encoding'], 'gzip');
  const text = gunzipSync(packed.body as never).toString();
  t.match(text, /promhttp_metric_handler_requests_total\{code="200"\} 1\n/);
});
