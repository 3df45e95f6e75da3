// What the peer transport is told when it is made: who this member is, and its bounds. The times
// follow from the election timeout, since a link that is dead for longer is of no use to Raft: one
// without a sign of life for a little longer counts as dead. Read by all parts of the transport.

import type { SecureDialler } from '../http/secure.js';
import type { TransferEvents } from './types.js';
import type { Identity } from './wire/handshake.js';

export interface PeersOptions extends Identity {
  /** How long a handed over proposal may take to be queued. */
  readonly requestTimeoutMs: number;
  /** Bytes a second of all snapshots that are sent; 0 for no limit. */
  readonly snapshotBytesPerSecond: number;
  /** How connections are encrypted; without one there are only plain ones. */
  readonly dialler?: SecureDialler;
  /** False: as members of versions that know no raw streams, which need not be. */
  readonly rawStreams?: boolean;
  /** Bounds that tests make smaller. */
  readonly limits?: Partial<PeerLimits>;
  /** Counts snapshots. */
  readonly transfers?: TransferEvents;
}

export interface PeerLimits {
  /** Bytes that may wait for a member: urgent messages, and entries. */
  readonly controlQueueBytes: number;
  readonly bulkQueueBytes: number;
  /** Bytes of a snapshot that travel as one chunk. */
  readonly chunkBytes: number;
  /** Chunks that may be under way without being confirmed. */
  readonly chunksInFlight: number;
  /** Snapshots that are sent at a time. */
  readonly transfersMax: number;
  /** A transfer fails when nothing has moved for so long. */
  readonly transferStallMs: number;
}

export const defaultLimits: PeerLimits = {
  controlQueueBytes: 1 << 20,
  bulkQueueBytes: 32 << 20,
  chunkBytes: 1 << 20,
  chunksInFlight: 4,
  transfersMax: 4,
  transferStallMs: 30_000,
};

/** Ticks of the transport in an election timeout. */
export const TICKS_PER_ELECTION = 4;
/** Ticks without an answer after which the urgent stream counts as dead: 1.25 to 1.5 timeouts. */
export const SILENT_TICKS = TICKS_PER_ELECTION + 1;

const TICK_MS_MIN = 10;
/** Streams of entries may be busy with one large frame: they get at least so long. */
const BULK_SILENCE_MS = 2000;
const CONNECT_MS = 1000;

export interface Timing {
  readonly electionMs: number;
  readonly tickMs: number;
  readonly connectMs: number;
  readonly connectTicks: number;
  readonly bulkSilentTicks: number;
}

export function timingOf(electionMs: number): Timing {
  const tickMs = Math.max(TICK_MS_MIN, Math.ceil(electionMs / TICKS_PER_ELECTION));
  const connectMs = Math.max(CONNECT_MS, electionMs);
  return {
    electionMs,
    tickMs,
    connectMs,
    connectTicks: Math.ceil(connectMs / tickMs),
    bulkSilentTicks: Math.ceil(Math.max(BULK_SILENCE_MS, 2 * electionMs) / tickMs),
  };
}
