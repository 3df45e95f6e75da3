// Message handling of followers: taking appends, heartbeats and snapshots from the leader, and
// forwarding to it. Called by step, and by candidates that find a leader. Raft paper §5.3, §7.

import { assert } from '../../base/assert.js';
import type { Message, Snapshot } from '../../base/types.js';
import { MessageType, NONE, ReadOnlyOption, StateType } from '../../base/types.js';
import { emptySnapshot, makeMessage } from '../../wire/messages.js';
import { confStateText, hex } from '../../wire/text.js';
import { restoreMembership } from '../membership.js';
import { send } from '../outbox.js';
import type { Raft } from '../raft.js';
import { CampaignType, hup } from './election.js';

/** @returns false if the message was a proposal that had to be dropped */
export function stepFollower(r: Raft, m: Message): boolean {
  assert(r.state === StateType.Follower, 'the role matches the state');
  switch (m.type) {
    case MessageType.Prop:
      return forwardProposal(r, m);
    case MessageType.App:
    case MessageType.Heartbeat:
    case MessageType.Snap:
      r.electionElapsed = 0;
      r.lead = m.from;
      followLeader(r, m);
      return true;
    case MessageType.TransferLeader:
      forward(r, m, 'leader transfer msg');
      return true;
    case MessageType.ReadIndex:
      forward(r, m, 'index reading msg');
      return true;
    case MessageType.TimeoutNow:
      r.logger.info(
        () =>
          `${hex(r.id)} [term ${r.term}] received MsgTimeoutNow from ${hex(m.from)} ` +
          'and starts an election to get leadership.',
      );
      // No pre-vote: the leader itself asked, so there is nothing to be careful about.
      hup(r, CampaignType.Transfer);
      return true;
    case MessageType.ForgetLeader:
      forgetLeader(r);
      return true;
    case MessageType.ReadIndexResp:
      takeReadIndex(r, m);
      return true;
    default:
      return true;
  }
}

/** Handles a message that only the leader of the current term sends. */
export function followLeader(r: Raft, m: Message): void {
  assert(r.state === StateType.Follower && r.lead === m.from, 'its sender is the leader');
  assert(m.term === r.term || m.term === 0, 'it is of the current term');
  if (m.type === MessageType.App) {
    handleAppend(r, m);
  } else if (m.type === MessageType.Heartbeat) {
    r.log.commitTo(m.commit);
    send(r, makeMessage(MessageType.HeartbeatResp, m.from, { context: m.context }));
  } else {
    handleSnapshot(r, m);
  }
}

function forwardProposal(r: Raft, m: Message): boolean {
  if (r.lead === NONE) {
    r.logger.info(() => `${hex(r.id)} no leader at term ${r.term}; dropping proposal`);
    return false;
  }
  if (r.config.disableProposalForwarding) {
    r.logger.info(
      () =>
        `${hex(r.id)} not forwarding to leader ${hex(r.lead)} at term ${r.term}; ` +
        'dropping proposal',
    );
    return false;
  }
  send(r, { ...m, to: r.lead });
  return true;
}

function forward(r: Raft, m: Message, what: string): void {
  if (r.lead === NONE) {
    r.logger.info(() => `${hex(r.id)} no leader at term ${r.term}; dropping ${what}`);
    return;
  }
  send(r, { ...m, to: r.lead });
}

function forgetLeader(r: Raft): void {
  if (r.config.readOnlyOption === ReadOnlyOption.LeaseBased) {
    // The leader's lease rests on this replica not voting before the lease is over.
    r.logger.error(() => 'ignoring MsgForgetLeader due to ReadOnlyLeaseBased');
    return;
  }
  if (r.lead !== NONE) {
    r.logger.info(() => `${hex(r.id)} forgetting leader ${hex(r.lead)} at term ${r.term}`);
    r.lead = NONE;
  }
}

function takeReadIndex(r: Raft, m: Message): void {
  const data = m.entries[0]?.data;
  if (m.entries.length !== 1 || !(data instanceof Uint8Array)) {
    r.logger.error(
      () =>
        `${hex(r.id)} invalid format of MsgReadIndexResp from ${hex(m.from)}, ` +
        `entries count: ${m.entries.length}`,
    );
    return;
  }
  r.readStates.push({ index: m.index, requestCtx: data });
}

function handleAppend(r: Raft, m: Message): void {
  if (m.index < r.log.committed) {
    // An old message; what it holds is committed here already.
    send(r, makeMessage(MessageType.AppResp, m.from, { index: r.log.committed }));
    return;
  }
  const last = r.log.maybeAppend(m.index, m.logTerm, m.entries, m.commit);
  if (last !== undefined) {
    send(r, makeMessage(MessageType.AppResp, m.from, { index: last }));
    return;
  }
  r.logger.debug(
    () =>
      `${hex(r.id)} [logterm: ${r.log.term(m.index) ?? 0}, index: ${m.index}] ` +
      `rejected MsgApp [logterm: ${m.logTerm}, index: ${m.index}] from ${hex(m.from)}`,
  );
  // Telling where the logs may agree saves the leader a probe per entry of the difference.
  const hint = r.log.findConflictByTerm(Math.min(m.index, r.log.lastIndex()), m.logTerm);
  send(
    r,
    makeMessage(MessageType.AppResp, m.from, {
      index: m.index,
      reject: true,
      rejectHint: hint.index,
      logTerm: hint.term,
    }),
  );
}

function handleSnapshot(r: Raft, m: Message): void {
  const snapshot = m.snapshot ?? emptySnapshot;
  const { index, term } = snapshot.metadata;
  const restored = restoreSnapshot(r, snapshot);
  r.logger.info(
    () =>
      `${hex(r.id)} [commit: ${r.log.committed}] ${restored ? 'restored' : 'ignored'} ` +
      `snapshot [index: ${index}, term: ${term}]`,
  );
  const answer = restored ? r.log.lastIndex() : r.log.committed;
  send(r, makeMessage(MessageType.AppResp, m.from, { index: answer }));
}

/** Replaces log and configuration by a snapshot's, if it brings this replica forward. */
function restoreSnapshot(r: Raft, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot.metadata;
  if (index <= r.log.committed) {
    return false;
  }
  assert(r.state === StateType.Follower, 'only a follower restores a snapshot');
  const member = [...confState.voters, ...confState.learners, ...confState.votersOutgoing];
  if (!member.includes(r.id)) {
    r.logger.warning(
      () =>
        `${hex(r.id)} attempted to restore snapshot but it is not in the ConfState ` +
        `${confStateText(confState)}; should never happen`,
    );
    return false;
  }
  const position = (): string =>
    `${hex(r.id)} [commit: ${r.log.committed}, lastindex: ${r.log.lastIndex()}, ` +
    `lastterm: ${r.log.lastTerm()}]`;
  if (r.log.matchTerm(index, term)) {
    r.logger.info(
      () => `${position()} fast-forwarded commit to snapshot [index: ${index}, term: ${term}]`,
    );
    r.log.commitTo(index);
    return false;
  }
  r.log.restore(snapshot);
  restoreMembership(r, index, confState);
  r.logger.info(() => `${position()} restored snapshot [index: ${index}, term: ${term}]`);
  return true;
}
