// The entry to the state machine: the rules about terms, dispatch to the roles, the handling
// that is the same in every role, and the ticks. Called by RawNode. Raft paper §5.1.

import { assert } from '../base/assert.js';
import type { Entry, Message } from '../base/types.js';
import { EntryType, MessageType, NONE, StateType } from '../base/types.js';
import { configText } from '../tracker/config.js';
import { entriesSize, makeEntry, makeMessage, payloadsSize } from '../wire/messages.js';
import { hex, messageTypeName } from '../wire/text.js';
import { send } from './outbox.js';
import type { Raft } from './raft.js';
import { stepCandidate } from './roles/candidate.js';
import {
  CampaignType,
  handleVoteRequest,
  hup,
  isTransferRequest,
  rejectOldPreVote,
} from './roles/election.js';
import { stepFollower } from './roles/follower.js';
import { stepLeader } from './roles/leader.js';

/**
 * Feeds one message to the state machine.
 *
 * @returns false if it was a proposal that was dropped, true otherwise
 */
export function step(r: Raft, m: Message): boolean {
  if (m.term > r.term) {
    if (!enterHigherTerm(r, m)) {
      return true;
    }
  } else if (m.term !== 0 && m.term < r.term) {
    handleLowerTerm(r, m);
    return true;
  }
  switch (m.type) {
    case MessageType.Hup:
      hup(r, r.config.preVote ? CampaignType.PreElection : CampaignType.Election);
      return true;
    case MessageType.Vote:
    case MessageType.PreVote:
      handleVoteRequest(r, m);
      return true;
    case MessageType.StorageAppendResp:
      handleStorageAppendResp(r, m);
      return true;
    case MessageType.StorageApplyResp:
      handleStorageApplyResp(r, m);
      return true;
    default:
      return stepRole(r, m);
  }
}

function stepRole(r: Raft, m: Message): boolean {
  switch (r.state) {
    case StateType.Follower:
      return stepFollower(r, m);
    case StateType.Candidate:
    case StateType.PreCandidate:
      return stepCandidate(r, m);
    case StateType.Leader:
      return stepLeader(r, m);
  }
}

/** @returns whether the message is to be handled further */
function enterHigherTerm(r: Raft, m: Message): boolean {
  assert(m.term > r.term, 'the message is of a later term');
  const voteRequest = m.type === MessageType.Vote || m.type === MessageType.PreVote;
  if (voteRequest && !isTransferRequest(m) && holdsLease(r)) {
    // Whoever asks has lost contact with a leader that others still follow.
    r.logger.info(
      () =>
        `${hex(r.id)} ${r.voteText()} ignored ${messageTypeName(m.type)} from ${hex(m.from)} ` +
        `[logterm: ${m.logTerm}, index: ${m.index}] at term ${r.term}: lease is not expired ` +
        `(remaining ticks: ${r.config.electionTick - r.electionElapsed})`,
    );
    return false;
  }
  if (m.type === MessageType.PreVote || (m.type === MessageType.PreVoteResp && !m.reject)) {
    // A pre-vote asks about a term that nobody has entered yet.
    return true;
  }
  r.logger.info(
    () =>
      `${hex(r.id)} [term: ${r.term}] received a ${messageTypeName(m.type)} message ` +
      `with higher term from ${hex(m.from)} [term: ${m.term}]`,
  );
  const fromLeader =
    m.type === MessageType.App || m.type === MessageType.Heartbeat || m.type === MessageType.Snap;
  r.becomeFollower(m.term, fromLeader ? m.from : NONE);
  return true;
}

function holdsLease(r: Raft): boolean {
  return r.config.checkQuorum && r.lead !== NONE && r.electionElapsed < r.config.electionTick;
}

function handleLowerTerm(r: Raft, m: Message): void {
  assert(m.term < r.term, 'the message is of an earlier term');
  const { checkQuorum, preVote } = r.config;
  if (
    (checkQuorum || preVote) &&
    (m.type === MessageType.Heartbeat || m.type === MessageType.App)
  ) {
    // Its sender leads an earlier term and would not be deposed by a vote request, which the
    // lease or the lost pre-vote keeps away from it. An answer with this term does it.
    send(r, makeMessage(MessageType.AppResp, m.from));
  } else if (m.type === MessageType.PreVote) {
    rejectOldPreVote(r, m);
  } else if (m.type === MessageType.StorageAppendResp) {
    if (m.index !== 0) {
      // The entries may have been replaced since; only a write of this term says they were not.
      r.logger.info(
        () =>
          `${hex(r.id)} [term: ${r.term}] ignored entry appends from a ` +
          `${messageTypeName(m.type)} message with lower term [term: ${m.term}]`,
      );
    }
    stableSnapshot(r, m);
  } else {
    r.logger.info(
      () =>
        `${hex(r.id)} [term: ${r.term}] ignored a ${messageTypeName(m.type)} message ` +
        `with lower term from ${hex(m.from)} [term: ${m.term}]`,
    );
  }
}

function handleStorageAppendResp(r: Raft, m: Message): void {
  if (m.index !== 0) {
    r.log.stableTo(m.index, m.logTerm);
  }
  stableSnapshot(r, m);
}

/** A snapshot is applied by the write that makes it durable. */
function stableSnapshot(r: Raft, m: Message): void {
  if (m.snapshot !== null) {
    const { index } = m.snapshot.metadata;
    r.log.unstable.stableSnapshotTo(index);
    appliedTo(r, index, 0);
  }
}

function handleStorageApplyResp(r: Raft, m: Message): void {
  const last = m.entries[m.entries.length - 1];
  if (last === undefined) {
    return;
  }
  appliedTo(r, last.index, entriesSize(m.entries));
  r.uncommittedBytes = Math.max(0, r.uncommittedBytes - payloadsSize(m.entries));
}

/**
 * Takes note that the application has applied entries up to the index.
 *
 * @param bytes their encoded size, as it was when they were handed out
 */
function appliedTo(r: Raft, index: number, bytes: number): void {
  const applied = Math.max(index, r.log.applied);
  r.log.appliedTo(applied, bytes);
  const { config } = r.tracker;
  if (!config.autoLeave || applied < r.pendingConfIndex || r.state !== StateType.Leader) {
    return;
  }
  assert(config.voters.isJoint, 'only a joint configuration is left');
  // The change into the joint configuration is applied here, and with it on a quorum's way. If
  // this proposal is refused it is made again when more is applied.
  const entry: Entry = makeEntry(EntryType.ConfChangeV2, 0, 0, null);
  const text = configText(config);
  if (stepLeader(r, makeMessage(MessageType.Prop, NONE, { entries: [entry] }))) {
    r.logger.info(() => `initiating automatic transition out of joint configuration ${text}`);
  } else {
    r.logger.debug(
      () =>
        `not initiating automatic transition out of joint configuration ${text}: ` +
        'raft proposal dropped',
    );
  }
}

/** One tick of a follower's or candidate's clock. */
function tickElection(r: Raft): void {
  r.electionElapsed++;
  if (r.promotable() && r.electionElapsed >= r.randomizedElectionTimeout) {
    r.electionElapsed = 0;
    step(r, makeMessage(MessageType.Hup, NONE, { from: r.id }));
  }
}

/** One tick of a leader's clock. */
function tickHeartbeat(r: Raft): void {
  r.heartbeatElapsed++;
  r.electionElapsed++;
  if (r.electionElapsed >= r.config.electionTick) {
    r.electionElapsed = 0;
    if (r.config.checkQuorum) {
      step(r, makeMessage(MessageType.CheckQuorum, NONE, { from: r.id }));
    }
    if (r.state === StateType.Leader) {
      // A transfer that took this long has failed; proposals are taken again.
      r.abortLeaderTransfer();
    }
  }
  if (r.state === StateType.Leader && r.heartbeatElapsed >= r.config.heartbeatTick) {
    r.heartbeatElapsed = 0;
    step(r, makeMessage(MessageType.Beat, NONE, { from: r.id }));
  }
}

export function tick(r: Raft): void {
  if (r.state === StateType.Leader) {
    tickHeartbeat(r);
  } else {
    tickElection(r);
  }
}
