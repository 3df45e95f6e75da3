// Authentication through the gateway: users and roles, tokens in all places where they may stand,
// refusals with their statuses and headers.

import type { Case } from '../exchange.js';

const base64 = (text: string) => Buffer.from(text).toString('base64');

const call = (path: string, body: object = {}, token?: string, more: Partial<Case> = {}): Case => ({
  path: `/v3/${path}`,
  body: JSON.stringify(body),
  ...(token === undefined ? {} : { headers: { Authorization: token } }),
  name: `${JSON.stringify(body)} ${token ?? ''}`,
  ...more,
});

const login = (name: string, password: string, as: string): Case =>
  call('auth/authenticate', { name, password }, undefined, {
    capture: { [as]: /"token":"([^"]*)"/ },
  });

const range = (token?: string, more: Partial<Case> = {}) =>
  call('kv/range', { key: base64('a/1') }, token, more);
const root = '${root}';
const user = '${user}';

const preparation: readonly Case[] = [
  call('auth/status'),
  call('auth/authenticate', { name: 'root', password: 'x' }),
  call('auth/enable'),
  call('auth/user/add', { name: 'root', password: 'root' }),
  call('auth/user/add', { name: 'root', password: 'root' }),
  call('auth/user/add', {}),
  call('auth/user/add', { name: 'none', options: { no_password: true } }),
  call('auth/user/add', { name: 'alice', password: 'secret' }),
  call('auth/enable'),
  call('auth/role/add', { name: 'root' }),
  call('auth/role/add', { name: 'reader' }),
  call('auth/role/add', { name: 'reader' }),
  call('auth/role/add', {}),
  call('auth/role/grant', { name: 'reader', perm: { key: base64('a/'), range_end: base64('a0') } }),
  call('auth/role/grant', {
    name: 'reader',
    perm: { permType: 'READWRITE', key: base64('b') },
  }),
  call('auth/role/grant', { name: 'reader' }),
  call('auth/role/grant', { name: 'nosuch', perm: { key: base64('a') } }),
  call('auth/role/get', { role: 'reader' }),
  call('auth/role/get', { role: 'nosuch' }),
  call('auth/role/get', { role: 'root' }),
  call('auth/role/list'),
  call('auth/user/grant', { user: 'root', role: 'root' }),
  call('auth/user/grant', { user: 'alice', role: 'reader' }),
  call('auth/user/grant', { user: 'alice', role: 'nosuch' }),
  call('auth/user/grant', { user: 'nobody', role: 'reader' }),
  call('auth/user/get', { name: 'alice' }),
  call('auth/user/get', { name: 'nobody' }),
  call('auth/user/list'),
  call('kv/put', { key: base64('a/1'), value: base64('one') }),
  call('auth/enable'),
  call('auth/status'),
];

const enabled: readonly Case[] = [
  login('root', 'root', 'root'),
  login('alice', 'secret', 'user'),
  login('alice', 'wrong', 'wrong'),
  login('nobody', 'x', 'wrong'),
  login('none', 'x', 'wrong'),
  range(),
  range(root),
  range(`Bearer ${root}`),
  range(`bearer ${root}`),
  range(`Basic ${base64('root:root')}`),
  range('nonsense'),
  range(user),
  range(undefined, { headers: { 'Grpc-Metadata-Token': user } }),
  range(undefined, { headers: { 'Grpc-Metadata-Authorization': user } }),
  range(undefined, { headers: { 'Grpc-Metadata-Token': 'nonsense', Authorization: user } }),
  range(undefined, { headers: { Token: user } }),
  call('kv/range', { key: base64('c') }, user),
  call('kv/put', { key: base64('a/1'), value: 'eA==' }, user),
  call('kv/put', { key: base64('b'), value: 'eA==' }, user),
  call('kv/put', { key: base64('b'), value: 'eA==' }),
  call('kv/deleterange', { key: base64('a/1') }, user),
  call('kv/txn', { success: [{ request_range: { key: base64('c') } }] }, user),
  call('kv/txn', {}),
  call('kv/compaction', { revision: 2 }, user),
  call('auth/user/list', {}, user),
  call('auth/user/list', {}),
  call('auth/user/list', {}, 'nonsense'),
  call('auth/user/get', { name: 'alice' }, user),
  call('auth/user/get', { name: 'root' }, user),
  call('auth/role/get', { role: 'reader' }, user),
  call('auth/user/changepw', { name: 'alice', password: 'other' }, user),
  call('auth/status', {}),
  call('auth/status', {}, 'nonsense'),
  call('cluster/member/list', {}),
  call('cluster/member/list', {}, user),
  call('cluster/member/add', { peerURLs: ['http://127.0.0.1:1'] }, user),
  call('maintenance/status', {}),
  call('maintenance/status', {}, user),
  call('maintenance/defragment', {}, user),
  call('maintenance/hashkv', {}, user),
  call('maintenance/alarm', {}, user),
  call('lease/grant', { TTL: 100, ID: 9 }),
  call('lease/grant', { TTL: 100, ID: 9 }, user),
  call('lease/timetolive', { ID: 9 }, user),
  call('lease/leases', {}, user),
  call('lease/revoke', { ID: 9 }, user),
  { path: '/health', method: 'GET' },
  { path: '/readyz', method: 'GET' },
  { path: '/metrics', method: 'GET', statusOnly: true },
];

const create = (key: string) => `{"create_request":{"key":"${base64(key)}"}}`;

const streams: readonly Case[] = [
  { path: '/v3/watch', body: create('a/1'), lines: 1 },
  { path: '/v3/watch', body: create('a/1'), headers: { Authorization: user }, lines: 1 },
  { path: '/v3/watch', body: create('c'), headers: { Authorization: user }, lines: 1 },
  { path: '/v3/watch', body: create('c'), headers: { Authorization: 'nonsense' }, lines: 1 },
  { path: '/v3/watch', messages: [create('a/1')], protocols: ['Bearer', user], lines: 1 },
  { path: '/v3/watch', messages: [create('a/1')], protocols: ['Bearer', 'no'], lines: 1 },
  { path: '/v3/watch', messages: [create('a/1')], lines: 1, name: 'no token' },
  {
    path: '/v3/watch',
    messages: [create('a/1')],
    headers: { Cookie: `token=${user}` },
    lines: 1,
    name: 'the token as a cookie',
  },
  {
    path: '/v3/watch',
    messages: [create('a/1')],
    headers: { Authorization: user },
    lines: 1,
    name: 'the token as a header',
  },
  {
    path: '/v3/watch',
    messages: [create('a/1')],
    headers: { 'Grpc-Metadata-Token': user },
    lines: 1,
    name: 'the token as metadata',
  },
  { path: '/v3/lease/keepalive', body: '{"ID":9}' },
  { path: '/v3/lease/keepalive', body: '{"ID":9}', headers: { Authorization: user } },
  { path: '/v3/lease/keepalive', body: '{"ID":9}', headers: { Authorization: 'nonsense' } },
  { path: '/v3/maintenance/snapshot', body: '{}' },
  { path: '/v3/maintenance/snapshot', body: '{}', headers: { Authorization: user } },
  { path: '/v3/maintenance/snapshot', body: '{}', headers: { Authorization: 'nonsense' } },
];

const endings: readonly Case[] = [
  call('auth/role/revoke', { role: 'reader', key: base64('b') }, root),
  call('auth/role/revoke', { role: 'reader', key: base64('b') }, root),
  call('auth/user/revoke', { name: 'alice', role: 'reader' }, root),
  call('auth/user/revoke', { name: 'alice', role: 'reader' }, root),
  range(user),
  call('auth/user/changepw', { name: 'alice', password: 'other' }, root),
  range(user),
  call('auth/user/delete', { name: 'alice' }, root),
  call('auth/user/delete', { name: 'root' }, root),
  call('auth/role/delete', { role: 'reader' }, root),
  call('auth/role/delete', { role: 'root' }, root),
  call('auth/disable', {}),
  call('auth/disable', {}, root),
  call('auth/disable', {}),
  range(),
  range(root),
];

export const authCases: readonly Case[] = [...preparation, ...enabled, ...streams, ...endings];
