// Message handling of leaders, except for the answers of peers (leader-responses.ts): beats and
// checks, proposals, reads, and the start of a leadership transfer. Called by step.
// Raft paper §5.3, §8; dissertation §3.10, §6.4.

import { assert, panic } from '../../base/assert.js';
import type { Message } from '../../base/types.js';
import { MessageType, NONE, StateType } from '../../base/types.js';
import { makeMessage } from '../../wire/messages.js';
import { hex } from '../../wire/text.js';
import { checkProposedChanges } from '../membership.js';
import { send } from '../outbox.js';
import type { Raft } from '../raft.js';
import {
  appendOwnEntries,
  broadcastAppend,
  broadcastHeartbeat,
  maybeSendAppend,
} from '../replication.js';
import { startRead } from './leader-reads.js';
import {
  handleAppendResponse,
  handleHeartbeatResponse,
  handleSnapshotStatus,
  handleUnreachable,
} from './leader-responses.js';

/** @returns false if the message was a proposal that had to be dropped */
export function stepLeader(r: Raft, m: Message): boolean {
  assert(r.state === StateType.Leader, 'the role matches the state');
  switch (m.type) {
    case MessageType.Beat:
      broadcastHeartbeat(r);
      return true;
    case MessageType.CheckQuorum:
      checkQuorum(r);
      return true;
    case MessageType.Prop:
      return propose(r, m);
    case MessageType.ReadIndex:
      startRead(r, m);
      return true;
    case MessageType.ForgetLeader:
      return true;
    default:
      stepPeer(r, m);
      return true;
  }
}

/** Messages that are about one peer. */
function stepPeer(r: Raft, m: Message): void {
  const progress = r.tracker.progress.get(m.from);
  if (progress === undefined) {
    r.logger.debug(() => `${hex(r.id)} no progress available for ${hex(m.from)}`);
    return;
  }
  switch (m.type) {
    case MessageType.AppResp:
      handleAppendResponse(r, m, progress);
      return;
    case MessageType.HeartbeatResp:
      handleHeartbeatResponse(r, m, progress);
      return;
    case MessageType.SnapStatus:
      handleSnapshotStatus(r, m, progress);
      return;
    case MessageType.Unreachable:
      handleUnreachable(r, m, progress);
      return;
    case MessageType.TransferLeader:
      startTransfer(r, m);
      return;
    default:
      return;
  }
}

function checkQuorum(r: Raft): void {
  if (!r.tracker.quorumActive()) {
    r.logger.warning(() => `${hex(r.id)} stepped down to follower since quorum is not active`);
    r.becomeFollower(r.term, NONE);
  }
  // Peers have until the next check to be heard of.
  for (const [id, progress] of r.tracker.progress) {
    if (id !== r.id) {
      progress.recentActive = false;
    }
  }
}

function propose(r: Raft, m: Message): boolean {
  if (m.entries.length === 0) {
    panic(r.logger, `${hex(r.id)} stepped empty MsgProp`);
  }
  if (!r.tracker.progress.has(r.id)) {
    // Removed from the configuration while leading: nothing new is started.
    return false;
  }
  if (r.leadTransferee !== NONE) {
    r.logger.debug(
      () =>
        `${hex(r.id)} [term ${r.term}] transfer leadership to ${hex(r.leadTransferee)} ` +
        'is in progress; dropping proposal',
    );
    return false;
  }
  if (!appendOwnEntries(r, checkProposedChanges(r, m.entries))) {
    return false;
  }
  broadcastAppend(r);
  return true;
}

function startTransfer(r: Raft, m: Message): void {
  const target = m.from;
  const progress = r.tracker.progress.get(target);
  assert(progress !== undefined, 'the target is in the configuration');
  if (progress.isLearner) {
    r.logger.debug(() => `${hex(r.id)} is learner. Ignored transferring leadership`);
    return;
  }
  const pending = r.leadTransferee;
  if (pending === target) {
    r.logger.info(
      () =>
        `${hex(r.id)} [term ${r.term}] transfer leadership to ${hex(target)} is in progress, ` +
        `ignores request to same node ${hex(target)}`,
    );
    return;
  }
  if (pending !== NONE) {
    r.abortLeaderTransfer();
    r.logger.info(
      () =>
        `${hex(r.id)} [term ${r.term}] abort previous transferring leadership ` +
        `to ${hex(pending)}`,
    );
  }
  if (target === r.id) {
    r.logger.debug(() => `${hex(r.id)} is already leader. Ignored transferring leadership to self`);
    return;
  }
  r.logger.info(
    () => `${hex(r.id)} [term ${r.term}] starts to transfer leadership to ${hex(target)}`,
  );
  // The transfer has one election timeout from now.
  r.electionElapsed = 0;
  r.leadTransferee = target;
  if (progress.match === r.log.lastIndex()) {
    send(r, makeMessage(MessageType.TimeoutNow, target));
    r.logger.info(
      () =>
        `${hex(r.id)} sends MsgTimeoutNow to ${hex(target)} immediately ` +
        `as ${hex(target)} already has up-to-date log`,
    );
  } else {
    maybeSendAppend(r, target, true);
  }
}
