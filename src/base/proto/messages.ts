// The messages that TypeScript reads or writes, as types, and a codec for each. Field names are
// those of the .proto files, which the JSON form shares. Handlers of the services, the replica loop
// and the thin test client use them.

import type { AuthRequests } from './auth-messages.js';
import { Codec } from './codec.js';

export interface ResponseHeader {
  readonly cluster_id: bigint;
  readonly member_id: bigint;
  readonly revision: bigint;
  readonly raft_term: bigint;
}

interface WithHeader {
  readonly header: ResponseHeader | null;
}

export type Empty = Readonly<Record<string, never>>;

const etcd = <T>(name: string): Codec<T> => new Codec<T>(`etcdserverpb.${name}`);

export const responseHeader = etcd<ResponseHeader>('ResponseHeader');

// Leases.
export interface LeaseId {
  readonly ID: bigint;
}
export interface LeaseGrantRequest extends LeaseId {
  readonly TTL: bigint;
}
export interface LeaseGrantResponse extends WithHeader, LeaseId {
  readonly TTL: bigint;
  readonly error: string;
}
export interface LeaseKeepAliveResponse extends WithHeader, LeaseId {
  readonly TTL: bigint;
}
export interface LeaseTimeToLiveRequest extends LeaseId {
  readonly keys: boolean;
}
export interface LeaseTimeToLiveResponse extends WithHeader, LeaseId {
  readonly TTL: bigint;
  readonly grantedTTL: bigint;
  readonly keys: readonly Buffer[];
}
export interface LeaseLeasesResponse extends WithHeader {
  readonly leases: readonly LeaseId[];
}
export interface LeaseCheckpoint extends LeaseId {
  readonly remaining_TTL: bigint;
}
export interface LeaseCheckpointRequest {
  readonly checkpoints: readonly LeaseCheckpoint[];
}

export const leaseGrantRequest = etcd<LeaseGrantRequest>('LeaseGrantRequest');
export const leaseGrantResponse = etcd<LeaseGrantResponse>('LeaseGrantResponse');
export const leaseRevokeRequest = etcd<LeaseId>('LeaseRevokeRequest');
export const leaseRevokeResponse = etcd<WithHeader>('LeaseRevokeResponse');
export const leaseKeepAliveRequest = etcd<LeaseId>('LeaseKeepAliveRequest');
export const leaseKeepAliveResponse = etcd<LeaseKeepAliveResponse>('LeaseKeepAliveResponse');
export const leaseTimeToLiveRequest = etcd<LeaseTimeToLiveRequest>('LeaseTimeToLiveRequest');
export const leaseTimeToLiveResponse = etcd<LeaseTimeToLiveResponse>('LeaseTimeToLiveResponse');
export const leaseLeasesRequest = etcd<Empty>('LeaseLeasesRequest');
export const leaseLeasesResponse = etcd<LeaseLeasesResponse>('LeaseLeasesResponse');
export const leaseCheckpointRequest = etcd<LeaseCheckpointRequest>('LeaseCheckpointRequest');
/** What members ask each other about a lease. */
export const leaseInternalRequest = new Codec<{
  readonly LeaseTimeToLiveRequest: LeaseTimeToLiveRequest | null;
}>('leasepb.LeaseInternalRequest');
export const leaseInternalResponse = new Codec<{
  readonly LeaseTimeToLiveResponse: LeaseTimeToLiveResponse | null;
}>('leasepb.LeaseInternalResponse');

// Cluster.
export interface Member {
  readonly ID: bigint;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}
export interface MemberListRequest {
  readonly linearizable: boolean;
}
export interface MemberListResponse extends WithHeader {
  readonly members: readonly Member[];
}

export const memberListRequest = etcd<MemberListRequest>('MemberListRequest');
export const memberListResponse = etcd<MemberListResponse>('MemberListResponse');

export interface MemberAddRequest {
  readonly peerURLs: readonly string[];
  readonly isLearner: boolean;
}
export interface MemberAddResponse extends WithHeader {
  readonly member: Member | null;
  readonly members: readonly Member[];
}
export interface MemberUpdateRequest {
  readonly ID: bigint;
  readonly peerURLs: readonly string[];
}

export const memberAddRequest = etcd<MemberAddRequest>('MemberAddRequest');
export const memberAddResponse = etcd<MemberAddResponse>('MemberAddResponse');
export const memberRemoveRequest = etcd<{ readonly ID: bigint }>('MemberRemoveRequest');
export const memberRemoveResponse = etcd<MemberListResponse>('MemberRemoveResponse');
export const memberUpdateRequest = etcd<MemberUpdateRequest>('MemberUpdateRequest');
export const memberUpdateResponse = etcd<MemberListResponse>('MemberUpdateResponse');
export const memberPromoteRequest = etcd<{ readonly ID: bigint }>('MemberPromoteRequest');
export const memberPromoteResponse = etcd<MemberListResponse>('MemberPromoteResponse');

// Maintenance.
export interface AlarmMember {
  readonly memberID: bigint;
  readonly alarm: number;
}
export interface AlarmRequest extends AlarmMember {
  readonly action: number;
}
export interface AlarmResponse extends WithHeader {
  readonly alarms: readonly AlarmMember[];
}
export interface StatusResponse extends WithHeader {
  readonly version: string;
  readonly dbSize: bigint;
  readonly leader: bigint;
  readonly raftIndex: bigint;
  readonly raftTerm: bigint;
  readonly raftAppliedIndex: bigint;
  readonly errors: readonly string[];
  readonly dbSizeInUse: bigint;
  readonly isLearner: boolean;
  readonly storageVersion: string;
  readonly dbSizeQuota: bigint;
  readonly downgradeInfo: { readonly enabled: boolean; readonly targetVersion: string } | null;
}
export interface HashResponse extends WithHeader {
  readonly hash: number;
}
export interface HashKvResponse extends WithHeader {
  readonly hash: number;
  readonly compact_revision: bigint;
  readonly hash_revision: bigint;
}
export interface DowngradeRequest {
  readonly action: number;
  readonly version: string;
}

export const alarmRequest = etcd<AlarmRequest>('AlarmRequest');
export const alarmResponse = etcd<AlarmResponse>('AlarmResponse');
export const statusRequest = etcd<Empty>('StatusRequest');
export const statusResponse = etcd<StatusResponse>('StatusResponse');
export const hashResponse = etcd<HashResponse>('HashResponse');
export const hashKvRequest = etcd<{ readonly revision: bigint }>('HashKVRequest');
export const hashKvResponse = etcd<HashKvResponse>('HashKVResponse');
export const snapshotRequest = etcd<Empty>('SnapshotRequest');
export interface SnapshotResponse extends WithHeader {
  readonly remaining_bytes: bigint;
  readonly blob: Buffer;
  readonly version: string;
}
export const snapshotResponse = etcd<SnapshotResponse>('SnapshotResponse');
export const moveLeaderRequest = etcd<{ readonly targetID: bigint }>('MoveLeaderRequest');
export const moveLeaderResponse = etcd<WithHeader>('MoveLeaderResponse');
export const downgradeRequest = etcd<DowngradeRequest>('DowngradeRequest');
export const downgradeResponse = etcd<WithHeader & { readonly version: string }>(
  'DowngradeResponse',
);
export const emptyRequest = etcd<Empty>('EmptyResponse');

// What the log carries besides the clients' own requests.
export interface ClusterVersionSet {
  readonly ver: string;
}
export interface MemberAttributes {
  readonly name: string;
  readonly client_urls: readonly string[];
  /** The newest format of log entries that it reads. */
  readonly entry_format: number;
}
export interface MemberAttributesSet {
  readonly member_ID: bigint;
  readonly member_attributes: MemberAttributes | null;
}
/** The part of InternalRaftRequest that TypeScript decides or proposes. */
export interface InternalRaftRequest extends AuthRequests {
  readonly header: {
    readonly ID: bigint;
    readonly username: string;
    readonly auth_revision: bigint;
  } | null;
  readonly lease_revoke: LeaseId | null;
  readonly lease_checkpoint: LeaseCheckpointRequest | null;
  readonly alarm: AlarmRequest | null;
  readonly cluster_version_set: ClusterVersionSet | null;
  readonly cluster_member_attr_set: MemberAttributesSet | null;
  readonly downgrade_info_set: { readonly enabled: boolean; readonly ver: string } | null;
}

export const internalRaftRequest = etcd<InternalRaftRequest>('InternalRaftRequest');

// Health.
export const healthCheckRequest = new Codec<{ readonly service: string }>(
  'grpc.health.v1.HealthCheckRequest',
);
export const healthCheckResponse = new Codec<{ readonly status: number }>(
  'grpc.health.v1.HealthCheckResponse',
);
export const healthListResponse = new Codec<{
  readonly statuses: Readonly<Record<string, { readonly status: number }>>;
}>('grpc.health.v1.HealthListResponse');
