// What a member is opened with, resolved from the flags by src/app. Durations in milliseconds.
// Sizes are bytes. Nothing in it changes while the member runs.

import type { TokenKeeper } from '../state/auth/tokens/types.js';
import type { OpenOptions } from '../storage/native.js';

import type { BootstrapPlan } from './bootstrap/plan.js';
import type { RaftLimits } from './bootstrap/raft-node.js';
import type { FetchVersion } from './membership/version-monitor.js';
import type { CheckpointPolicy } from './replica/disk/checkpoints.js';
import type { Batching } from './replica/requests/batching.js';

export interface MemberOptions {
  readonly name: string;
  /** Advertised to clients and published to the cluster, verbatim. */
  readonly clientUrls: readonly string[];
  /** Advertised to peers when this member was made; its cluster may know it by others since. */
  readonly peerUrls: readonly string[];
  readonly bootstrap: BootstrapPlan;
  /** What the native side is opened with. */
  readonly core: OpenOptions;
  readonly heartbeatMs: number;
  /** Heartbeats without a leader until an election. */
  readonly electionTicks: number;
  readonly preVote: boolean;
  /** How much Raft has under way; the usual limits when left out. */
  readonly raft?: RaftLimits;
  /** How proposals are put together; by default all that waits, at once. */
  readonly batching?: Batching;
  /** Whether a member that has just started may shorten its first election timeout. */
  readonly initialElectionTickAdvance: boolean;
  /** Whether changes of the membership are refused that would put the quorum at risk. */
  readonly strictReconfigCheck: boolean;
  /** Learners that the cluster may have at once. */
  readonly maxLearners: number;
  /** Sending a snapshot takes no more than this; 0 for no limit. */
  readonly snapshotTransferBytesPerSecond: number;
  /** Time that a proposal or linearizable read may take. */
  readonly requestTimeoutMs: number;
  readonly checkpoints: CheckpointPolicy;
  /** Null when the remaining time of leases is not replicated. */
  readonly leaseCheckpointIntervalMs: number | null;
  /** `X.Y.0`: what a cluster of such members agrees on. */
  readonly clusterVersion: string;
  /** Asks another member for its release; without it no member can be asked. */
  readonly fetchVersion?: FetchVersion;
  /** Is told by the log which tokens there are; without it, nobody is. */
  readonly tokens?: TokenKeeper;
  /** Of the random spread of election timeouts. */
  readonly seed: number;
  /** Disk or engine failed: nothing may be acknowledged any more. Must end the process. */
  readonly onFatal: (message: string) => void;
  /** This member has been removed from its cluster for good. Must end the process. */
  readonly onRemoved: () => void;
}
