// A leader's sending to its peers: appends, snapshots, heartbeats, and the appending of its own
// entries. Called by the leader's message handling and after configuration switches.
// Raft paper §5.3, §7.

import { assert, panic } from '../base/assert.js';
import { RaftStorageError } from '../base/errors.js';
import type { Entry, NodeId, Snapshot } from '../base/types.js';
import { MessageType, StateType } from '../base/types.js';
import type { Progress } from '../tracker/progress.js';
import { ProgressState } from '../tracker/progress.js';
import { makeEntry, makeMessage, payloadsSize } from '../wire/messages.js';
import { hex } from '../wire/text.js';
import { send } from './outbox.js';
import type { Raft } from './raft.js';

/** The progress of a peer that is known to be in the configuration. */
export function progressOf(r: Raft, id: NodeId): Progress {
  const progress = r.tracker.progress.get(id);
  assert(progress !== undefined, 'a replica of the configuration has a progress');
  return progress;
}

/**
 * Appends entries to the leader's own log, giving them term and index, and queues the
 * acknowledgement to itself that counts once they are durable.
 *
 * @returns false if they would exceed the limit on uncommitted bytes; nothing is appended then
 */
export function appendOwnEntries(r: Raft, entries: readonly Entry[]): boolean {
  assert(r.state === StateType.Leader, 'only a leader appends own entries');
  const bytes = payloadsSize(entries);
  const limit = r.config.maxUncommittedEntriesSize;
  // One proposal of any size goes through when nothing is pending, and empty ones always: the
  // leader's own empty entry and the leaving of a joint configuration must not be refused.
  if (r.uncommittedBytes > 0 && bytes > 0 && r.uncommittedBytes + bytes > limit) {
    r.logger.warning(
      () =>
        `${hex(r.id)} appending new entries to log would exceed uncommitted entry size limit; ` +
        'dropping proposal',
    );
    return false;
  }
  r.uncommittedBytes += bytes;
  const first = r.log.lastIndex() + 1;
  const numbered = new Array<Entry>(entries.length);
  for (let i = 0; i < entries.length; i++) {
    const { type, data, typed } = entries[i] as Entry;
    numbered[i] = makeEntry(type, r.term, first + i, data, typed);
  }
  const last = r.log.append(numbered);
  assert(last === first + entries.length - 1, 'the log ends with what was appended');
  send(r, makeMessage(MessageType.AppResp, r.id, { index: last }));
  return true;
}

/**
 * Takes over normal entries that storage has appended in this leader's name, behind all that it has
 * handed out itself, that storage tells of already and applies when they are durable. Only the
 * whole cluster may let storage do that: nobody has to be told of them. They are never unstable
 * here: what is durable is what the acknowledgements say by which they are committed.
 */
export function adoptEntries(r: Raft, term: number, first: number, count: number): void {
  const { log } = r;
  const last = first + count - 1;
  assert(count > 0, 'something is taken over');
  assert(r.state === StateType.Leader && r.term === term, 'storage appends for a leader of a term');
  assert(r.decidesAlone && r.tracker.ids.length === 1, 'storage appends for the whole cluster');
  assert(log.storage.lastIndex() === last, 'storage has the entries');
  assert(log.storage.term(last) === term, 'they are of the term');
  if (r.adopted === null || r.adopted.last + 1 !== first) {
    r.adopted = { first, last };
  } else {
    r.adopted = { first: r.adopted.first, last };
  }
  log.adopt(first, last);
}

/**
 * What was adopted has been committed up to the index. Storage applies it unasked: it counts as
 * handed out, unless something else has to be handed out before.
 */
export function handOutAdopted(r: Raft, index: number): void {
  const { log, adopted } = r;
  if (adopted === null || index > Math.min(adopted.last, log.committed)) {
    return;
  }
  if (index > log.applying && log.applying + 1 >= adopted.first) {
    log.acceptApplying(index, 0, false);
  }
}

/** What was adopted has been applied up to the index. */
export function applyAdopted(r: Raft, index: number): void {
  const { log, adopted } = r;
  if (adopted === null) {
    return;
  }
  // What was handed out in front of it is reported by itself.
  const to = Math.min(index, adopted.last, log.applying);
  if (to > log.applied && log.applied + 1 >= adopted.first) {
    log.appliedTo(to, 0);
  }
}

/** Commits what a quorum has acknowledged, if it is of the current term (§5.4.2). */
export function maybeCommit(r: Raft): boolean {
  assert(r.state === StateType.Leader, 'only a leader commits by counting');
  return r.log.maybeCommit(r.tracker.committedIndex(), r.term);
}

/** Whether an entry of the current term is committed, so that `committed` is up to date. */
export function hasCommittedInTerm(r: Raft): boolean {
  return r.log.term(r.log.committed) === r.term;
}

/**
 * Sends an append, or a snapshot if the peer needs older entries than the log has.
 *
 * @param allowEmpty whether an append without entries is worth sending, to tell the commit
 *   index or to find the peer's position
 * @returns whether something was sent
 */
export function maybeSendAppend(r: Raft, to: NodeId, allowEmpty: boolean): boolean {
  const progress = progressOf(r, to);
  if (progress.isPaused) {
    return false;
  }
  const prevIndex = progress.next - 1;
  const prevTerm = r.log.term(prevIndex);
  if (prevTerm === undefined) {
    return maybeSendSnapshot(r, to, progress);
  }
  // With a full window only an empty append goes out: if everything in flight was lost, its
  // rejection is what restarts the flow.
  const full = progress.state === ProgressState.Replicate && progress.inflights.full;
  const entries = full ? [] : r.log.entriesFrom(progress.next, r.config.maxSizePerMsg);
  if (entries === undefined) {
    return maybeSendSnapshot(r, to, progress);
  }
  if (entries.length === 0 && !allowEmpty) {
    return false;
  }
  send(
    r,
    makeMessage(MessageType.App, to, {
      index: prevIndex,
      logTerm: prevTerm,
      entries,
      commit: r.log.committed,
    }),
  );
  progress.sentEntries(entries.length, payloadsSize(entries));
  progress.sentCommit = r.log.committed;
  return true;
}

function snapshotToSend(r: Raft, to: NodeId): Snapshot | null {
  try {
    const snapshot = r.log.snapshot();
    if (snapshot.metadata.index === 0) {
      panic(r.logger, 'need non-empty snapshot');
    }
    return snapshot;
  } catch (error) {
    if (error instanceof RaftStorageError && error.code === 'snapshot-temporarily-unavailable') {
      r.logger.debug(
        () =>
          `${hex(r.id)} failed to send snapshot to ${hex(to)} ` +
          'because snapshot is temporarily unavailable',
      );
      return null;
    }
    throw error;
  }
}

function maybeSendSnapshot(r: Raft, to: NodeId, progress: Progress): boolean {
  if (!progress.recentActive) {
    r.logger.debug(() => `ignore sending snapshot to ${hex(to)} since it is not recently active`);
    return false;
  }
  const snapshot = snapshotToSend(r, to);
  if (snapshot === null) {
    return false;
  }
  const { index, term } = snapshot.metadata;
  r.logger.debug(
    () =>
      `${hex(r.id)} [firstindex: ${r.log.firstIndex()}, commit: ${r.log.committed}] ` +
      `sent snapshot[index: ${index}, term: ${term}] to ${hex(to)} [${progress}]`,
  );
  progress.becomeSnapshot(index);
  r.logger.debug(
    () => `${hex(r.id)} paused sending replication messages to ${hex(to)} [${progress}]`,
  );
  send(r, makeMessage(MessageType.Snap, to, { snapshot }));
  return true;
}

/** Sends an append, possibly empty, to every peer. */
export function broadcastAppend(r: Raft): void {
  for (const id of r.tracker.ids) {
    if (id !== r.id) {
      maybeSendAppend(r, id, true);
    }
  }
}

/** Sends a heartbeat to every peer, with the context of the reads that wait for one. */
export function broadcastHeartbeat(r: Raft): void {
  const context = r.readOnly.heartbeatContext();
  for (const id of r.tracker.ids) {
    if (id === r.id) {
      continue;
    }
    const progress = progressOf(r, id);
    // A peer may not have everything that is committed, and must not commit what it has not
    // matched: its log could differ there.
    const commit = Math.min(progress.match, r.log.committed);
    send(r, makeMessage(MessageType.Heartbeat, id, { commit, context }));
    progress.sentCommit = commit;
  }
}
