// The decoder of completion records: every kind, records in one Buffer in order, views without
// copies, and buffers that are not what the addon writes.

import t from 'tap';
import type { CompletionHandler } from '../../../src/storage/completions.js';
import { CompletionDecoder } from '../../../src/storage/completions.js';
import type { CompletionKinds } from '../../../src/storage/native.js';

// Other numbers than the addon's: the decoder must take them from its argument.
const kinds: CompletionKinds = {
  durable: 20,
  applied: 19,
  result: 18,
  control: 17,
  lease: 16,
  leaseCheckpoint: 15,
  watch: 14,
  checkpoint: 13,
  truncated: 12,
  log: 11,
  alarm: 10,
  quotaExceeded: 9,
  fatal: 8,
  held: 7,
  slow: 6,
  demand: 5,
};

/** Keeps every call with its arguments, Buffers as they came. */
function recorder(): { calls: unknown[][]; handler: CompletionHandler } {
  const calls: unknown[][] = [];
  const handler = new Proxy({} as CompletionHandler, {
    get:
      (_target, name) =>
      (...values: unknown[]): void => {
        calls.push([name, ...values]);
      },
  });
  return { calls, handler };
}

function f64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

function i64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function record(kind: number, ...fields: readonly Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from([kind]), ...fields]);
  return Buffer.concat([u32(body.length), body]);
}

t.test('every kind, in order', async (test) => {
  const text = Buffer.from('grüße');
  const records = Buffer.concat([
    record(kinds.durable, f64(2 ** 52)),
    record(kinds.applied, f64(7), f64(8)),
    record(kinds.result, f64(9), Buffer.from([0x34, 0x12]), Buffer.from('reply')),
    record(kinds.result, f64(10), Buffer.from([0, 0])),
    record(kinds.control, f64(11), f64(3), Buffer.from([2]), Buffer.from('request')),
    record(kinds.lease, i64(-(2n ** 63n)), f64(-1)),
    record(kinds.leaseCheckpoint, i64(5n), f64(33)),
    record(kinds.watch, f64(4), Buffer.from('message')),
    record(kinds.checkpoint, f64(12)),
    record(kinds.truncated, f64(13)),
    record(kinds.log, Buffer.from([1]), u32(text.length), text, Buffer.from('{"a":1}')),
    record(kinds.alarm, i64(-1n), u32(1), Buffer.from([1])),
    record(kinds.quotaExceeded),
    record(kinds.held, f64(14)),
    record(
      kinds.slow,
      Buffer.from([1]),
      f64(0.25),
      Buffer.from([7, 0]),
      f64(30),
      f64(-1),
      Buffer.from('request'),
    ),
    record(kinds.demand, Buffer.from([1])),
    record(kinds.demand, Buffer.from([2])),
    record(kinds.demand, Buffer.from([3])),
    record(kinds.fatal, text),
  ]);
  const { calls, handler } = recorder();
  new CompletionDecoder(kinds).decode(records, handler);
  test.strictSame(calls, [
    ['durable', 2 ** 52],
    ['applied', 7, 8],
    ['result', 9, 0x1234, Buffer.from('reply')],
    ['result', 10, 0, Buffer.alloc(0)],
    ['control', 11, 3, 2, Buffer.from('request')],
    ['lease', -(2n ** 63n), -1],
    ['leaseCheckpoint', 5n, 33],
    ['watch', 4, Buffer.from('message')],
    ['checkpoint', 12],
    ['truncated', 13],
    ['log', 1, 'grüße', '{"a":1}'],
    ['alarm', 2n ** 64n - 1n, 1, true],
    ['quotaExceeded'],
    ['held', 14],
    [
      'slow',
      {
        kind: 'range',
        seconds: 0.25,
        code: 7,
        replyBytes: 30,
        rows: -1,
        request: Buffer.from('request'),
      },
    ],
    ['demand', true, false],
    ['demand', false, true],
    ['demand', true, true],
    ['fatal', 'grüße'],
  ]);
});

t.test('byte fields are views', async (test) => {
  const records = record(kinds.watch, f64(1), Buffer.from('abc'));
  const { calls, handler } = recorder();
  new CompletionDecoder(kinds).decode(records, handler);
  records.fill('x', records.length - 3);
  test.equal(String(calls[0]?.[2]), 'xxx');
});

t.test('what the addon would never write is an assertion', async (test) => {
  const decoder = new CompletionDecoder(kinds);
  const { handler } = recorder();
  test.throws(() => decoder.decode(record(99), handler), /unknown kind/);
  const cut = record(kinds.fatal, Buffer.from('text')).subarray(0, -1);
  test.throws(() => decoder.decode(cut, handler), /past its buffer/);
  const log = record(kinds.log, Buffer.from([0]), u32(100), Buffer.from('short'));
  test.throws(() => decoder.decode(log, handler), /longer than the record/);
  decoder.decode(Buffer.alloc(0), handler);
});
