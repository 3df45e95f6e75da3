// The calls between members that are rare or carry their weight in one byte string: forwarded
// proposals and snapshots, by reflection over proto/metastore/peer.proto. Used by both directions
// of the transport.

import { bytesOf } from '../../../base/bytes.js';
import type { SharedErrorCode } from '../../../base/errors.js';
import { Codec } from '../../../base/proto/codec.js';

const peer = <T>(name: string): Codec<T> => new Codec<T>(`metastore.peer.v1.${name}`);

export interface ForwardRequest {
  readonly term: bigint;
  readonly forwards: Buffer;
}
export interface ForwardResponse {
  readonly error: string;
}

export const forwardRequest = peer<ForwardRequest>('ForwardRequest');
export const forwardResponse = peer<ForwardResponse>('ForwardResponse');

/** Reasons that another member may give for not queueing proposals. */
const forwardErrors: ReadonlySet<string> = new Set<SharedErrorCode>([
  'NotLeader',
  'NoLeader',
  'LeaderChanged',
  'ProposalDropped',
  'TooManyRequests',
  'Unmarshal',
  'Stopped',
  'Internal',
]);

/** What a ForwardResponse says. @throws MetaStoreError Unmarshal */
export function forwardError(reply: Buffer): string {
  return forwardResponse.decode(bytesOf(reply)).error;
}

/** What became of proposals that were handed over; '' says that they are queued. */
export function forwardOutcome(error: string): SharedErrorCode | null {
  if (error === '') {
    return null;
  }
  return forwardErrors.has(error) ? (error as SharedErrorCode) : 'ProposalDropped';
}

export interface ConfStateMessage {
  readonly voters: readonly bigint[];
  readonly learners: readonly bigint[];
  readonly voters_outgoing: readonly bigint[];
  readonly learners_next: readonly bigint[];
  readonly auto_leave: boolean;
}

/** Values of SnapshotOffer.Kind. */
export const SnapshotKindNumber = { image: 1, checkpoint: 2 } as const;

export interface SnapshotOffer {
  readonly transfer_id: bigint;
  readonly term: bigint;
  readonly snapshot_index: bigint;
  readonly snapshot_term: bigint;
  readonly conf_state: ConfStateMessage | null;
  readonly kind: number;
  readonly size_bytes: bigint;
}
export interface SnapshotAnswer {
  readonly accepted: boolean;
  readonly offset: bigint;
  readonly reason: string;
}
export interface SnapshotChunk {
  readonly transfer_id: bigint;
  readonly offset: bigint;
  readonly data: Buffer;
}
export interface SnapshotProgress {
  readonly offset: bigint;
}

export const snapshotOffer = peer<SnapshotOffer>('SnapshotOffer');
export const snapshotAnswer = peer<SnapshotAnswer>('SnapshotAnswer');
export const snapshotChunk = peer<SnapshotChunk>('SnapshotChunk');
export const snapshotProgress = peer<SnapshotProgress>('SnapshotProgress');

/** A 64-bit number that is exact in JavaScript, or null. */
export function safeNumber(value: bigint): number | null {
  return value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : null;
}
