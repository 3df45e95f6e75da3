// Streams over HTTP bodies and over WebSocket: several requests in a body, bodies in pieces, what
// is no JSON in the middle, errors before and after the first line.

import type { Case } from '../exchange.js';

const base64 = (text: string) => Buffer.from(text).toString('base64');

const foo = base64('foo');
const create = (more: object = {}) => JSON.stringify({ create_request: { key: foo, ...more } });
const watch = (body: Case['body'], lines: number, more: Partial<Case> = {}): Case => ({
  path: '/v3/watch',
  lines,
  ...(body === undefined ? {} : { body }),
  ...more,
});
const keepAlive = (body: Case['body'], more: Partial<Case> = {}): Case => ({
  path: '/v3/lease/keepalive',
  ...(body === undefined ? {} : { body }),
  ...more,
});

/** What is stored before any of the streams; they change nothing of it. */
export const streamHistory: readonly Case[] = [
  { path: '/v3/kv/put', body: `{"key":"${foo}","value":"MQ=="}` },
  { path: '/v3/kv/put', body: `{"key":"${foo}","value":"Mg=="}` },
  { path: '/v3/kv/deleterange', body: `{"key":"${foo}"}` },
  { path: '/v3/kv/put', body: `{"key":"${foo}","value":"Mw=="}` },
  { path: '/v3/kv/compaction', body: '{"revision":3}' },
  { path: '/v3/lease/grant', body: '{"TTL":100,"ID":5}' },
];

const watches: readonly Case[] = [
  watch(create(), 1),
  watch(create({ start_revision: 3 }), 2),
  watch(create({ start_revision: '3', prev_kv: true }), 2),
  watch(create({ start_revision: 3, filters: ['NOPUT'] }), 2),
  watch(create({ start_revision: 3, filters: [1, 'NOSUCH'] }), 2),
  watch(create({ start_revision: 1 }), 2),
  watch(create({ start_revision: -1 }), 1),
  watch(create({ range_end: base64('foo'), watch_id: 7 }), 1),
  watch(`${create({ watch_id: 7 })}${create({ watch_id: 7 })}`, 2),
  watch(`${create()}\n\n ${create({ watch_id: 9 })}`, 2),
  watch(`${create()}{"cancel_request":{"watch_id":"0"}}`, 2),
  watch(`${create()}{"cancel_request":{"watch_id":"55"}}{"progress_request":{}}`, 2, {
    unordered: true,
  }),
  watch('{"progress_request":{}}', 0, { name: 'progress with no watcher' }),
  watch(create().slice(0, 20), 0),
  watch('', 0, { name: 'empty body' }),
  watch('{}', 0),
  watch('{"create_request":null}', 0),
  watch('{"create_request":5}', 0),
  watch('not JSON', 0),
  watch('5', 0),
  watch(`${create()} not JSON ${create()}`, 1),
  watch(`${create()}{"create_request":5}${create()}`, 1),
  watch('{"create_request":{"key":"Zm9v"},"cancel_request":{}}', 0),
  watch([create().slice(0, 12), create().slice(12), create({ watch_id: 3 })], 2),
  watch([...create()], 1, { name: 'one byte after the other' }),
  // Long enough for the first line on every machine.
  watch(create(), 2, { headers: { 'Grpc-Timeout': '3S' }, name: 'a time limit' }),
  watch('', 1, { headers: { 'Grpc-Timeout': '300m' }, name: 'a time limit and nothing asked' }),
  watch(create(), 1, { headers: { 'Grpc-Timeout': '-1S' }, name: 'no time left' }),
  watch(create(), 1, { headers: { 'Grpc-Metadata-hasleader': 'true' }, name: 'needs a leader' }),
];

const keepAlives: readonly Case[] = [
  keepAlive('{"ID":5}'),
  keepAlive('{"ID":"5"}{"ID":6}\n{"ID":7}'),
  keepAlive('{"ID":5} {}'),
  keepAlive(''),
  keepAlive('   '),
  keepAlive('{'),
  keepAlive('nonsense'),
  keepAlive('{"ID":5}{"ID":"x"}{"ID":5}'),
  keepAlive('{"ID":5}x{"ID":5}'),
  keepAlive('{"ID":5}['),
  keepAlive('[{"ID":5}]'),
  keepAlive('null'),
  keepAlive('{"ID":5}', { headers: { 'Grpc-Timeout': '-1S' }, name: 'no time left' }),
  keepAlive(['{"ID"', ':5}', '{"ID":5', '}']),
];

const others: readonly Case[] = [
  { path: '/v3/election/observe', body: '{' },
  { path: '/v3/election/observe', body: '[]' },
  { path: '/v3/election/observe', body: `{"name":"${base64('vote')}"}`, lines: 0 },
  { path: '/v3/maintenance/snapshot', body: '{' },
  { path: '/v3/maintenance/snapshot', body: '{}', statusOnly: true },
];

const overWebSocket: readonly Case[] = [
  { path: '/v3/watch', messages: [create()], lines: 1 },
  { path: '/v3/watch', messages: [create({ start_revision: 3 })], lines: 2 },
  { path: '/v3/watch', messages: [create(), '{"progress_request":{}}'], lines: 2 },
  { path: '/v3/watch', messages: [create().slice(0, 20), create().slice(20)], lines: 0 },
  { path: '/v3/watch', messages: [`${create()}${create({ watch_id: 4 })}`], lines: 2 },
  { path: '/v3/watch', messages: [create({ start_revision: 1 })], lines: 2 },
  { path: '/v3/watch?method=GET', messages: [create()], lines: 1 },
  { path: '/v3beta/watch', messages: [create()], lines: 1 },
  { path: '/v3/watch', messages: [create()], protocols: ['Bearer', 'abc'], lines: 1 },
  { path: '/v3/watch', messages: [create()], protocols: ['other'], name: 'a protocol' },
  {
    path: '/v3/watch',
    messages: [create()],
    headers: { Cookie: 'a=b; token=abc', 'Grpc-Timeout': 'zz' },
    lines: 1,
    name: 'a cookie',
  },
  { path: '/v3/lease/keepalive', messages: ['{"ID":5}', '{"ID":6}'], lines: 2 },
  { path: '/v3/lease/keepalive', messages: ['{"ID":5}', '{"ID":"x"}'] },
  { path: '/v3/lease/keepalive', messages: ['nonsense'] },
  { path: '/v3/nosuch', messages: ['{}'] },
  { path: '/health', messages: ['{}'], name: 'no WebSocket there' },
  { path: '/nosuch', messages: ['{}'] },
];

export const streamCases: readonly Case[] = [
  ...watches,
  ...keepAlives,
  ...others,
  ...overWebSocket,
];
