// The settings of one replica's state machine, their rules and defaults. Checked once, when a
// RawNode is made; the state machine works with the resolved form.

import { assert, panic } from '../base/assert.js';
import type { Logger, NodeId, Storage } from '../base/types.js';
import { NONE, ReadOnlyOption } from '../base/types.js';
import { isStorageThread } from '../wire/messages.js';

export interface Config {
  /** This replica's id: not 0, and not one of the storage threads' ids. */
  readonly id: NodeId;
  /** Ticks without a leader until an election; at most twice that, by chance. */
  readonly electionTick: number;
  /** Ticks between a leader's heartbeats; less than electionTick. */
  readonly heartbeatTick: number;
  readonly storage: Storage;
  /** The last index applied before this start; 0 (default) if not known. */
  readonly applied?: number;
  /** Hands all storage work out as messages, so that several writes can be under way. */
  readonly asyncStorageWrites?: boolean;
  /** Encoded bytes of entries per append message; Infinity for no limit, 0 for one entry. */
  readonly maxSizePerMsg: number;
  /** Encoded bytes of entries being applied at once; 0 (default) means maxSizePerMsg. */
  readonly maxCommittedSizePerReady?: number;
  /** Payload bytes that a leader holds uncommitted; 0 (default) means no limit. */
  readonly maxUncommittedEntriesSize?: number;
  /** Append messages on the way to one peer. */
  readonly maxInflightMsgs: number;
  /** Payload bytes on the way to one peer; 0 (default) means no limit. */
  readonly maxInflightBytes?: number;
  /** A leader steps down when it has not heard of a quorum for an election timeout. */
  readonly checkQuorum?: boolean;
  /** Asks whether an election could be won before it disturbs the others. */
  readonly preVote?: boolean;
  readonly readOnlyOption?: ReadOnlyOption;
  /** A follower drops proposals instead of sending them to the leader. */
  readonly disableProposalForwarding?: boolean;
  /** The application checks configuration changes itself. */
  readonly disableConfChangeValidation?: boolean;
  /** A leader steps down when a change removes or demotes it. */
  readonly stepDownOnRemoval?: boolean;
  readonly logger: Logger;
  /** A random integer in [0, n): spreads the election timeouts. */
  readonly random: (n: number) => number;
}

export type ResolvedConfig = Required<Config>;

function problemOf(config: ResolvedConfig): string | null {
  if (config.id === NONE) {
    return 'cannot use none as id';
  }
  if (isStorageThread(config.id)) {
    return 'cannot use local target as id';
  }
  if (!(config.heartbeatTick > 0)) {
    return 'heartbeat tick must be greater than 0';
  }
  if (!(config.electionTick > config.heartbeatTick)) {
    return 'election tick must be greater than heartbeat tick';
  }
  // Callers in plain JavaScript, and tests of this rule, can leave it out.
  if ((config.storage as Storage | null | undefined) == null) {
    return 'storage cannot be nil';
  }
  if (!(config.maxInflightMsgs > 0)) {
    return 'max inflight messages must be greater than 0';
  }
  if (config.maxInflightBytes < config.maxSizePerMsg) {
    return 'max inflight bytes must be >= max message size';
  }
  if (config.readOnlyOption === ReadOnlyOption.LeaseBased && !config.checkQuorum) {
    return 'CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased';
  }
  return null;
}

/**
 * Fills in defaults and checks the rules. Limits that are off become Infinity.
 *
 * @throws RaftPanicError with the first broken rule
 */
export function resolveConfig(config: Config): ResolvedConfig {
  const resolved: ResolvedConfig = {
    ...config,
    applied: config.applied ?? 0,
    asyncStorageWrites: config.asyncStorageWrites ?? false,
    maxCommittedSizePerReady: config.maxCommittedSizePerReady || config.maxSizePerMsg,
    maxUncommittedEntriesSize: config.maxUncommittedEntriesSize || Number.POSITIVE_INFINITY,
    maxInflightBytes: config.maxInflightBytes || Number.POSITIVE_INFINITY,
    checkQuorum: config.checkQuorum ?? false,
    preVote: config.preVote ?? false,
    readOnlyOption: config.readOnlyOption ?? ReadOnlyOption.Safe,
    disableProposalForwarding: config.disableProposalForwarding ?? false,
    disableConfChangeValidation: config.disableConfChangeValidation ?? false,
    stepDownOnRemoval: config.stepDownOnRemoval ?? false,
  };
  const problem = problemOf(resolved);
  if (problem !== null) {
    panic(config.logger, problem);
  }
  assert(Number.isSafeInteger(resolved.applied), 'the applied index is an integer');
  assert(resolved.maxSizePerMsg >= 0, 'the message size limit is not negative');
  return resolved;
}
