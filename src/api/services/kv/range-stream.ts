// KV.RangeStream: a range in chunks, each read at the revision that the first one saw, so that the
// chunks merged field by field are the answer of Range. Chunk sizes follow the size of what was
// sent.

import { bytesOf } from '../../../base/bytes.js';
import { MetaStoreError } from '../../../base/errors.js';
import {
  type KeyValue,
  type RangeRequest,
  type RangeResponse,
  rangeRequest,
  rangeResponse,
  rangeStreamResponse,
} from '../../../base/proto/kv-messages.js';
import type { Member } from '../../../server/member.js';
import type { Caller } from '../../../server/serving/caller.js';

const SortOrder = { None: 0, Ascend: 1, Descend: 2 } as const;
const SortTarget = { Key: 0, Version: 1, Create: 2, Mod: 3, Value: 4 } as const;

const FIRST_CHUNK_KEYS = 10;

type Ranger = Pick<Member, 'execute' | 'options'>;

/** Whether Range itself refuses it: that answer is the one to give. */
function isRefusedByRange({ key, sort_order: order, sort_target: target }: RangeRequest): boolean {
  const knownOrder = order >= SortOrder.None && order <= SortOrder.Descend;
  const knownTarget = target >= SortTarget.Key && target <= SortTarget.Value;
  return key.length === 0 || !knownOrder || !knownTarget;
}

/** Refuses what cannot be answered in chunks. */
function checkStreamable(request: RangeRequest): void {
  const { sort_order: order, sort_target: target } = request;
  const inKeyOrder = order === SortOrder.Ascend && target === SortTarget.Key;
  if (order !== SortOrder.None && !inKeyOrder) {
    throw MetaStoreError.named('StreamCustomSort');
  }
  const filters = [
    request.min_mod_revision,
    request.max_mod_revision,
    request.min_create_revision,
    request.max_create_revision,
  ];
  if (filters.some((filter) => filter !== 0n)) {
    throw MetaStoreError.named('StreamRevisionFilter');
  }
}

function compareBy(target: number): ((a: KeyValue, b: KeyValue) => number) | null {
  const numeric = (of: (kv: KeyValue) => bigint) => (a: KeyValue, b: KeyValue) =>
    of(a) < of(b) ? -1 : Number(of(a) > of(b));
  switch (target) {
    case SortTarget.Version:
      return numeric((kv) => kv.version);
    case SortTarget.Create:
      return numeric((kv) => kv.create_revision);
    case SortTarget.Mod:
      return numeric((kv) => kv.mod_revision);
    case SortTarget.Value:
      return (a, b) => Buffer.compare(bytesOf(a.value), bytesOf(b.value));
    default:
      return null;
  }
}

async function read(member: Ranger, request: RangeRequest, caller: Caller): Promise<RangeResponse> {
  const reply = await member.execute('Range', rangeRequest.encode(request), caller);
  return rangeResponse.decode(bytesOf(reply));
}

/** Keys for the next chunk, from the size of the last: small ones grow, very large ones shrink. */
function nextChunkKeys(keys: number, sentBytes: number, maxRequestBytes: number): number {
  if (sentBytes < maxRequestBytes / 2) {
    return keys * 2;
  }
  return sentBytes > maxRequestBytes * 2 ? Math.max(1, Math.floor(keys / 2)) : keys;
}

/** The part of a request that is still to be read: after a key, at the pinned revision. */
function continueAfter(request: RangeRequest, last: Buffer, revision: bigint): RangeRequest {
  const key = bytesOf(Buffer.concat([bytesOf(last), new Uint8Array(1)]));
  return { ...request, key, revision, serializable: true };
}

/** How the pairs of one chunk are read and put in order. */
function chunkOrder({ keys_only, sort_target: target }: RangeRequest) {
  const compare = compareBy(target);
  // Values are read to be compared even where they are not sent.
  const dropsValues = keys_only && target === SortTarget.Value;
  return {
    keysOnly: keys_only && !dropsValues,
    arrange: (kvs: readonly KeyValue[]): readonly KeyValue[] => {
      const sorted = compare === null ? kvs : [...kvs].sort(compare);
      return dropsValues ? sorted.map((kv) => ({ ...kv, value: Buffer.alloc(0) })) : sorted;
    },
  };
}

/** Answers one RangeStream call. Errors before the first chunk are those of Range. */
export async function rangeStream(
  member: Ranger,
  bytes: Buffer,
  caller: Caller,
  send: (message: Buffer) => Promise<void>,
): Promise<void> {
  const request = rangeRequest.decode(bytesOf(bytes));
  const isWhole = isRefusedByRange(request);
  if (!isWhole) {
    checkStreamable(request);
  }
  // A negative limit asks for all of it at once.
  if (isWhole || request.count_only || request.limit < 0n) {
    const range_response = await read(member, request, caller);
    await send(rangeStreamResponse.encode({ range_response }));
    return;
  }
  const { keysOnly, arrange } = chunkOrder(request);
  let left = request.limit === 0n ? Number.POSITIVE_INFINITY : Number(request.limit);
  let keys = FIRST_CHUNK_KEYS;
  let part: RangeRequest = { ...request, keys_only: keysOnly, sort_target: SortTarget.Key };
  let first: RangeResponse | null = null;
  for (;;) {
    const limit = BigInt(Math.min(keys, left));
    const chunk = await read(member, { ...part, limit }, caller);
    first ??= chunk;
    left -= chunk.kvs.length;
    const last = chunk.kvs.at(-1);
    const kvs = arrange(chunk.kvs);
    if (!chunk.more || left <= 0 || last === undefined) {
      const { header, count } = first;
      const end = { kvs, header, more: chunk.more, count };
      await send(rangeStreamResponse.encode({ range_response: end }));
      return;
    }
    const message = rangeStreamResponse.encode({ range_response: { kvs } });
    await send(message);
    keys = nextChunkKeys(keys, message.length, member.options.core.maxRequestBytes);
    const pinned = request.revision > 0n ? request.revision : (first.header?.revision ?? 0n);
    part = continueAfter(part, last.key, pinned);
  }
}
