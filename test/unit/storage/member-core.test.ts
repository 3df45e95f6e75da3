// The addon driven by a single-voter loop, over both engines: writes, reads, transactions, watches,
// leases, control entries, checkpoints, and opening again.

import t from 'tap';
import {
  putRequest,
  putResponse,
  rangeRequest,
  rangeResponse,
  txnRequest,
  txnResponse,
  watchRequest,
  watchResponse,
} from '../../../src/base/proto/kv-messages.js';
import {
  hashKvRequest,
  hashKvResponse,
  internalRaftRequest,
  leaseGrantRequest,
  leaseGrantResponse,
  leaseRevokeRequest,
} from '../../../src/base/proto/messages.js';
import { loadAddon } from '../../../src/storage/loader.js';
import { tempDir } from '../../support/temp-dir.js';
import { waitFor } from '../../support/wait.js';
import { openOptions, TinyVoter } from './voters/tiny-voter.js';

const addon = loadAddon();
const { methods } = addon;
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

const put = (voter: TinyVoter, key: string, value: string, lease = 0n): Promise<Buffer> =>
  voter.call(methods.Put, putRequest.encode({ key: bytes(key), value: bytes(value), lease }));

async function get(voter: TinyVoter, key: string, serializable = false): Promise<string | null> {
  const request = rangeRequest.encode({ key: bytes(key), serializable });
  const { kvs } = rangeResponse.decode(await voter.call(methods.Range, request));
  return kvs[0]?.value.toString('latin1') ?? null;
}

async function hashOf(voter: TinyVoter): Promise<number> {
  const reply = await voter.call(methods.HashKv, hashKvRequest.encode({ revision: 0n }));
  return hashKvResponse.decode(reply).hash;
}

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: requests`, async (test) => {
    const voter = await TinyVoter.open(addon, openOptions(tempDir(engine), engine));
    const reply = putResponse.decode(await put(voter, 'a', '1'));
    test.equal(reply.header?.revision, 2n);
    test.equal(reply.header?.cluster_id, 0xcdef000000000001n);
    test.equal(reply.header?.member_id, 0x8000000000000001n);
    test.equal(reply.header?.raft_term, 1n);
    test.equal(await get(voter, 'a'), '1');
    test.equal(await get(voter, 'a', true), '1');
    test.equal(await get(voter, 'none'), null);
    const binary = '\x00\xff\x80';
    await put(voter, binary, binary);
    test.equal(await get(voter, binary), binary);
    const large = 'x'.repeat(1_572_000);
    await put(voter, 'large', large);
    test.equal(await get(voter, 'large'), large);
    await test.rejects(put(voter, '', 'x'), { code: 'EmptyKey' });
    await test.rejects(put(voter, 'b', 'x', 99n), { code: 'LeaseNotFound' });
    await test.rejects(put(voter, 'b', 'x'.repeat(1_572_864)), { code: 'RequestTooLarge' });
    await test.rejects(voter.call(methods.Put, Buffer.from([0x0a, 0x05])), { code: 'Unmarshal' });
    const txn = txnRequest.encode({
      compare: [{ key: bytes('a'), target: 3, value: bytes('1') }],
      success: [{ request_put: { key: bytes('a'), value: bytes('2') } }],
    });
    test.equal(txnResponse.decode(await voter.call(methods.Txn, txn)).succeeded, true);
    test.equal(txnResponse.decode(await voter.call(methods.Txn, txn)).succeeded, false);
    test.equal(await get(voter, 'a'), '2');
    const status = voter.core.status();
    test.equal(status.revision, 5);
    test.equal(status.appliedIndex, voter.lastIndex);
    test.ok(status.logSyncs > 0 && status.logEntries === voter.lastIndex);
    await voter.core.close();
  });

  t.test(`${engine}: many at once, each answered`, async (test) => {
    const voter = await TinyVoter.open(addon, openOptions(tempDir(engine), engine));
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 2000; i += 1) {
      calls.push(i % 2 === 0 ? put(voter, `k${i % 50}`, `${i}`) : get(voter, `k${i % 50}`));
    }
    await Promise.all(calls);
    test.equal(voter.core.status().revision, 1001);
    test.ok(voter.core.status().logSyncs < 500, 'puts share syncs');
    await voter.core.close();
  });

  t.test(`${engine}: leases and watches`, async (test) => {
    const voter = await TinyVoter.open(addon, openOptions(tempDir(engine), engine));
    const stream = 2 ** 40;
    voter.core.watchOpen(stream);
    const create = watchRequest.encode({ create_request: { key: bytes('w') } });
    test.equal(voter.core.watchRequest(stream, create, '', 0, 0), 0);
    test.not(voter.core.watchRequest(stream, Buffer.from([0xff]), '', 0, 0), 0);
    await waitFor('created', () => voter.watched.length === 1);
    const granted = leaseGrantResponse.decode(
      await voter.call(methods.LeaseGrant, leaseGrantRequest.encode({ TTL: 60n })),
    );
    test.equal(granted.ID >> 48n, 1n, "the member's id, bit 63 cleared");
    await put(voter, 'w', 'leased', granted.ID);
    const ticket = voter.ticket();
    const keys = voter.await(ticket, addon.routes.Serving);
    voter.core.leaseKeys(ticket, granted.ID);
    test.strictSame(await keys, Buffer.from([1, 0, 0, 0, 0x77]));
    await voter.call(methods.LeaseRevoke, leaseRevokeRequest.encode({ ID: granted.ID }));
    test.equal(await get(voter, 'w'), null);
    test.strictSame(voter.leases, [
      [granted.ID, 60],
      [granted.ID, -1],
    ]);
    await waitFor('events', () => voter.watched.length >= 3);
    const messages = voter.watched.map(([, message]) => watchResponse.decode(message));
    test.ok(voter.watched.every(([from]) => from === stream));
    test.equal(messages[0]?.created, true);
    test.strictSame(
      messages.slice(1).map((message) => message.events[0]?.kv?.value.toString() ?? ''),
      ['leased', ''],
    );
    voter.core.watchCredit(stream, 1000);
    voter.core.watchClose(stream);
    await voter.core.close();
  });

  t.test(`${engine}: control entries and what they store`, async (test) => {
    const options = openOptions(tempDir(engine), engine);
    const voter = await TinyVoter.open(addon, options);
    voter.controlRows = [
      { key: 'members/1', value: Buffer.from('one') },
      { key: 'members/2', value: null },
    ];
    const request = internalRaftRequest.encode({
      cluster_version_set: { ver: '3.7.0' },
    });
    const reply = await voter.callInternal(request);
    test.equal(reply.toString(), 'decided');
    test.equal(voter.controls.length, 1);
    const decoded = internalRaftRequest.decode(voter.controls[0]?.[2] ?? Buffer.alloc(0));
    test.equal(decoded.cluster_version_set?.ver, '3.7.0');
    test.ok((decoded.header?.ID ?? 0n) !== 0n);
    await put(voter, 'k', 'v');
    const checkpointed = voter.checkpoints.length;
    voter.core.checkpoint();
    await waitFor('checkpoint', () => voter.checkpoints.length > checkpointed);
    await voter.core.close();
    const again = await TinyVoter.open(addon, options);
    test.equal(again.recovered.appliedIndex, again.lastIndex);
    test.equal(again.recovered.appliedTerm, 1);
    test.equal(again.recovered.meta.get('members/1')?.toString(), 'one');
    test.equal(again.recovered.meta.size, 1);
    await again.core.close();
  });

  t.test(`${engine}: opening again`, async (test) => {
    const options = openOptions(tempDir(engine), engine);
    const voter = await TinyVoter.open(addon, options);
    test.equal(voter.recovered.created, true);
    for (let i = 0; i < 50; i += 1) await put(voter, `k${i % 7}`, `${i}`);
    await voter.call(methods.LeaseGrant, leaseGrantRequest.encode({ TTL: 30n, ID: -5n }));
    const hash = await hashOf(voter);
    const infos = voter.core.entryInfos(1, voter.lastIndex);
    test.equal(infos.length, voter.lastIndex * 3);
    test.strictSame([...infos.slice(0, 2)], [1, 0]);
    const data = voter.core.entryData(1);
    test.equal(data?.length, infos[2]);
    test.equal(data?.[0], addon.entryFormat);
    voter.core.checkpoint();
    await waitFor('checkpoint', () => voter.checkpoints.length === 1);
    voter.core.truncateLog(20);
    await waitFor('truncation', () => voter.truncations.length === 1);
    test.strictSame([voter.checkpoints, voter.truncations], [[51], [20]]);
    await put(voter, 'k0', 'last');
    await voter.core.close();

    const again = await TinyVoter.open(addon, options);
    const { recovered } = again;
    test.equal(recovered.created, false);
    test.equal(recovered.startIndex, 20);
    test.equal(recovered.lastIndex, 52);
    test.equal(recovered.vote, 1n);
    test.strictSame(recovered.leases, [{ id: -5n, ttlSeconds: 30, remainingTtlSeconds: 0 }]);
    test.equal(await get(again, 'k0'), 'last');
    test.not(await hashOf(again), hash);
    await again.core.close();
  });
}

t.test('both engines give one hash for one history', async (test) => {
  const hashes: number[] = [];
  for (const engine of ['memory', 'rocksdb'] as const) {
    const voter = await TinyVoter.open(addon, openOptions(tempDir(engine), engine));
    for (let i = 0; i < 30; i += 1) await put(voter, `k${i % 7}`, `${i}`);
    hashes.push(await hashOf(voter));
    await voter.core.close();
  }
  test.equal(hashes[0], hashes[1]);
});
