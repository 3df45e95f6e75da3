// Tests of src/api/services/kv/range-stream.ts over a double of the store: chunks merged are the
// answer. The double answers Range from a sorted list of keys.

import t from 'tap';

import { rangeStream } from '../../../src/api/services/kv/range-stream.js';
import type { Partially } from '../../../src/base/proto/codec.js';
import * as kv from '../../../src/base/proto/kv-messages.js';
import type { MemberOptions } from '../../../src/server/options.js';
import { nobody } from '../../../src/server/serving/caller.js';
import { bytes } from '../../support/etcd/client.js';

const view = (buffer: Buffer): Uint8Array => buffer as unknown as Uint8Array;
const HEADER = { cluster_id: 1n, member_id: 2n, revision: 50n, raft_term: 3n };

/** A member that holds keys k000 ... with values of the size given; notes what it was asked. */
function store(count: number, valueBytes: number) {
  const asked: kv.RangeRequest[] = [];
  const keys = Array.from({ length: count }, (_, i) => `k${String(i).padStart(3, '0')}`);
  return {
    asked,
    options: { core: { maxRequestBytes: 1_572_864 } } as MemberOptions,
    execute: async (_method: string, request: Buffer) => {
      const range = kv.rangeRequest.decode(view(request));
      asked.push(range);
      const from = Buffer.from(range.key).toString();
      const found = keys.filter((key) => key >= from);
      const limit = range.limit > 0n ? Number(range.limit) : found.length;
      const kvs = found.slice(0, limit).map((key) => ({
        key: bytes(key) as unknown as Buffer,
        value: Buffer.alloc(valueBytes, key.charCodeAt(3)),
        mod_revision: BigInt(1000 - Number(key.slice(1))),
      }));
      const more = kvs.length < found.length;
      return kv.rangeResponse.encode({
        header: { ...HEADER, revision: HEADER.revision + BigInt(asked.length - 1) },
        kvs: range.count_only ? [] : kvs,
        more: range.count_only ? false : more,
        count: BigInt(found.length),
      });
    },
  };
}

async function chunksOf(
  member: ReturnType<typeof store>,
  request: Partially<kv.RangeRequest>,
): Promise<kv.RangeResponse[]> {
  const chunks: kv.RangeResponse[] = [];
  await rangeStream(member, kv.rangeRequest.encode(request), nobody, async (message) => {
    const chunk = kv.rangeStreamResponse.decode(view(message)).range_response;
    t.ok(chunk);
    if (chunk !== null) {
      chunks.push(chunk);
    }
  });
  return chunks;
}

const all = { key: bytes('k'), range_end: bytes('l') };
const sizes = (chunks: readonly kv.RangeResponse[]) => chunks.map((chunk) => chunk.kvs.length);

t.test('chunks grow while they are small, and shrink when they are large', async (t) => {
  t.same(sizes(await chunksOf(store(45, 10), all)), [10, 20, 15]);
  t.same(sizes(await chunksOf(store(150, 20_000), all)), [10, 20, 40, 40, 40]);
  t.same(sizes(await chunksOf(store(30, 300_000), all)), [10, 10, 10]);
  t.same(sizes(await chunksOf(store(20, 900_000), all)), [10, 5, 2, 2, 1]);
});

t.test('only the last chunk has header, count and more, all of the first moment', async (t) => {
  const member = store(45, 10);
  const chunks = await chunksOf(member, all);
  t.same(
    chunks.map((chunk) => chunk.header),
    [null, null, HEADER],
  );
  t.same(
    chunks.map((chunk) => chunk.count),
    [0n, 0n, 45n],
  );
  t.same(
    member.asked.map((range) => [range.revision, range.serializable]),
    [
      [0n, false],
      [50n, true],
      [50n, true],
    ],
    'pinned to the revision of the start',
  );
  const keys = chunks.flatMap((chunk) => chunk.kvs.map(({ key }) => key.toString()));
  t.equal(new Set(keys).size, 45);
  t.same(keys, [...keys].sort());
});

t.test('a limit is one over all chunks', async (t) => {
  const chunks = await chunksOf(store(45, 10), { ...all, limit: 12n });
  t.same(sizes(chunks), [10, 2]);
  t.equal(chunks[1]?.more, true);
  const exact = await chunksOf(store(10, 10), { ...all, limit: 10n });
  t.same(sizes(exact), [10]);
  t.equal(exact[0]?.more, false);
});

t.test('nothing found and counting are one message', async (t) => {
  t.same(sizes(await chunksOf(store(0, 0), all)), [0]);
  const counted = await chunksOf(store(45, 10), { ...all, count_only: true });
  t.match(counted, [{ count: 45n, header: HEADER }]);
});

t.test('another target without an order sorts within each chunk', async (t) => {
  const chunks = await chunksOf(store(15, 1), { ...all, sort_target: 3 });
  t.same(sizes(chunks), [10, 5]);
  const first = chunks[0]?.kvs.map(({ key }) => key.toString()) ?? [];
  t.same(first, [...first].sort().reverse(), 'by modification, which runs backwards here');
});

t.test('what cannot be streamed is refused, what Range refuses is left to it', async (t) => {
  const member = store(1, 1);
  const refused = (request: Partially<kv.RangeRequest>) => chunksOf(member, request);
  await t.rejects(refused({ ...all, sort_order: 2 }), { code: 'StreamCustomSort' });
  await t.rejects(refused({ ...all, sort_order: 1, sort_target: 1 }), { code: 'StreamCustomSort' });
  await t.rejects(refused({ ...all, max_create_revision: 1n }), { code: 'StreamRevisionFilter' });
  await t.resolves(refused({ ...all, sort_order: 1 }));
  await t.resolves(refused({ ...all, sort_order: 9 }), 'an unknown order is for Range to refuse');
});

t.test('a negative limit asks for everything at once', async (t) => {
  t.same(sizes(await chunksOf(store(45, 10), { ...all, limit: -1n })), [45]);
});

t.test('what Range refuses is handed to it as it is', async (t) => {
  for (const wrong of [{ sort_target: 5 }, { sort_order: 3 }, { key: bytes('') }]) {
    const member = store(45, 10);
    await chunksOf(member, { ...all, ...wrong });
    t.equal(member.asked.length, 1);
    t.match(member.asked[0], wrong.key === undefined ? wrong : {});
  }
});

t.test('keys alone, by their values, are read with them', async (t) => {
  const member = store(25, 10);
  const chunks = await chunksOf(member, { ...all, keys_only: true, sort_target: 4 });
  t.same(sizes(chunks), [10, 15]);
  t.ok(member.asked.every(({ keys_only }) => !keys_only));
  const byMod = store(25, 10);
  const first = (await chunksOf(byMod, { ...all, keys_only: true, sort_target: 3 }))[0];
  t.ok(byMod.asked.every(({ keys_only }) => keys_only));
  const revisions = first?.kvs.map(({ mod_revision }) => Number(mod_revision)) ?? [];
  t.same(
    revisions,
    [...revisions].sort((a, b) => a - b),
    'in order of their revisions',
  );
  t.ok(chunks.every(({ kvs }) => kvs.every(({ value }) => value.length === 0)));
});
