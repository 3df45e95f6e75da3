// Limits of what is under way: connections that share a number, requests in flight, memory. What is
// past a limit gets a named error, and nothing else changes.

import t from 'tap';

import type { CallContext, Handler, HandlerTable } from '../../../src/base/call.js';
import { bounded, ConnectionLimit } from '../../../src/transport/limits.js';

const context = {} as CallContext;
const nothing = Buffer.alloc(0);
const none = Number.POSITIVE_INFINITY;

t.test('connections', (t) => {
  const limit = new ConnectionLimit(2);
  t.ok(limit.take());
  t.ok(limit.take());
  t.notOk(limit.take());
  t.equal(limit.open, 2);
  limit.give();
  t.ok(limit.take());
  t.notOk(limit.take());
  t.end();
});

t.test('requests in flight', async (t) => {
  const waiting: ((error?: Error) => void)[] = [];
  const handle = () =>
    new Promise<Buffer>((resolve, reject) => {
      waiting.push((error) => (error === undefined ? resolve(nothing) : reject(error)));
    });
  const table: HandlerTable = new Map<string, Handler>([
    ['/a', { kind: 'unary', handle }],
    ['/s', { kind: 'stream', handle: async () => undefined }],
  ]);
  t.equal(bounded(table, { maxRequests: none, maxMemoryBytes: none }), table, 'no limits, no cost');
  const limited = bounded(table, { maxRequests: 2, maxMemoryBytes: none });
  const call = (): Promise<Buffer> => {
    const handler = limited.get('/a');
    if (handler?.kind !== 'unary') throw new Error('not unary');
    return handler.handle(context, nothing);
  };
  const first = call();
  const second = call();
  await t.rejects(call(), { code: 'OverLimit' });
  t.equal(limited.get('/s'), table.get('/s'), 'streams are not requests');
  waiting[0]?.();
  await first;
  const third = call();
  await t.rejects(call(), { code: 'OverLimit' });
  waiting[1]?.(new Error('failed'));
  await t.rejects(second, { message: 'failed' });
  const fourth = call();
  waiting[2]?.();
  waiting[3]?.();
  await Promise.all([third, fourth]);
});

t.test('memory', async (t) => {
  const table: HandlerTable = new Map(
    ['KV/Put', 'KV/Range', 'KV/Txn', 'KV/DeleteRange', 'Lease/LeaseGrant'].map((name) => [
      `/etcdserverpb.${name}`,
      { kind: 'unary' as const, handle: async () => nothing },
    ]),
  );
  const outcomes = async (maxMemoryBytes: number) => {
    const limited = bounded(table, { maxRequests: none, maxMemoryBytes });
    const all: Record<string, string> = {};
    for (const [path, handler] of limited) {
      if (handler.kind !== 'unary') continue;
      const name = path.split('/')[2] ?? '';
      all[name] = await handler.handle(context, nothing).then(
        () => 'served',
        (error: { code: string }) => error.code,
      );
    }
    return all;
  };
  t.strictSame(await outcomes(1), {
    Put: 'OverLimit',
    Range: 'served',
    Txn: 'OverLimit',
    DeleteRange: 'served',
    LeaseGrant: 'OverLimit',
  });
  t.strictSame(new Set(Object.values(await outcomes(2 ** 50))), new Set(['served']));
});
