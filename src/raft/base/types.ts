// The vocabulary of the consensus core: entries, messages, states, and what it needs from its
// caller (storage, logger). Everything that crosses the core's border is declared here. Enum
// values are those of the protocol's wire format, so that they can be written out unchanged.

/** A replica's id, all 64 bits of it; 0 means none. */
export type NodeId = bigint;

export const NONE: NodeId = 0n;

/** Receiver of MsgStorageAppend: whoever writes the log, hard state and snapshots. */
export const LOCAL_APPEND_THREAD: NodeId = 2n ** 64n - 1n;

/** Receiver of MsgStorageApply: whoever applies committed entries. */
export const LOCAL_APPLY_THREAD: NodeId = 2n ** 64n - 2n;

export const EntryType = { Normal: 0, ConfChange: 1, ConfChangeV2: 2 } as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

export const MessageType = {
  Hup: 0,
  Beat: 1,
  Prop: 2,
  App: 3,
  AppResp: 4,
  Vote: 5,
  VoteResp: 6,
  Snap: 7,
  Heartbeat: 8,
  HeartbeatResp: 9,
  Unreachable: 10,
  SnapStatus: 11,
  CheckQuorum: 12,
  TransferLeader: 13,
  TimeoutNow: 14,
  ReadIndex: 15,
  ReadIndexResp: 16,
  PreVote: 17,
  PreVoteResp: 18,
  StorageAppend: 19,
  StorageAppendResp: 20,
  StorageApply: 21,
  StorageApplyResp: 22,
  ForgetLeader: 23,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

export const ConfChangeTransition = { Auto: 0, JointImplicit: 1, JointExplicit: 2 } as const;
export type ConfChangeTransition = (typeof ConfChangeTransition)[keyof typeof ConfChangeTransition];

export const ConfChangeType = {
  AddNode: 0,
  RemoveNode: 1,
  UpdateNode: 2,
  AddLearnerNode: 3,
} as const;
export type ConfChangeType = (typeof ConfChangeType)[keyof typeof ConfChangeType];

export const StateType = { Follower: 0, Candidate: 1, Leader: 2, PreCandidate: 3 } as const;
export type StateType = (typeof StateType)[keyof typeof StateType];

/** How linearizable reads are confirmed: by a round of heartbeats, or by the leader's lease. */
export const ReadOnlyOption = { Safe: 0, LeaseBased: 1 } as const;
export type ReadOnlyOption = (typeof ReadOnlyOption)[keyof typeof ReadOnlyOption];

/**
 * An entry's bytes as far as the core needs them: their number. Production payloads live in
 * native memory and the core never reads them; a Uint8Array is a Payload as well.
 */
export interface Payload {
  readonly byteLength: number;
}

/**
 * One entry of the replicated log. `data` is null where the field is absent on the wire (a new
 * leader's empty entry), which is two bytes less than an empty payload. `typed` says whether the
 * type is written out although it is the default: it decides the entry's encoded size, and with
 * it where batches are cut. Entries of a configuration change carry a Uint8Array.
 */
export interface Entry {
  readonly type: EntryType;
  readonly term: number;
  readonly index: number;
  readonly data: Payload | null;
  readonly typed: boolean;
}

/** What must survive a restart besides the log; durable before any message that relies on it. */
export interface HardState {
  readonly term: number;
  readonly vote: NodeId;
  readonly commit: number;
}

/** The volatile state worth telling the application; never persisted. */
export interface SoftState {
  readonly lead: NodeId;
  readonly raftState: StateType;
}

/** The membership at some index; all lists ascend. Outgoing voters are present in joint use. */
export interface ConfState {
  readonly voters: readonly NodeId[];
  readonly learners: readonly NodeId[];
  readonly votersOutgoing: readonly NodeId[];
  readonly learnersNext: readonly NodeId[];
  readonly autoLeave: boolean;
}

export interface SnapshotMetadata {
  readonly confState: ConfState;
  readonly index: number;
  readonly term: number;
}

/** A state machine image and the log position it stands for; index 0 means no snapshot. */
export interface Snapshot {
  readonly data: Payload | null;
  readonly metadata: SnapshotMetadata;
}

/** A change of one member. `id` identifies the request and is encoded only when not 0. */
export interface ConfChange {
  readonly id: bigint;
  readonly type: ConfChangeType;
  readonly nodeId: NodeId;
  readonly context: Uint8Array | null;
}

export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  readonly nodeId: NodeId;
}

/** A change of any number of members, possibly through a joint configuration. */
export interface ConfChangeV2 {
  readonly transition: ConfChangeTransition;
  readonly changes: readonly ConfChangeSingle[];
  readonly context: Uint8Array | null;
}

/** A message between replicas, or between a replica and its own storage threads. */
export interface Message {
  readonly type: MessageType;
  readonly to: NodeId;
  readonly from: NodeId;
  readonly term: number;
  readonly logTerm: number;
  readonly index: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  readonly vote: NodeId;
  readonly snapshot: Snapshot | null;
  readonly reject: boolean;
  readonly rejectHint: number;
  readonly context: Uint8Array | null;
  /** Answers that the receiving storage thread delivers once its work is done. */
  readonly responses: readonly Message[];
}

/** A finished read: safe to serve once everything up to `index` is applied. */
export interface ReadState {
  readonly index: number;
  readonly requestCtx: Uint8Array;
}

/** Work for the caller; see README.md for the order in which it has to be done. */
export interface Ready {
  readonly softState: SoftState | null;
  readonly hardState: HardState | null;
  readonly readStates: readonly ReadState[];
  readonly entries: readonly Entry[];
  readonly snapshot: Snapshot | null;
  readonly committedEntries: readonly Entry[];
  readonly messages: readonly Message[];
  /** Whether entries and hard state must be synced before the messages are released. */
  readonly mustSync: boolean;
}

/**
 * The stable part of the log as the core reads it. All calls are synchronous, so an
 * implementation keeps terms and sizes in memory. Methods throw RaftStorageError.
 */
export interface Storage {
  initialState(): { hardState: HardState; confState: ConfState };
  /**
   * Entries lo (inclusive) to hi (exclusive), cut so that their encoded sizes sum up to at most
   * maxBytes, but never fewer than one.
   *
   * @throws RaftStorageError 'compacted' if lo is no longer held, 'unavailable' if not yet held
   */
  entries(lo: number, hi: number, maxBytes: number): Entry[];
  /** The term of index i, for firstIndex()-1 ≤ i ≤ lastIndex(). */
  term(i: number): number;
  lastIndex(): number;
  firstIndex(): number;
  /** @throws RaftStorageError 'snapshot-temporarily-unavailable' to be asked again later */
  snapshot(): Snapshot;
}

/** Text of a log line, built only if the line is wanted, and only during the logging call. */
export type LogText = () => string;

/** Where the core's log lines go; an unwanted level simply does not call the text. */
export interface Logger {
  debug(text: LogText): void;
  info(text: LogText): void;
  warning(text: LogText): void;
  error(text: LogText): void;
  fatal(text: LogText): void;
}
