// What the member and its connections to other members expect of each other. The member hands over
// messages and proposals and never waits; what comes from peers is checked before it is handed on.
// Implemented by peers.ts on one side and by src/server on the other.

import type { SharedErrorCode } from '../../base/errors.js';
import type { Message } from '../../raft/index.js';
import type { MemberCore } from '../../storage/native.js';

/** One other member. */
export interface PeerAddress {
  readonly id: bigint;
  readonly peerUrls: readonly string[];
}

/**
 * Sends to other members. No method blocks or throws because of what the network does, and none
 * calls PeerEvents before it has returned.
 */
export interface PeerSender {
  /**
   * Sends one message, in order with others of its kind to that member; lost when the member cannot
   * be reached or takes too little. Entries travel as `run` (entry-run.ts); with null they are
   * proposals of configuration changes, whose bytes are in the message.
   */
  send(message: Message, run: Uint8Array | null): void;
  /** Exports the state and transfers it; ends with `PeerEvents.snapshotDone`. */
  sendSnapshot(message: Message): void;
  /**
   * Hands proposals (MemberCore.takeForwards) to the leader of the term. Resolves with null when
   * they are queued there, or with the reason why they certainly are not: ProposalDropped when they
   * did not get there, so try again later, not at once. Rejects when nobody knows.
   */
  forward(to: bigint, term: number, forwards: Uint8Array): Promise<SharedErrorCode | null>;
}

/** What the member's part in the cluster looks like to others, and where their words go. */
export interface PeerEvents {
  /** A message that passed `checkPeerMessage` and is from whom it says; entries are decoded. */
  receive(message: Message): void;
  /** Proposals of another member; null when they have been queued. */
  forwarded(term: number, forwards: Uint8Array): SharedErrorCode | null;
  /** Messages to the member got lost. */
  unreachable(id: bigint): void;
  /** The transfer of a snapshot to the member is over. */
  snapshotDone(to: bigint, ok: boolean): void;
  /** A whole snapshot is here; the receiver owns the import now. */
  snapshotReceived(message: Message, importId: number): void;
  /** Another member says that this one has been removed from the cluster. */
  removed(): void;
  /** Whether the id was a member once and is none any more. */
  isRemoved(id: bigint): boolean;
  /** A message to the member and its echo took so long; for statistics. */
  roundTrip?(id: bigint, milliseconds: number): void;
}

/** What native code does for peers. */
export type PeerCore = Pick<
  MemberCore,
  | 'inspectEntries'
  | 'exportSnapshot'
  | 'readExport'
  | 'closeExport'
  | 'openImport'
  | 'writeImport'
  | 'closeImport'
>;

/** Who is connected, for health rules. */
export interface PeerConnections {
  /** Since when (monotonic milliseconds) both directions have worked; null while they do not. */
  connectedSinceMs(id: bigint): number | null;
}

/** Which of the members has been connected longest without a break; null when none is. */
export function longestConnected(
  connections: PeerConnections,
  ids: readonly bigint[],
): bigint | null {
  let longest: bigint | null = null;
  let longestSinceMs = Number.POSITIVE_INFINITY;
  for (const id of ids) {
    const sinceMs = connections.connectedSinceMs(id);
    if (sinceMs !== null && sinceMs < longestSinceMs) {
      longest = id;
      longestSinceMs = sinceMs;
    }
  }
  return longest;
}

/** The connections to all other members. */
export interface PeerTransport extends PeerSender, PeerConnections {
  /** Who the other members are from now on: they are dialled, and may talk. Never this one. */
  update(members: readonly PeerAddress[]): void;
  /** Snapshots on their way to other members. */
  activeTransfers(): number;
  /** Ends every connection; nothing is sent or handed on afterwards. */
  stop(): Promise<void>;
}

/** What a connection says of this member before anything else. */
export interface PeerIdentity {
  readonly clusterId: bigint;
  readonly memberId: bigint;
}

/** Makes the connections of a member that has been opened. */
export type PeersFactory = (
  identity: PeerIdentity,
  core: PeerCore,
  events: PeerEvents,
) => PeerTransport;

/** What has passed between this member and another since it became known. */
export interface PeerTraffic {
  readonly id: bigint;
  readonly connected: boolean;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** Messages that were dropped, and connections that broke. */
  readonly sendFailures: number;
  /** Streams of it that were closed because of what they carried. */
  readonly receiveFailures: number;
  /** How often the connection was lost. */
  readonly disconnections: number;
}

/** Told when a snapshot sets out, or begins to come; what is returned is called once at its end. */
export interface TransferEvents {
  sending(to: bigint): (ok: boolean) => void;
  receiving(from: bigint): (ok: boolean) => void;
}
