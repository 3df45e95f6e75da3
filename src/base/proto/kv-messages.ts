// The messages of KV and Watch as types with codecs. Only tests, tools and the JSON side use them:
// the server hands those requests to native code undecoded.

import { Codec } from './codec.js';
import type { Empty, ResponseHeader } from './messages.js';

const etcd = <T>(name: string): Codec<T> => new Codec<T>(`etcdserverpb.${name}`);

export interface KeyValue {
  readonly key: Buffer;
  readonly create_revision: bigint;
  readonly mod_revision: bigint;
  readonly version: bigint;
  readonly value: Buffer;
  readonly lease: bigint;
}
export interface RangeRequest {
  readonly key: Uint8Array;
  readonly range_end: Uint8Array;
  readonly limit: bigint;
  readonly revision: bigint;
  readonly sort_order: number;
  readonly sort_target: number;
  readonly serializable: boolean;
  readonly keys_only: boolean;
  readonly count_only: boolean;
  readonly min_mod_revision: bigint;
  readonly max_mod_revision: bigint;
  readonly min_create_revision: bigint;
  readonly max_create_revision: bigint;
}
export interface RangeResponse {
  readonly header: ResponseHeader | null;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: bigint;
}
export interface PutRequest {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: bigint;
  readonly prev_kv: boolean;
  readonly ignore_value: boolean;
  readonly ignore_lease: boolean;
}
export interface PutResponse {
  readonly header: ResponseHeader | null;
  readonly prev_kv: KeyValue | null;
}
export interface DeleteRangeRequest {
  readonly key: Uint8Array;
  readonly range_end: Uint8Array;
  readonly prev_kv: boolean;
}
export interface DeleteRangeResponse {
  readonly header: ResponseHeader | null;
  readonly deleted: bigint;
  readonly prev_kvs: readonly KeyValue[];
}
export interface Compare {
  readonly result: number;
  readonly target: number;
  readonly key: Uint8Array;
  readonly version?: bigint;
  readonly create_revision?: bigint;
  readonly mod_revision?: bigint;
  readonly value?: Uint8Array;
  readonly lease?: bigint;
  readonly range_end: Uint8Array;
}
export interface RequestOp {
  readonly request_range?: RangeRequest;
  readonly request_put?: PutRequest;
  readonly request_delete_range?: DeleteRangeRequest;
  readonly request_txn?: TxnRequest;
}
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}
export interface ResponseOp {
  readonly response_range?: RangeResponse;
  readonly response_put?: PutResponse;
  readonly response_delete_range?: DeleteRangeResponse;
  readonly response_txn?: TxnResponse;
}
export interface TxnResponse {
  readonly header: ResponseHeader | null;
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}
export interface CompactionRequest {
  readonly revision: bigint;
  readonly physical: boolean;
}
export interface WatchCreateRequest {
  readonly key: Uint8Array;
  readonly range_end: Uint8Array;
  readonly start_revision: bigint;
  readonly progress_notify: boolean;
  readonly filters: readonly number[];
  readonly prev_kv: boolean;
  readonly watch_id: bigint;
  readonly fragment: boolean;
}
export interface WatchRequest {
  readonly create_request?: WatchCreateRequest;
  readonly cancel_request?: { readonly watch_id: bigint };
  readonly progress_request?: Empty;
}
export interface WatchEvent {
  readonly type: number;
  readonly kv: KeyValue | null;
  readonly prev_kv: KeyValue | null;
}
export interface WatchResponse {
  readonly header: ResponseHeader | null;
  readonly watch_id: bigint;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: bigint;
  readonly cancel_reason: string;
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

export const rangeRequest = etcd<RangeRequest>('RangeRequest');
export const rangeResponse = etcd<RangeResponse>('RangeResponse');
export const rangeStreamResponse = etcd<{ readonly range_response: RangeResponse | null }>(
  'RangeStreamResponse',
);
export const putRequest = etcd<PutRequest>('PutRequest');
export const putResponse = etcd<PutResponse>('PutResponse');
export const deleteRangeRequest = etcd<DeleteRangeRequest>('DeleteRangeRequest');
export const deleteRangeResponse = etcd<DeleteRangeResponse>('DeleteRangeResponse');
export const txnRequest = etcd<TxnRequest>('TxnRequest');
export const txnResponse = etcd<TxnResponse>('TxnResponse');
export const compactionRequest = etcd<CompactionRequest>('CompactionRequest');
export const compactionResponse = etcd<{ readonly header: ResponseHeader | null }>(
  'CompactionResponse',
);
export const watchRequest = etcd<WatchRequest>('WatchRequest');
export const watchResponse = etcd<WatchResponse>('WatchResponse');
