// The messages of the Lock and Election services as types with codecs. Those services are put
// together in src/api/services/concurrency; tests use the codecs too.

import { Codec } from './codec.js';
import type { KeyValue } from './kv-messages.js';
import type { ResponseHeader } from './messages.js';

interface WithHeader {
  readonly header: ResponseHeader | null;
}

export interface LockRequest {
  readonly name: Buffer;
  readonly lease: bigint;
}
export interface LockResponse extends WithHeader {
  readonly key: Buffer;
}
export interface UnlockRequest {
  readonly key: Buffer;
}

const lock = <T>(name: string): Codec<T> => new Codec<T>(`v3lockpb.${name}`);

export const lockRequest = lock<LockRequest>('LockRequest');
export const lockResponse = lock<LockResponse>('LockResponse');
export const unlockRequest = lock<UnlockRequest>('UnlockRequest');
export const unlockResponse = lock<WithHeader>('UnlockResponse');

export interface CampaignRequest {
  readonly name: Buffer;
  readonly lease: bigint;
  readonly value: Buffer;
}
/** Who holds an election, and since which revision. */
export interface LeaderKey {
  readonly name: Buffer;
  readonly key: Buffer;
  readonly rev: bigint;
  readonly lease: bigint;
}
export interface CampaignResponse extends WithHeader {
  readonly leader: LeaderKey | null;
}
export interface LeaderRequest {
  readonly name: Buffer;
}
export interface LeaderResponse extends WithHeader {
  readonly kv: KeyValue | null;
}
export interface ResignRequest {
  readonly leader: LeaderKey | null;
}
export interface ProclaimRequest {
  readonly leader: LeaderKey | null;
  readonly value: Buffer;
}

const election = <T>(name: string): Codec<T> => new Codec<T>(`v3electionpb.${name}`);

export const campaignRequest = election<CampaignRequest>('CampaignRequest');
export const campaignResponse = election<CampaignResponse>('CampaignResponse');
export const leaderRequest = election<LeaderRequest>('LeaderRequest');
export const leaderResponse = election<LeaderResponse>('LeaderResponse');
export const resignRequest = election<ResignRequest>('ResignRequest');
export const resignResponse = election<WithHeader>('ResignResponse');
export const proclaimRequest = election<ProclaimRequest>('ProclaimRequest');
export const proclaimResponse = election<WithHeader>('ProclaimResponse');
