// Who speaks to whom: every call between members carries an identity in its metadata, and so does
// every answer. The receiver refuses what does not belong to its cluster with a status and a stable
// name of the reason. Used by both directions of the transport; the keys are those of etcd's peer
// requests where there is one.

import grpc from '@grpc/grpc-js';

import { hexId } from '../../../base/bytes.js';

/** Version of proto/metastore/peer.proto that is spoken, and the lowest that is understood. */
export const PEER_PROTOCOL = 1;
export const PEER_PROTOCOL_MIN = 1;

export type EngineName = 'memory' | 'rocksdb';

/** What a member says of itself. */
export interface Identity {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** The etcd release whose interface it has, and the lowest release of a cluster it can be in. */
  readonly version: string;
  readonly minClusterVersion: string;
  readonly engine: EngineName;
  readonly peerUrls: readonly string[];
  /** The election timeout: how often it gives signs of life follows from it. */
  readonly electionMs: number;
}

/** Why a call from a member is not served. */
export type RefusalName =
  | 'malformed'
  | 'version'
  | 'cluster-id'
  | 'removed'
  | 'unknown-sender'
  | 'wrong-receiver'
  | 'invalid-message'
  | 'replaced'
  | 'silent'
  | 'stopped';

/** What is read of the URLs that somebody names; a longer list counts as none. */
const URLS_CHARACTERS_MAX = 1000;

interface RefusalRow {
  readonly code: grpc.status;
  readonly text: string;
}

export const refusals: Readonly<Record<RefusalName, RefusalRow>> = {
  malformed: { code: grpc.status.INVALID_ARGUMENT, text: 'malformed handshake' },
  version: { code: grpc.status.FAILED_PRECONDITION, text: 'incompatible version' },
  'cluster-id': { code: grpc.status.FAILED_PRECONDITION, text: 'cluster ID mismatch' },
  removed: {
    code: grpc.status.PERMISSION_DENIED,
    text: 'the member has been permanently removed from the cluster',
  },
  'unknown-sender': { code: grpc.status.NOT_FOUND, text: 'sender not found' },
  'wrong-receiver': { code: grpc.status.FAILED_PRECONDITION, text: 'to field mismatch' },
  'invalid-message': { code: grpc.status.INVALID_ARGUMENT, text: 'invalid message' },
  replaced: { code: grpc.status.ABORTED, text: 'replaced by a newer stream of the same member' },
  silent: { code: grpc.status.UNAVAILABLE, text: 'no sign of life from the sender' },
  stopped: { code: grpc.status.UNAVAILABLE, text: 'member is stopping' },
};

const keys = {
  clusterId: 'x-etcd-cluster-id',
  from: 'x-server-from',
  to: 'x-raft-to',
  version: 'x-server-version',
  minVersion: 'x-min-cluster-version',
  peerUrls: 'x-peerurls',
  protocol: 'x-metastore-protocol',
  minProtocol: 'x-metastore-min-protocol',
  engine: 'x-metastore-engine',
  electionMs: 'x-metastore-election-ms',
  refusal: 'x-metastore-refusal',
} as const;

/** What the other side of a call has said. */
export interface Greeting {
  readonly identity: Identity;
  readonly to: bigint;
  readonly protocol: number;
  readonly minProtocol: number;
}

/** Metadata of a call or an answer; `to` is 0 where the receiver's id is not known. */
export function greet(self: Identity, to: bigint): grpc.Metadata {
  const metadata = new grpc.Metadata();
  metadata.set(keys.clusterId, hexId(self.clusterId));
  metadata.set(keys.from, hexId(self.memberId));
  metadata.set(keys.to, hexId(to));
  metadata.set(keys.version, self.version);
  metadata.set(keys.minVersion, self.minClusterVersion);
  metadata.set(keys.peerUrls, self.peerUrls.join(','));
  metadata.set(keys.protocol, String(PEER_PROTOCOL));
  metadata.set(keys.minProtocol, String(PEER_PROTOCOL_MIN));
  metadata.set(keys.engine, self.engine);
  metadata.set(keys.electionMs, String(self.electionMs));
  return metadata;
}

function text(metadata: grpc.Metadata, key: string): string | null {
  const [value] = metadata.get(key);
  return typeof value === 'string' ? value : null;
}

function id(metadata: grpc.Metadata, key: string): bigint | null {
  const value = text(metadata, key);
  return value !== null && /^[0-9a-f]{1,16}$/.test(value) ? BigInt(`0x${value}`) : null;
}

function count(metadata: grpc.Metadata, key: string): number | null {
  const value = text(metadata, key);
  return value !== null && /^[0-9]{1,6}$/.test(value) ? Number(value) : null;
}

/** Major and minor number, or null. */
function majorMinor(version: string | null): readonly [number, number] | null {
  const match = /^([0-9]{1,6})\.([0-9]{1,6})(?:\.|-|\+|$)/.exec(version ?? '');
  return match === null ? null : [Number(match[1]), Number(match[2])];
}

/** What the metadata says, or null where something is missing or malformed. */
export function readGreeting(metadata: grpc.Metadata): Greeting | null {
  const clusterId = id(metadata, keys.clusterId);
  const memberId = id(metadata, keys.from);
  const to = id(metadata, keys.to);
  const version = text(metadata, keys.version);
  const minClusterVersion = text(metadata, keys.minVersion);
  const protocol = count(metadata, keys.protocol);
  const minProtocol = count(metadata, keys.minProtocol);
  const engine = text(metadata, keys.engine);
  if (clusterId === null || memberId === null || to === null || version === null) {
    return null;
  }
  if (minClusterVersion === null || protocol === null || minProtocol === null) {
    return null;
  }
  const electionMs = count(metadata, keys.electionMs);
  if ((engine !== 'memory' && engine !== 'rocksdb') || electionMs === null) {
    return null;
  }
  const urls = text(metadata, keys.peerUrls) ?? '';
  const readable = urls.length <= URLS_CHARACTERS_MAX ? urls.split(',') : [];
  const peerUrls = readable.filter((url) => url !== '');
  const numbers = { clusterId, memberId, electionMs };
  const identity = { ...numbers, version, minClusterVersion, engine, peerUrls } as const;
  return { identity, to, protocol, minProtocol };
}

function isBelow(a: readonly [number, number], b: readonly [number, number]): boolean {
  return a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);
}

function areCompatible(self: Identity, other: Greeting): boolean {
  const ours = majorMinor(self.version);
  const ourMin = majorMinor(self.minClusterVersion);
  const theirs = majorMinor(other.identity.version);
  const theirMin = majorMinor(other.identity.minClusterVersion);
  if (ours === null || ourMin === null || theirs === null || theirMin === null) {
    return false;
  }
  return (
    !isBelow(theirs, ourMin) &&
    !isBelow(ours, theirMin) &&
    other.protocol >= PEER_PROTOCOL_MIN &&
    other.minProtocol <= PEER_PROTOCOL
  );
}

/** Who may talk to a member. */
export interface Acquaintance {
  isMember(id: bigint): boolean;
  /** Whether to listen to a member of this cluster that is not known, being newer than the log. */
  admit(newer: Identity): boolean;
  isRemoved(id: bigint): boolean;
}

/** Why a call with this greeting is refused, or null when it is served. */
export function refusalOf(
  self: Identity,
  greeting: Greeting | null,
  known: Acquaintance,
): RefusalName | null {
  if (greeting === null) {
    return 'malformed';
  }
  if (!areCompatible(self, greeting)) {
    return 'version';
  }
  if (greeting.identity.clusterId !== self.clusterId) {
    return 'cluster-id';
  }
  if (known.isRemoved(greeting.identity.memberId)) {
    return 'removed';
  }
  const isMember = known.isMember(greeting.identity.memberId);
  if (isMember && greeting.to !== self.memberId) {
    return 'wrong-receiver';
  }
  const isMeant = greeting.to === self.memberId;
  return isMember || (isMeant && known.admit(greeting.identity)) ? null : 'unknown-sender';
}

/** What ends a refused call: code, text, the reason's name, and who refuses. */
export function refusalStatus(
  self: Identity,
  to: bigint,
  name: RefusalName,
  detail = '',
): grpc.ServiceError {
  const row = refusals[name];
  const details = detail === '' ? row.text : `${row.text}: ${detail}`;
  const metadata = greet(self, to);
  metadata.set(keys.refusal, name);
  return Object.assign(new Error(details), { code: row.code, details, metadata });
}

/** The reason that a refusal's status names; null for the status of something else. */
export function refusalNameOf(metadata: grpc.Metadata | undefined): RefusalName | null {
  const name = metadata === undefined ? null : text(metadata, keys.refusal);
  return name !== null && Object.hasOwn(refusals, name) ? (name as RefusalName) : null;
}
