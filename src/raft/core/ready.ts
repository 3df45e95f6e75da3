// Composes the work that a Raft has for its caller, and the messages that report its completion.
// Called by RawNode only; nothing here changes the state machine.

import { assert } from '../base/assert.js';
import type { Entry, HardState, Message, Ready, Snapshot, SoftState } from '../base/types.js';
import { LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD, MessageType } from '../base/types.js';
import {
  hardStatesEqual,
  isEmptyHardState,
  makeMessage,
  softStatesEqual,
} from '../wire/messages.js';
import type { Raft } from './raft.js';

/** What the caller was told last. */
export interface Reported {
  readonly softState: SoftState;
  readonly hardState: HardState;
}

/** Committed entries may be applied before they are durable here only if writes come first. */
export function appliesUnstable(r: Raft): boolean {
  return !r.config.asyncStorageWrites;
}

export function hasReady(r: Raft, reported: Reported): boolean {
  const hardState = r.hardState();
  return (
    !softStatesEqual(r.softState(), reported.softState) ||
    (!isEmptyHardState(hardState) && !hardStatesEqual(hardState, reported.hardState)) ||
    r.log.unstable.nextSnapshot() !== null ||
    r.messages.length > 0 ||
    r.messagesAfterAppend.length > 0 ||
    r.log.unstable.hasNextEntries() ||
    r.log.hasNextCommittedEntries(appliesUnstable(r)) ||
    r.readStates.length > 0
  );
}

export function composeReady(r: Raft, reported: Reported): Ready {
  const softState = r.softState();
  const hardState = r.hardState();
  const entries = r.log.unstable.nextEntries();
  const snapshot = r.log.unstable.nextSnapshot();
  const committedEntries = r.log.nextCommittedEntries(appliesUnstable(r));
  const newHardState = hardStatesEqual(hardState, reported.hardState) ? null : hardState;
  assert(snapshot === null || committedEntries.length === 0, 'a snapshot is applied first');
  const messages = r.config.asyncStorageWrites
    ? asyncMessages(r, entries, newHardState, snapshot, committedEntries)
    : syncMessages(r);
  return {
    softState: softStatesEqual(softState, reported.softState) ? null : softState,
    hardState: newHardState,
    readStates: r.readStates,
    entries,
    snapshot,
    committedEntries,
    messages,
    mustSync:
      entries.length > 0 ||
      hardState.term !== reported.hardState.term ||
      hardState.vote !== reported.hardState.vote,
  };
}

function syncMessages(r: Raft): Message[] {
  return r.messages.concat(r.messagesAfterAppend.filter((m) => m.to !== r.id));
}

function asyncMessages(
  r: Raft,
  entries: readonly Entry[],
  hardState: HardState | null,
  snapshot: Snapshot | null,
  committedEntries: readonly Entry[],
): Message[] {
  const messages = r.messages.slice();
  const append =
    entries.length > 0 ||
    hardState !== null ||
    snapshot !== null ||
    r.messagesAfterAppend.length > 0;
  if (append) {
    const done = appendDone(r, snapshot);
    messages.push(
      makeMessage(MessageType.StorageAppend, LOCAL_APPEND_THREAD, {
        from: r.id,
        entries,
        term: hardState?.term ?? 0,
        vote: hardState?.vote ?? 0n,
        commit: hardState?.commit ?? 0,
        snapshot,
        responses: done === null ? r.messagesAfterAppend : [...r.messagesAfterAppend, done],
      }),
    );
  }
  if (committedEntries.length > 0) {
    messages.push(
      makeMessage(MessageType.StorageApply, LOCAL_APPLY_THREAD, {
        from: r.id,
        entries: committedEntries,
        responses: [applyDone(r, committedEntries)],
      }),
    );
  }
  return messages;
}

/**
 * The report that everything up to the present end of the log is durable; null if nothing is
 * unstable. It repeats what earlier writes will report, because they may have been replaced: the
 * term at the index tells whether the report is about the entries that are in the log then.
 */
export function appendDone(r: Raft, snapshot: Snapshot | null): Message | null {
  const unstable = r.log.unstable.entries.length > 0;
  if (!unstable && snapshot === null) {
    return null;
  }
  return makeMessage(MessageType.StorageAppendResp, r.id, {
    from: LOCAL_APPEND_THREAD,
    term: r.term,
    index: unstable ? r.log.lastIndex() : 0,
    logTerm: unstable ? r.log.lastTerm() : 0,
    snapshot,
  });
}

/** The report that these entries are applied. */
export function applyDone(r: Raft, entries: readonly Entry[]): Message {
  assert(entries.length > 0, 'only entries are applied');
  return makeMessage(MessageType.StorageApplyResp, r.id, { from: LOCAL_APPLY_THREAD, entries });
}

/**
 * The reports that a caller without storage threads owes when it has done a Ready's work, in the
 * order in which they are due.
 */
export function stepsOnAdvance(r: Raft, ready: Ready): Message[] {
  assert(!r.config.asyncStorageWrites, 'storage threads report by themselves');
  const steps = r.messagesAfterAppend.filter((m) => m.to === r.id);
  const done = appendDone(r, ready.snapshot);
  if (done !== null) {
    steps.push(done);
  }
  if (ready.committedEntries.length > 0) {
    steps.push(applyDone(r, ready.committedEntries));
  }
  return steps;
}
