// How large requests may be: the sizes that count are those of the message, not of the JSON text
// that it comes in. Called by gateway.test.ts.

import type { Case } from '../exchange.js';

const zeros = (bytes: number) => Buffer.alloc(bytes).toString('base64');

const put = (bytes: number): Case => ({
  name: `a value of ${bytes} bytes`,
  path: '/v3/kv/put',
  body: `{"key":"Ymln","value":"${zeros(bytes)}"}`,
});

export const limitCases: readonly Case[] = [
  put(1_000_000),
  put(1_572_000),
  put(1_572_864),
  put(2_000_000),
  put(2_097_130),
  put(2_097_152),
  put(3_000_000),
  put(5_000_000),
  {
    name: 'much that nobody knows',
    path: '/v3/kv/range',
    body: `{"unknown":"${'x'.repeat(3_000_000)}","key":"bm8="}`,
  },
  {
    name: 'blanks before the message',
    path: '/v3/kv/range',
    body: `${' '.repeat(2_500_000)}{"key":"bm8="}`,
  },
  {
    name: 'a large message on a stream',
    path: '/v3/watch',
    body: `{"create_request":{"key":"${zeros(2_500_000)}"}}`,
    lines: 1,
  },
  {
    name: 'a large message over WebSocket',
    path: '/v3/watch',
    messages: [`{"create_request":{"key":"${zeros(2_500_000)}"}}`],
  },
  {
    name: 'the value that went in',
    path: '/v3/kv/range',
    body: '{"key":"Ymln"}',
  },
];
