// What a leader learns from one peer: acknowledged and rejected appends, heartbeat answers, and
// the caller's reports about snapshots and unreachable peers. Called by the leader's message
// handling, with the peer's progress. Raft paper §5.3.

import { assert } from '../../base/assert.js';
import type { Message } from '../../base/types.js';
import { MessageType } from '../../base/types.js';
import type { Progress } from '../../tracker/progress.js';
import { ProgressState } from '../../tracker/progress.js';
import { makeMessage } from '../../wire/messages.js';
import { hex } from '../../wire/text.js';
import { send } from '../outbox.js';
import type { Raft } from '../raft.js';
import { broadcastAppend, maybeCommit, maybeSendAppend } from '../replication.js';
import { acknowledgeReads, releasePendingReads } from './leader-reads.js';

export function handleAppendResponse(r: Raft, m: Message, progress: Progress): void {
  // An acknowledgement from storage comes the same way, from this replica itself.
  progress.recentActive = true;
  if (m.reject) {
    handleRejection(r, m, progress);
    return;
  }
  const news = progress.maybeUpdate(m.index);
  // A probe that is answered with what was known already still shows where the peer is.
  const found = progress.match === m.index && progress.state === ProgressState.Probe;
  if (!news && !found) {
    return;
  }
  advanceProgress(r, m, progress);
  if (maybeCommit(r)) {
    releasePendingReads(r);
    broadcastAppend(r);
  } else if (m.from !== r.id && progress.canBumpCommit(r.log.committed)) {
    // The peer has entries that it does not know to be committed.
    maybeSendAppend(r, m.from, true);
  }
  if (m.from === r.id) {
    return;
  }
  // The window may have room for several messages now.
  while (maybeSendAppend(r, m.from, false)) {
    assert(progress.next <= r.log.lastIndex() + 1, 'only entries of the log are sent');
  }
  if (m.from === r.leadTransferee && progress.match === r.log.lastIndex()) {
    r.logger.info(
      () => `${hex(r.id)} sent MsgTimeoutNow to ${hex(m.from)} after received MsgAppResp`,
    );
    send(r, makeMessage(MessageType.TimeoutNow, m.from));
  }
}

/** Changes the peer's state according to an acknowledgement that brought something new. */
function advanceProgress(r: Raft, m: Message, progress: Progress): void {
  switch (progress.state) {
    case ProgressState.Probe:
      progress.becomeReplicate();
      return;
    case ProgressState.Snapshot:
      // Any position from which this log goes on will do: the snapshot may have come from
      // elsewhere, or be older than the one that was sent.
      if (progress.match + 1 >= r.log.firstIndex()) {
        r.logger.debug(
          () =>
            `${hex(r.id)} recovered from needing snapshot, resumed sending replication ` +
            `messages to ${hex(m.from)} [${progress}]`,
        );
        progress.becomeProbe();
        progress.becomeReplicate();
      }
      return;
    case ProgressState.Replicate:
      progress.inflights.freeUpTo(m.index);
      return;
  }
}

function handleRejection(r: Raft, m: Message, progress: Progress): void {
  r.logger.debug(
    () =>
      `${hex(r.id)} received MsgAppResp(rejected, hint: (index ${m.rejectHint}, ` +
      `term ${m.logTerm})) from ${hex(m.from)} for index ${m.index}`,
  );
  // The peer's log has m.logTerm at the hint, so it cannot agree with this log above the last
  // entry here whose term is not higher: whole terms are skipped in one round.
  const probe =
    m.logTerm > 0 ? r.log.findConflictByTerm(m.rejectHint, m.logTerm).index : m.rejectHint;
  if (!progress.maybeDecreaseTo(m.index, probe)) {
    return;
  }
  r.logger.debug(() => `${hex(r.id)} decreased progress of ${hex(m.from)} to [${progress}]`);
  if (progress.state === ProgressState.Replicate) {
    progress.becomeProbe();
  }
  maybeSendAppend(r, m.from, true);
}

export function handleHeartbeatResponse(r: Raft, m: Message, progress: Progress): void {
  progress.recentActive = true;
  // The peer is alive, so whatever was in flight has arrived or is lost.
  progress.flowPaused = false;
  if (progress.match < r.log.lastIndex() || progress.state === ProgressState.Probe) {
    maybeSendAppend(r, m.from, true);
  }
  acknowledgeReads(r, m);
}

export function handleSnapshotStatus(r: Raft, m: Message, progress: Progress): void {
  if (progress.state !== ProgressState.Snapshot) {
    return;
  }
  if (m.reject) {
    // Probed from what the peer had before.
    progress.pendingSnapshot = 0;
  }
  progress.becomeProbe();
  const outcome = m.reject ? 'failed' : 'succeeded';
  r.logger.debug(
    () =>
      `${hex(r.id)} snapshot ${outcome}, resumed sending replication messages ` +
      `to ${hex(m.from)} [${progress}]`,
  );
  // After a success the peer's answer comes soon; after a failure, wait for a heartbeat's.
  progress.flowPaused = true;
  assert(progress.isPaused, 'nothing is sent before the peer is heard of');
}

export function handleUnreachable(r: Raft, m: Message, progress: Progress): void {
  // What was sent optimistically is probably lost.
  if (progress.state === ProgressState.Replicate) {
    progress.becomeProbe();
  }
  assert(progress.state !== ProgressState.Replicate, 'an unreachable peer is probed');
  r.logger.debug(
    () =>
      `${hex(r.id)} failed to send message to ${hex(m.from)} ` +
      `because it is unreachable [${progress}]`,
  );
}
