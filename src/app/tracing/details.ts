// What a span of a request to the store says of it: keys, revisions, sizes, under the names that
// etcd's own spans have. Read only for calls that are sampled; called by traced().

import type { Attributes } from '@opentelemetry/api';

import { bytesOf } from '../../base/bytes.js';
import * as kv from '../../base/proto/kv-messages.js';
import { leaseGrantRequest } from '../../base/proto/messages.js';

/** A span beside that of the call, of the work that it asks for. */
export interface Detail {
  readonly name: string;
  readonly attributes: Attributes;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

function describeFirst(operation: kv.RequestOp | undefined) {
  const { request_range, request_put, request_delete_range } = operation ?? {};
  if (request_put) {
    return { key: text(request_put.key), type: 'put', lease: Number(request_put.lease) };
  }
  if (request_delete_range) {
    return { key: text(request_delete_range.key), type: 'delete_range', lease: -1 };
  }
  return request_range
    ? { key: text(request_range.key), type: 'range', lease: -1 }
    : { key: '', type: '', lease: -1 };
}

function isReadOnly({ success, failure }: kv.TxnRequest): boolean {
  return [...success, ...failure].every(({ request_range }) => Boolean(request_range));
}

const readers: Readonly<Record<string, (request: Uint8Array) => Detail>> = {
  '/etcdserverpb.KV/Range': (request) => {
    const read = kv.rangeRequest.decode(request);
    return {
      name: 'range',
      attributes: {
        range_begin: text(read.key),
        range_end: text(read.range_end),
        rev: Number(read.revision),
        limit: Number(read.limit),
        count_only: read.count_only,
        keys_only: read.keys_only,
      },
    };
  },
  '/etcdserverpb.KV/Put': (request) => ({
    name: 'put',
    attributes: { key: text(kv.putRequest.decode(request).key) },
  }),
  '/etcdserverpb.KV/DeleteRange': (request) => {
    const { key, range_end } = kv.deleteRangeRequest.decode(request);
    const attributes = { range_begin: text(key), range_end: text(range_end) };
    return { name: 'delete_range', attributes };
  },
  '/etcdserverpb.KV/Txn': (request) => {
    const transaction = kv.txnRequest.decode(request);
    const { compare, success, failure } = transaction;
    const first = describeFirst(success[0]);
    return {
      name: 'txn',
      attributes: {
        compare_first_key: text(compare[0]?.key ?? new Uint8Array()),
        success_first_key: first.key,
        success_first_type: first.type,
        success_first_lease: first.lease,
        compare_len: compare.length,
        success_len: success.length,
        failure_len: failure.length,
        read_only: isReadOnly(transaction),
      },
    };
  },
  '/etcdserverpb.KV/Compact': (request) => {
    const { revision, physical } = kv.compactionRequest.decode(request);
    return { name: 'compact', attributes: { is_physical: physical, rev: Number(revision) } };
  },
  '/etcdserverpb.Lease/LeaseGrant': (request) => {
    const { ID, TTL } = leaseGrantRequest.decode(request);
    return { name: 'lease_grant', attributes: { id: Number(ID), ttl: Number(TTL) } };
  },
};

/** Null for a method without a span of its own, and for what is no such request. */
export function detailOf(path: string, request: Buffer): Detail | null {
  try {
    return readers[path]?.(bytesOf(request)) ?? null;
  } catch {
    return null;
  }
}
