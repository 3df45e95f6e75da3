// Checks a message from a peer before the state machine sees it. The state machine asserts its
// own invariants and stops on a violation; what comes from outside must not get that far.

import { RaftError } from '../base/errors.js';
import type { Entry, Message, NodeId, SnapshotMetadata } from '../base/types.js';
import { EntryType, MessageType, NONE } from '../base/types.js';
import { confChangeOfEntry } from './codec.js';
import { isLocalMessage, isStorageThread } from './messages.js';

function isCounter(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function areLogEntries(message: Message): boolean {
  let term = message.logTerm;
  for (let i = 0; i < message.entries.length; i++) {
    const entry = message.entries[i] as Entry;
    if (entry.index !== message.index + 1 + i || entry.term < term || entry.term > message.term) {
      return false;
    }
    term = entry.term;
  }
  return Number.isSafeInteger(term);
}

function areProposals(entries: readonly Entry[]): boolean {
  for (const entry of entries) {
    if (entry.type !== EntryType.Normal) {
      // Throws its own error for bytes that do not decode.
      confChangeOfEntry(entry);
    }
  }
  return entries.length > 0;
}

function isSnapshotPosition(metadata: SnapshotMetadata | undefined): boolean {
  return metadata === undefined || (isCounter(metadata.index) && isCounter(metadata.term));
}

function isWellFormed(message: Message): boolean {
  const { term, logTerm, index, commit, rejectHint } = message;
  const counters =
    isCounter(term) &&
    isCounter(logTerm) &&
    isCounter(index) &&
    isCounter(commit) &&
    isCounter(rejectHint);
  if (!counters) {
    return false;
  }
  switch (message.type) {
    case MessageType.App:
      return areLogEntries(message);
    case MessageType.Prop:
      return term === 0 && areProposals(message.entries);
    case MessageType.ReadIndex:
      return term === 0 && message.entries.length === 1;
    case MessageType.Snap:
      return isSnapshotPosition(message.snapshot?.metadata);
    default:
      return true;
  }
}

/**
 * Refuses messages that contradict themselves: unsafe or negative numbers, entries that do not
 * follow each other, proposals that do not decode.
 *
 * @throws RaftError 'invalid-message' or 'invalid-conf-change'
 */
export function checkMessage(message: Message): void {
  if (!isWellFormed(message)) {
    throw new RaftError('invalid-message');
  }
}

/**
 * Refuses, in addition, what never comes from another replica: local messages, the names of the
 * storage threads, and messages of no term that are not forwarded ones. For the peer transport,
 * before a message goes to `RawNode.step`, which also takes the storage threads' answers.
 *
 * @param self the receiving replica
 * @throws RaftError 'invalid-message', 'invalid-conf-change' or 'step-local-message'
 */
export function checkPeerMessage(message: Message, self: NodeId): void {
  const { type, from, to } = message;
  if (isLocalMessage(type)) {
    throw new RaftError('step-local-message');
  }
  const forwarded = type === MessageType.Prop || type === MessageType.ReadIndex;
  const foreign = from !== NONE && from !== self && !isStorageThread(from) && to === self;
  // A transfer is forwarded under the name of its target, which may be the receiver.
  const transfer = type === MessageType.TransferLeader && from === self && to === self;
  if (!(foreign || transfer) || (message.term === 0) !== forwarded) {
    throw new RaftError('invalid-message');
  }
  checkMessage(message);
}
