// Traces of calls as a collector gets them: names, attributes, whose child a span is, which calls
// are sampled, and that neither a collector that is away nor tracing that is off matters.

import grpc from '@grpc/grpc-js';
import t, { type Test } from 'tap';

import { type Call, calls, type Message } from '../../conformance/support/calls.js';
import { type CollectedSpan, OtlpCollector } from '../../support/etcd/otlp-collector.js';
import { freePorts } from '../../support/ports.js';
import { MemberProcess } from '../../support/process.js';
import { waitFor } from '../../support/wait.js';

const CALLER = '0af7651916cd43dd8448eb211c80319c';
const CALLER_SPAN = 'b7ad6b7169203331';

async function start(t: Test, address: string, flags: readonly string[]): Promise<MemberProcess> {
  const member = await MemberProcess.start({
    engine: 'memory',
    flags: ['--enable-distributed-tracing', `--distributed-tracing-address=${address}`, ...flags],
  });
  t.teardown(() => member.process.alive && member.kill());
  return member;
}

class Caller {
  readonly #client: grpc.Client;
  readonly #metadata = new grpc.Metadata();

  constructor(endpoint: string) {
    this.#client = new grpc.Client(endpoint, grpc.credentials.createInsecure());
  }

  parent(text: string): void {
    this.#metadata.set('traceparent', text);
  }

  ask(call: Call, request: Message): Promise<number> {
    const asIs = (bytes: Buffer) => bytes;
    return new Promise((resolve) => {
      const bytes = call.encode(request);
      this.#client.makeUnaryRequest(call.path, asIs, asIs, bytes, this.#metadata, (error) =>
        resolve(error?.code ?? 0),
      );
    });
  }

  async watch(): Promise<void> {
    const asIs = (bytes: Buffer) => bytes;
    const stream = this.#client.makeBidiStreamRequest(calls.watch.path, asIs, asIs, this.#metadata);
    await new Promise<void>((resolve) => {
      stream.on('error', () => resolve());
      stream.once('data', () => stream.cancel());
      stream.write(calls.watch.encode({ create_request: { key: Buffer.from('a') } }));
    });
  }

  close(): void {
    this.#client.close();
  }
}

const named = (spans: readonly CollectedSpan[], name: string) =>
  spans.filter((span) => span.name === name);

t.test('every call has a span under its caller, and one of its work', async (t) => {
  const collector = await OtlpCollector.start();
  t.teardown(() => collector.stop());
  const member = await start(t, `127.0.0.1:${collector.port}`, [
    '--distributed-tracing-sampling-rate=1000000',
    '--distributed-tracing-service-name=store',
    '--distributed-tracing-instance-id=one',
  ]);
  const caller = new Caller(member.endpoint);
  t.teardown(() => caller.close());
  caller.parent(`00-${CALLER}-${CALLER_SPAN}-01`);
  const key = Buffer.from('a');
  t.equal(await caller.ask(calls.put, { key, value: key }), 0);
  await caller.ask(calls.range, { key, limit: 3n });
  await caller.ask(calls.deleteRange, { key, range_end: Buffer.from('b') });
  const success = [{ request_put: { key, value: key } }];
  await caller.ask(calls.txn, { compare: [{ key, target: 1, create_revision: 0n }], success });
  t.equal(await caller.ask(calls.compact, { revision: 99n }), 11);
  await caller.ask(calls.leaseGrant, { ID: 5n, TTL: 60n });
  await caller.ask(calls.status, {});
  await caller.watch();
  // The client does not wait until the server has heard that it gave the watch up.
  await waitFor('the end of the watch', async () => {
    const metrics = await (await fetch(`http://${member.endpoint}/metrics`)).text();
    return /^grpc_server_handled_total\{[^}]*"Watch"[^}]*\} 1$/m.test(metrics);
  });
  caller.parent('nonsense');
  await caller.ask(calls.hashKv, {});
  // A stop sends what is left.
  await member.stop();

  const { spans } = collector;
  const [put] = named(spans, 'etcdserverpb.KV/Put');
  t.match(put, {
    kind: 2,
    traceId: CALLER,
    parentSpanId: CALLER_SPAN,
    attributes: {
      'rpc.method': 'etcdserverpb.KV/Put',
      'rpc.system.name': 'grpc',
      'server.address': '127.0.0.1',
      'server.port': member.clientPort,
      'rpc.response.status_code': 'OK',
    },
    resource: { 'service.name': 'store', 'service.instance.id': 'one' },
  });
  t.match(named(spans, 'put'), [{ kind: 1, traceId: CALLER, attributes: { key: 'a' } }]);
  t.not(named(spans, 'put')[0]?.parentSpanId, CALLER_SPAN, 'a child of the call');
  t.match(named(spans, 'range'), [{ attributes: { range_begin: 'a', range_end: '', limit: 3 } }]);
  t.match(named(spans, 'delete_range'), [{ attributes: { range_begin: 'a', range_end: 'b' } }]);
  t.match(named(spans, 'txn'), [
    {
      attributes: {
        compare_first_key: 'a',
        success_first_key: 'a',
        success_first_type: 'put',
        success_first_lease: 0,
        compare_len: 1,
        success_len: 1,
        failure_len: 0,
        read_only: false,
      },
    },
  ]);
  t.match(named(spans, 'compact'), [{ attributes: { rev: 99, is_physical: false } }]);
  t.match(named(spans, 'lease_grant'), [{ attributes: { id: 5, ttl: 60 } }]);
  t.match(named(spans, 'etcdserverpb.KV/Compact'), [
    { attributes: { 'rpc.response.status_code': 'OUT_OF_RANGE' }, statusCode: 0 },
  ]);
  t.match(named(spans, 'etcdserverpb.Watch/Watch'), [
    { attributes: { 'rpc.response.status_code': 'CANCELLED' } },
  ]);
  const [hash] = named(spans, 'etcdserverpb.Maintenance/HashKV');
  t.equal(hash?.parentSpanId, '', 'a caller that names no span has none');
  t.not(hash?.traceId, CALLER);
});

t.test('the rate counts where callers do not say', async (t) => {
  const collector = await OtlpCollector.start();
  t.teardown(() => collector.stop());
  const member = await start(t, `127.0.0.1:${collector.port}`, []);
  const caller = new Caller(member.endpoint);
  t.teardown(() => caller.close());
  const key = Buffer.from('a');
  await caller.ask(calls.put, { key, value: key });
  caller.parent(`00-${CALLER}-${CALLER_SPAN}-00`);
  await caller.ask(calls.put, { key, value: key });
  caller.parent(`00-${CALLER}-${CALLER_SPAN}-01`);
  await caller.ask(calls.range, { key });
  await member.stop();
  const names = collector.spans.map(({ name }) => name).sort();
  t.same(names, ['etcdserverpb.KV/Range', 'range'], 'the caller wants this one');
});

t.test('a collector that is away costs spans and nothing else', async (t) => {
  const [port = 0] = await freePorts(1);
  const member = await start(t, `127.0.0.1:${port}`, [
    '--distributed-tracing-sampling-rate=1000000',
  ]);
  const caller = new Caller(member.endpoint);
  t.teardown(() => caller.close());
  const key = Buffer.from('a');
  for (let i = 0; i < 20; i++) {
    t.equal(await caller.ask(calls.put, { key, value: key }), 0);
  }
  const before = performance.now();
  await member.stop();
  t.ok(performance.now() - before < 3000, 'a stop does not wait for it');
  const grave = member.process.logLines().filter(({ level }) => level === 'error');
  t.same(grave, []);
});
