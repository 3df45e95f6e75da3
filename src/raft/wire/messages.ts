// Builders and predicates for entries and messages, used all over the core and by whoever
// decodes them from the wire or the log. Building every object with all its fields in one order
// keeps the engine's hidden classes the same, which the hot path relies on.

import type {
  ConfState,
  Entry,
  HardState,
  Message,
  NodeId,
  Payload,
  Snapshot,
  SoftState,
} from '../base/types.js';
import {
  EntryType,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  MessageType,
  NONE,
} from '../base/types.js';

const noEntries: readonly Entry[] = [];
const noMessages: readonly Message[] = [];

export const emptyHardState: HardState = { term: 0, vote: NONE, commit: 0 };

export const emptyConfState: ConfState = {
  voters: [],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
};

export const emptySnapshot: Snapshot = {
  data: null,
  metadata: { confState: emptyConfState, index: 0, term: 0 },
};

/**
 * Builds an entry.
 *
 * @param typed whether the type is on the wire; by default for all but normal entries
 */
export function makeEntry(
  type: EntryType,
  term: number,
  index: number,
  data: Payload | null,
  typed: boolean = type !== EntryType.Normal,
): Entry {
  return { type, term, index, data, typed };
}

/** Builds a message; fields that are not given have their protocol defaults. */
export function makeMessage(
  type: MessageType,
  to: NodeId,
  fields: Partial<Omit<Message, 'type' | 'to'>> = {},
): Message {
  return {
    type,
    to,
    from: fields.from ?? NONE,
    term: fields.term ?? 0,
    logTerm: fields.logTerm ?? 0,
    index: fields.index ?? 0,
    entries: fields.entries ?? noEntries,
    commit: fields.commit ?? 0,
    vote: fields.vote ?? NONE,
    snapshot: fields.snapshot ?? null,
    reject: fields.reject ?? false,
    rejectHint: fields.rejectHint ?? 0,
    context: fields.context ?? null,
    responses: fields.responses ?? noMessages,
  };
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest /= 128) {
    size++;
  }
  return size;
}

/** Bytes of the entry's encoding: the unit of the limits on messages and on applying. */
export function entrySize(entry: Entry): number {
  let size = 2 + varintSize(entry.term) + varintSize(entry.index);
  if (entry.typed) {
    size += 2;
  }
  if (entry.data !== null) {
    const length = entry.data.byteLength;
    size += 1 + varintSize(length) + length;
  }
  return size;
}

export function entriesSize(entries: readonly Entry[]): number {
  let size = 0;
  for (let i = 0; i < entries.length; i++) {
    size += entrySize(entries[i] as Entry);
  }
  return size;
}

/** Payload bytes: the unit of the limits on uncommitted and on in-flight data. */
export function payloadsSize(entries: readonly Entry[]): number {
  let size = 0;
  for (let i = 0; i < entries.length; i++) {
    const data = (entries[i] as Entry).data;
    size += data === null ? 0 : data.byteLength;
  }
  return size;
}

/**
 * The longest prefix whose encoded size is at most maxBytes, but at least one entry where there
 * is one. Returns the argument itself when nothing is cut.
 */
export function limitSize(entries: Entry[], maxBytes: number): Entry[] {
  if (maxBytes === Number.POSITIVE_INFINITY || entries.length <= 1) {
    return entries;
  }
  let size = entrySize(entries[0] as Entry);
  for (let i = 1; i < entries.length; i++) {
    size += entrySize(entries[i] as Entry);
    if (size > maxBytes) {
      return entries.slice(0, i);
    }
  }
  return entries;
}

export function hardStatesEqual(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.vote === b.vote && a.commit === b.commit;
}

export function isEmptyHardState(state: HardState): boolean {
  return state.term === 0 && state.vote === NONE && state.commit === 0;
}

export function softStatesEqual(a: SoftState, b: SoftState): boolean {
  return a.lead === b.lead && a.raftState === b.raftState;
}

/** Whether the sender or receiver is one of the node's own storage threads. */
export function isStorageThread(id: NodeId): boolean {
  return id === LOCAL_APPEND_THREAD || id === LOCAL_APPLY_THREAD;
}

/** Messages that never come from another replica. */
export function isLocalMessage(type: MessageType): boolean {
  switch (type) {
    case MessageType.Hup:
    case MessageType.Beat:
    case MessageType.Unreachable:
    case MessageType.SnapStatus:
    case MessageType.CheckQuorum:
    case MessageType.StorageAppend:
    case MessageType.StorageAppendResp:
    case MessageType.StorageApply:
    case MessageType.StorageApplyResp:
      return true;
    default:
      return false;
  }
}

/** Answers, which are taken only from known replicas and storage threads. */
export function isResponseMessage(type: MessageType): boolean {
  switch (type) {
    case MessageType.AppResp:
    case MessageType.VoteResp:
    case MessageType.HeartbeatResp:
    case MessageType.Unreachable:
    case MessageType.ReadIndexResp:
    case MessageType.PreVoteResp:
    case MessageType.StorageAppendResp:
    case MessageType.StorageApplyResp:
      return true;
    default:
      return false;
  }
}

export function isConfChangeEntry(entry: Entry): boolean {
  return entry.type !== EntryType.Normal;
}
