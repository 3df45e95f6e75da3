// Every unary method through its route, in orders that make sense, with good and bad requests: the
// answers as clients of the gateway see them.

import type { Case } from '../exchange.js';

const call = (path: string, body: object | string = {}, more: Partial<Case> = {}): Case => ({
  path: `/v3/${path}`,
  body: typeof body === 'string' ? body : JSON.stringify(body),
  ...more,
});

const base64 = (text: string) => Buffer.from(text).toString('base64');

const foo = base64('foo');
const everything = { key: 'AA==', range_end: 'AA==' };

const keys: readonly Case[] = [
  call('kv/range', { key: foo }),
  call('kv/put', { key: foo, value: base64('one') }),
  call('kv/put', { key: foo, value: base64('two'), prev_kv: true }),
  call('kv/put', { key: foo, value: base64('<&>\u2028"\\\u0001'), prev_kv: true }),
  call('kv/put', { value: 'eA==' }),
  call('kv/put', { key: foo, value: 'eA==', ignore_value: true }),
  call('kv/put', { key: foo, ignore_value: true, prev_kv: true }),
  call('kv/put', { key: base64('none'), ignore_value: true }),
  call('kv/put', { key: foo, lease: '12345' }),
  call('kv/put', { key: foo, lease: 7, ignore_lease: true }),
  call('kv/put', { key: '/w==', value: '/w==' }),
  call('kv/put', { key: 'AA==', value: '' }),
  ...Array.from({ length: 12 }, (_, i) =>
    call('kv/put', { key: base64(`list/${i}`), value: base64(`value ${i}`) }),
  ),
  call('kv/range', everything),
  call('kv/range', { ...everything, limit: 3 }),
  call('kv/range', { ...everything, limit: '3', sort_order: 'DESCEND', sort_target: 'MOD' }),
  call('kv/range', { ...everything, keys_only: true, limit: 2 }),
  call('kv/range', { ...everything, count_only: true }),
  call('kv/range', { ...everything, serializable: true, limit: 1 }),
  call('kv/range', { ...everything, revision: '2' }),
  call('kv/range', { ...everything, revision: '99999' }),
  call('kv/range', { ...everything, min_mod_revision: 5, max_create_revision: '9' }),
  call('kv/range', { key: foo, range_end: 'AA==', sort_order: 7 }),
  call('kv/deleterange', { key: base64('list/1'), prev_kv: true }),
  call('kv/deleterange', { key: base64('list/1') }),
  call('kv/deleterange', {}),
  call('kv/deleterange', { key: base64('list/2'), range_end: base64('list/5'), prevKv: true }),
  call('kv/txn', {
    compare: [{ key: foo, target: 'CREATE', result: 'GREATER', create_revision: '0' }],
    success: [{ request_put: { key: foo, value: 'eA==', prev_kv: true } }],
    failure: [{ request_range: { key: foo } }],
  }),
  call('kv/txn', {
    compare: [{ key: foo, target: 'VALUE', result: 'LESS', value: 'AA==' }],
    success: [{ request_put: { key: foo, value: 'eQ==' } }],
    failure: [{ request_range: { key: foo } }, { request_delete_range: { key: foo } }],
  }),
  call('kv/txn', {
    success: [{ request_put: { key: foo, value: 'eA==' } }, { request_put: { key: foo } }],
  }),
  call('kv/txn', { success: Array.from({ length: 129 }, () => ({ request_range: { key: foo } })) }),
  call('kv/compaction', { revision: '5' }),
  call('kv/compaction', { revision: 5 }),
  call('kv/compaction', { revision: 99999 }),
  call('kv/compaction', { revision: 10, physical: true }),
  call('kv/range', { ...everything, revision: 6 }),
];

const leases: readonly Case[] = [
  call('lease/grant', { TTL: 60, ID: 1234 }),
  call('lease/grant', { TTL: '60', ID: '1234' }),
  call('lease/grant', { TTL: 9_000_000_001, ID: 5 }),
  call('lease/grant', { TTL: 1, ID: 1235 }),
  call('lease/grant', { TTL: 30 }, { statusOnly: true }),
  call('kv/put', { key: base64('leased'), value: 'eA==', lease: 1234 }),
  call('kv/range', { key: base64('leased') }),
  call('lease/timetolive', { ID: 1234, keys: true }),
  call('kv/lease/timetolive', { ID: '1234' }),
  call('lease/timetolive', { ID: 99 }),
  call('lease/timetolive', {}),
  call('lease/keepalive', { ID: 1234 }),
  call('lease/keepalive', { ID: 99 }),
  call('lease/revoke', { ID: 1235 }),
  call('lease/revoke', { ID: 99 }),
  call('kv/lease/revoke', { ID: 1234 }),
  call('kv/range', { key: base64('leased') }),
  call('kv/lease/revoke', {}),
];

const upkeep: readonly Case[] = [
  call('cluster/member/list'),
  call('cluster/member/list', { linearizable: true }),
  call('cluster/member/add', {}),
  call('cluster/member/update', { ID: 5, peerURLs: ['http://127.0.0.1:1'] }),
  call('cluster/member/promote', { ID: 5 }),
  call('maintenance/status'),
  call('maintenance/alarm'),
  call('maintenance/alarm', { action: 'ACTIVATE', memberID: '5', alarm: 'NOSPACE' }),
  call('maintenance/alarm', { action: 'GET' }),
  call('maintenance/alarm', { action: 0, alarm: 2 }),
  { path: '/health', method: 'GET' },
  { path: '/health?exclude=NOSPACE', method: 'GET' },
  { path: '/health?exclude=nospace', method: 'GET' },
  { path: '/health?exclude=CORRUPT&exclude=NOSPACE', method: 'GET' },
  { path: '/readyz', method: 'GET' },
  call('kv/put', { key: foo, value: 'eA==' }),
  call('maintenance/status'),
  call('maintenance/alarm', { action: 2, memberID: 5, alarm: 1 }),
  call('maintenance/alarm', { action: 'ACTIVATE', memberID: '6', alarm: 'CORRUPT' }),
  { path: '/health', method: 'GET' },
  { path: '/health?exclude=CORRUPT', method: 'GET' },
  { path: '/health?exclude=CORRUPT&serializable=true', method: 'GET' },
  { path: '/readyz', method: 'GET', unordered: true },
  { path: '/readyz?verbose', method: 'GET', unordered: true },
  { path: '/readyz?exclude=data_corruption', method: 'GET', unordered: true },
  { path: '/readyz/data_corruption', method: 'GET' },
  { path: '/readyz/data_corruption?exclude=data_corruption', method: 'GET' },
  { path: '/livez', method: 'GET' },
  call('maintenance/alarm', { action: 'DEACTIVATE', memberID: 6, alarm: 'CORRUPT' }),
  call('maintenance/alarm', { action: 'GET' }),
  { path: '/health', method: 'GET' },
  call('maintenance/defragment'),
  call('maintenance/hash', {}, { statusOnly: true }),
  call('maintenance/hashkv'),
  call('maintenance/hashkv', { revision: 99999 }),
  call('maintenance/transfer-leadership', { targetID: 5 }),
  call('maintenance/downgrade', { action: 'VALIDATE', version: '3.6' }),
  call('maintenance/downgrade', { action: 'VALIDATE', version: 'x' }),
  call('maintenance/downgrade', { action: 'CANCEL' }),
];

const concurrency: readonly Case[] = [
  call('lease/grant', { TTL: 100, ID: 500 }),
  call('lock/lock', { name: base64('lock'), lease: 500 }, { capture: { held: /"key":"([^"]*)"/ } }),
  call('lock/lock', { name: base64('lock'), lease: 500 }),
  call('lock/unlock', '{"key":"${held}"}'),
  call('lock/unlock', '{"key":"${held}"}'),
  call('lock/unlock', {}),
  call('lock/lock', { name: base64('lock'), lease: 99 }),
  call('election/leader', { name: base64('vote') }),
  call('election/campaign', { name: base64('vote'), lease: 500, value: 'eA==' }),
  call('election/leader', { name: base64('vote') }),
  call('election/proclaim', { value: 'eQ==' }),
  call('election/proclaim', { leader: { name: base64('vote'), key: foo, rev: 1 }, value: 'eQ==' }),
  call('election/resign', {}),
  call('election/campaign', { name: base64('vote'), lease: 99, value: 'eA==' }),
];

export const callCases: readonly Case[] = [...keys, ...leases, ...upkeep, ...concurrency];
