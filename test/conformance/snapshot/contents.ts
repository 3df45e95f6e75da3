// Some of everything that a store can hold, put there through the API, and the comparison of two
// servers that should hold the same: every key at every revision, the events of the whole history,
// leases with their keys, alarms, hashes. Used by the tests of this folder.

import type { Test } from 'tap';

import type { KeyValue } from '../../../src/base/proto/kv-messages.js';
import type { EtcdClient } from '../../support/etcd/client.js';

const bytes = (text: string, encoding: BufferEncoding = 'utf8'): Uint8Array =>
  Buffer.from(text, encoding) as unknown as Uint8Array;
const hex = (buffer: Uint8Array): string => Buffer.from(buffer).toString('hex');

export const everything = { key: bytes('\0'), range_end: bytes('\0') };
export const LEASE = 0x1234_5678_9abcn;
export const LARGE_BYTES = 1_500_000;

const put = (key: string, value: string) => ({
  request_put: { key: bytes(key), value: bytes(value) },
});

/** Histories, deletions, several changes in one revision, binary keys, large values. */
async function history(client: EtcdClient): Promise<void> {
  for (let i = 0; i < 300; i++) {
    await client.put(`history/${i % 17}`, `value ${i} ${'x'.repeat(i)}`);
  }
  await client.deleteRange({ key: bytes('history/1'), range_end: bytes('history/10') });
  await client.put('history/1', 'again');
  await client.deleteRange({ key: bytes('history/2') });
  const success = Array.from({ length: 120 }, (_, i) => put(`txn/${i}`, `in one revision ${i}`));
  await client.txn({ success });
  await client.txn({
    success: [
      put('txn/new', '1'),
      { request_delete_range: { key: bytes('txn/1'), range_end: bytes('txn/2') } },
    ],
  } as Parameters<EtcdClient['txn']>[0]);
  for (const key of ['00', 'ff', '00ff80', 'c3', 'fffe', `${'ab'.repeat(3000)}`]) {
    await client.put(bytes(key, 'hex'), bytes('ff00fe', 'hex'));
  }
  await client.put('empty', '');
  await client.put('large', 'L'.repeat(LARGE_BYTES));
  await client.put('page', 'P'.repeat(4096));
}

/** Fills a fresh store. `compact`: history up to some revision is dropped on the way. */
export async function fill(client: EtcdClient, compact: boolean): Promise<void> {
  await client.leaseGrant(3000n, LEASE);
  await client.leaseGrant(500n, -5n);
  await history(client);
  await client.put('leased/1', 'one', { lease: LEASE });
  await client.put('leased/2', 'two', { lease: LEASE });
  await client.put('leased/3', 'three', { lease: -5n });
  if (compact) {
    await client.put('gone', 'soon');
    const { header } = await client.deleteRange({ key: bytes('gone') });
    // The deletion at the very revision of a compaction stays.
    await client.compact(header?.revision ?? 0n, true, { timeoutMs: 60_000 });
    await client.put('leased/2', 'without');
    await history(client);
  }
  await client.deleteRange({ key: bytes('empty') });
}

function row(kv: KeyValue): string {
  const { create_revision, mod_revision, version, lease } = kv;
  const value = kv.value.length > 100 ? `${kv.value.length} bytes` : hex(kv.value);
  const numbers = [create_revision, mod_revision, version, lease].join(' ');
  return `${hex(kv.key).slice(0, 80)}=${value} ${numbers}`;
}

async function rowsAt(client: EtcdClient, revision: bigint): Promise<string[]> {
  const { kvs, count } = await client.range({ ...everything, revision }, { timeoutMs: 60_000 });
  return [`${count} keys at ${revision}`, ...kvs.map(row)];
}

/** All events from a revision to the current one. */
async function eventsFrom(client: EtcdClient, from: bigint, to: bigint): Promise<string[]> {
  const watch = client.watch();
  try {
    watch.create({ ...everything, start_revision: from, prev_kv: true });
    const rows: string[] = [];
    for (let seen = 0n; seen < to; ) {
      const response = await watch.next(30_000);
      for (const { type, kv, prev_kv } of response.events) {
        if (kv === null) throw new Error('an event without a key');
        rows.push(`${type} ${row(kv)} before ${prev_kv === null ? '-' : row(prev_kv)}`);
        seen = kv.mod_revision;
      }
    }
    return rows;
  } finally {
    watch.cancel();
  }
}

async function leases(client: EtcdClient): Promise<unknown[]> {
  const { leases: all } = await client.leases();
  const rows = [];
  for (const { ID } of [...all].sort((a, b) => (a.ID < b.ID ? -1 : 1))) {
    const { grantedTTL, keys } = await client.leaseTimeToLive(ID, true);
    rows.push({ ID, grantedTTL, keys: keys.map(hex).sort() });
  }
  return rows;
}

/** Everything that clients can see of a state, but for who serves it. */
export async function expectSame(t: Test, ours: EtcdClient, theirs: EtcdClient): Promise<void> {
  const [mine, other] = [await ours.hashKv(), await theirs.hashKv()];
  t.equal(other.hash, mine.hash, 'HashKV');
  t.equal(other.compact_revision, mine.compact_revision, 'compact revision');
  const revision = mine.header?.revision ?? 0n;
  t.equal(other.header?.revision, revision, 'revision');
  const oldest = mine.compact_revision > 0n ? mine.compact_revision : 1n;
  const step = (revision - oldest) / 12n + 1n;
  for (let at = oldest; at <= revision; at += step) {
    t.strictSame(await rowsAt(theirs, at), await rowsAt(ours, at), `keys at revision ${at}`);
    // At the compaction itself a server that has run it remembers another hash: that of before.
    if (at !== mine.compact_revision) {
      t.equal((await theirs.hashKv(at)).hash, (await ours.hashKv(at)).hash, `HashKV at ${at}`);
    }
  }
  t.strictSame(await rowsAt(theirs, 0n), await rowsAt(ours, 0n), 'keys now');
  if (oldest > 1n) {
    const gone = { ...everything, revision: oldest - 1n };
    await t.rejects(theirs.range(gone), { code: 11 }, 'older ones are compacted');
  }
  if (revision > 1n) {
    const from = oldest > 1n ? oldest + 1n : 2n;
    const [seen, expected] = [
      await eventsFrom(theirs, from, revision),
      await eventsFrom(ours, from, revision),
    ];
    t.ok(seen.length > 10, 'events were seen');
    t.strictSame(seen, expected, 'events of the history');
  }
  t.strictSame(await leases(theirs), await leases(ours), 'leases');
  t.strictSame((await theirs.alarm({})).alarms, (await ours.alarm({})).alarms, 'alarms');
}
