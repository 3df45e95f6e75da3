// What else answers beside the gateway: version, health, probes, debugging; and what the lists of
// origins and of host names and the switch of the gateway change.

import type { Case } from '../exchange.js';

const get = (path: string, headers: Record<string, string> = {}): Case => ({
  path,
  method: 'GET',
  headers,
  name: JSON.stringify(headers),
});

const readable = ['/version', '/health', '/livez', '/readyz', '/livez/serializable_read'];

export const endpointCases: readonly Case[] = [
  ...readable.flatMap((path): Case[] =>
    ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].map((method) => ({
      path,
      method,
    })),
  ),
  ...['data_corruption', 'serializable_read', 'linearizable_read', 'non_learner', 'nosuch', ''].map(
    (name) => get(`/readyz/${name}`),
  ),
  get('/readyz/non_learner?verbose'),
  get('/readyz/non_learner/x'),
  get('/livez/linearizable_read'),
  get('/livez?verbose'),
  get('/livez?verbose=false'),
  get('/livez?exclude=serializable_read&verbose'),
  get('/livez?exclude=&verbose'),
  get('/livez?exclude=nosuch'),
  { ...get('/readyz?verbose'), unordered: true },
  { ...get('/readyz?verbose&exclude=non_learner&exclude=linearizable_read'), unordered: true },
  { ...get('/readyz?verbose&exclude=nosuch'), unordered: true },
  get('/health?serializable=true'),
  get('/health?serializable=false'),
  get('/health?serializable=1'),
  get('/health?exclude=NOSUCH'),
  { path: '/readyz', method: 'HEAD' },
  { path: '/debug/vars', method: 'POST' },
  { path: '/debug/vars', method: 'OPTIONS' },
  { path: '/debug/vars', method: 'GET', statusOnly: true },
  get('/debug/pprof'),
  get('/debug/pprof/'),
  get('/debug/pprof/profile'),
  get('/debug/pprof/cmdline'),
  get('/debug/requests'),
  get('/debug/events'),
  get('/version', { Origin: 'http://any.example' }),
  get('/version', { Host: 'any.example' }),
];

const origins = ['http://ok.example:80', 'https://two.example:443', 'http://ok.example', '*', ''];

/** With --cors=http://ok.example:80,https://two.example:443 */
export const corsCases: readonly Case[] = [
  ...origins.flatMap((Origin): Case[] => [
    get('/version', { Origin }),
    { ...get('/version', { Origin }), method: 'OPTIONS' },
    { path: '/v3/kv/range', body: '{}', headers: { Origin }, name: Origin },
    { ...get('/nosuch', { Origin }) },
  ]),
  get('/version'),
  { path: '/version', method: 'OPTIONS' },
];

const hosts = [
  'good.example',
  'good.example:2379',
  'GOOD.example',
  'bad.example',
  'bad.example:1',
  'localhost',
  '127.0.0.1',
  '127.0.0.1:99',
  '[::1]',
  '[::1]:2379',
  'good.example.',
];

/** With --host-whitelist=good.example,127.0.0.1 */
export const hostCases: readonly Case[] = [
  ...hosts.flatMap((Host): Case[] => [
    { ...get('/version', { Host }), statusOnly: true },
    { ...get('/version', { Host }), method: 'OPTIONS', statusOnly: true },
    { path: '/v3/nosuch', body: '{}', headers: { Host }, name: Host, statusOnly: true },
  ]),
  {
    path: '/v3/watch',
    messages: ['{"create_request":{"key":"Zm9v"}}'],
    lines: 1,
    headers: { Host: 'bad.example' },
    name: 'by a bad host',
  },
  {
    path: '/v3/watch',
    messages: ['{"create_request":{"key":"Zm9v"}}'],
    lines: 1,
    headers: { Host: 'good.example' },
    name: 'by a good host',
  },
];

/** With --enable-grpc-gateway=false */
export const disabledCases: readonly Case[] = [
  { path: '/v3/kv/range', body: '{"key":"AA=="}' },
  { path: '/v3beta/kv/range', body: '{}' },
  { path: '/v3/', body: '{}' },
  { path: '/v3', method: 'GET' },
  { path: '/kv/foo', method: 'GET' },
  { path: '/v3/watch', messages: ['{}'], name: 'as a WebSocket' },
  get('/version'),
  get('/health'),
];
