// Elections: when to start one, the campaign's messages, the counting of answers, and how a
// replica votes. Called by step for hup and vote requests, by the candidate for answers and by
// the follower for a transferred leadership. Raft paper §5.2, §5.4.1; dissertation §9.6.

import { assert, panic } from '../../base/assert.js';
import type { Message, NodeId } from '../../base/types.js';
import { MessageType, NONE, StateType } from '../../base/types.js';
import type { VoteResult } from '../../quorum/majority.js';
import { isConfChangeEntry, makeMessage } from '../../wire/messages.js';
import { hex, messageTypeName } from '../../wire/text.js';
import { send } from '../outbox.js';
import type { Raft } from '../raft.js';
import { appendOwnEntries, progressOf } from '../replication.js';

export const CampaignType = { PreElection: 0, Election: 1, Transfer: 2 } as const;
export type CampaignType = (typeof CampaignType)[keyof typeof CampaignType];

/** The context of vote requests that pass the leader's lease: the ASCII of `CampaignTransfer`. */
const transferContext = Uint8Array.from([
  0x43, 0x61, 0x6d, 0x70, 0x61, 0x69, 0x67, 0x6e, 0x54, 0x72, 0x61, 0x6e, 0x73, 0x66, 0x65, 0x72,
]);

/** Whether a vote request was asked for by the leader itself. */
export function isTransferRequest(message: Message): boolean {
  const context = message.context;
  return (
    context !== null &&
    context.length === transferContext.length &&
    transferContext.every((byte, i) => context[i] === byte)
  );
}

function becomePreCandidate(r: Raft): void {
  if (r.state === StateType.Leader) {
    panic(r.logger, 'invalid transition [leader -> pre-candidate]');
  }
  // Neither term nor vote change: a pre-vote binds nobody.
  r.tracker.resetVotes();
  r.lead = NONE;
  r.state = StateType.PreCandidate;
  r.logger.info(() => `${hex(r.id)} became pre-candidate at term ${r.term}`);
}

function becomeCandidate(r: Raft): void {
  if (r.state === StateType.Leader) {
    panic(r.logger, 'invalid transition [leader -> candidate]');
  }
  r.reset(r.term + 1);
  r.vote = r.id;
  r.state = StateType.Candidate;
  r.logger.info(() => `${hex(r.id)} became candidate at term ${r.term}`);
}

export function becomeLeader(r: Raft): void {
  assert(r.state === StateType.Candidate, 'only a candidate becomes leader');
  r.reset(r.term);
  r.lead = r.id;
  r.state = StateType.Leader;
  // The leader acknowledges its own log and is always heard of.
  const own = progressOf(r, r.id);
  own.becomeReplicate();
  own.recentActive = true;
  // There may be a configuration change anywhere in the uncommitted tail. Assuming that it is
  // at the end is safe: it only delays proposals of further changes.
  r.pendingConfIndex = r.log.lastIndex();
  const accepted = appendOwnEntries(r, [{ type: 0, term: 0, index: 0, data: null, typed: false }]);
  assert(accepted, 'the empty entry is never refused');
  r.logger.info(() => `${hex(r.id)} became leader at term ${r.term}`);
}

function hasUnappliedConfChange(r: Raft): boolean {
  const { applied, committed } = r.log;
  return applied < committed && r.log.someEntry(applied + 1, committed + 1, isConfChangeEntry);
}

/** Starts an election unless this replica leads, may not, or has a change to apply first. */
export function hup(r: Raft, campaignType: CampaignType): void {
  if (r.state === StateType.Leader) {
    r.logger.debug(() => `${hex(r.id)} ignoring MsgHup because already leader`);
    return;
  }
  if (!r.promotable()) {
    r.logger.warning(() => `${hex(r.id)} is unpromotable and can not campaign`);
    return;
  }
  if (hasUnappliedConfChange(r)) {
    r.logger.warning(
      () =>
        `${hex(r.id)} cannot campaign at term ${r.term} since there are still ` +
        'pending configuration changes to apply',
    );
    return;
  }
  r.logger.info(() => `${hex(r.id)} is starting a new election at term ${r.term}`);
  campaign(r, campaignType);
}

export function campaign(r: Raft, campaignType: CampaignType): void {
  const pre = campaignType === CampaignType.PreElection;
  if (pre) {
    becomePreCandidate(r);
  } else {
    becomeCandidate(r);
  }
  const term = pre ? r.term + 1 : r.term;
  const request = pre ? MessageType.PreVote : MessageType.Vote;
  const response = pre ? MessageType.PreVoteResp : MessageType.VoteResp;
  const context = campaignType === CampaignType.Transfer ? transferContext : null;
  const index = r.log.lastIndex();
  const logTerm = r.log.lastTerm();
  assert(term > 0, 'an election is about a term');
  for (const id of r.tracker.voterIds) {
    if (id === r.id) {
      // The own vote counts like others, once it is durable.
      send(r, makeMessage(response, id, { term }));
      continue;
    }
    r.logger.info(
      () =>
        `${hex(r.id)} [logterm: ${logTerm}, index: ${index}] ` +
        `sent ${messageTypeName(request)} request to ${hex(id)} at term ${r.term}`,
    );
    send(r, makeMessage(request, id, { term, index, logTerm, context }));
  }
}

/** Counts an answer to this replica's campaign. */
export function countVote(r: Raft, id: NodeId, type: MessageType, granted: boolean): VoteResult {
  const name = messageTypeName(type);
  r.logger.info(() =>
    granted
      ? `${hex(r.id)} received ${name} from ${hex(id)} at term ${r.term}`
      : `${hex(r.id)} received ${name} rejection from ${hex(id)} at term ${r.term}`,
  );
  r.tracker.recordVote(id, granted);
  const tally = r.tracker.tallyVotes();
  r.logger.info(
    () =>
      `${hex(r.id)} has received ${tally.granted} ${name} votes ` +
      `and ${tally.rejected} vote rejections`,
  );
  return tally.result;
}

/** Answers a (pre-)vote request. Learners and former members answer too: see §6 and §4.2.1. */
export function handleVoteRequest(r: Raft, m: Message): void {
  const pre = m.type === MessageType.PreVote;
  assert(pre || m.term === r.term, 'a vote is given in the current term');
  const canVote =
    r.vote === m.from ||
    (r.vote === NONE && r.lead === NONE) ||
    // A pre-vote for a future term is not a vote in this one.
    (pre && m.term > r.term);
  const granted = canVote && r.log.isUpToDate(m.index, m.logTerm);
  logVote(r, m, granted ? 'cast' : 'rejected');
  const response = pre ? MessageType.PreVoteResp : MessageType.VoteResp;
  if (!granted) {
    send(r, makeMessage(response, m.from, { term: r.term, reject: true }));
    return;
  }
  // The request's term: for a pre-vote the own term says nothing to the asking replica.
  send(r, makeMessage(response, m.from, { term: m.term }));
  if (!pre) {
    r.electionElapsed = 0;
    r.vote = m.from;
  }
}

/** Refuses a pre-vote for a term that is over, so that the asking replica learns the term. */
export function rejectOldPreVote(r: Raft, m: Message): void {
  assert(m.term < r.term, 'only a pre-vote for an old term is refused out of hand');
  logVote(r, m, 'rejected');
  send(r, makeMessage(MessageType.PreVoteResp, m.from, { term: r.term, reject: true }));
}

function logVote(r: Raft, m: Message, verb: string): void {
  r.logger.info(() => {
    const separator = verb === 'cast' ? 'for' : 'from';
    return (
      `${hex(r.id)} ${r.voteText()} ${verb} ${messageTypeName(m.type)} ${separator} ` +
      `${hex(m.from)} [logterm: ${m.logTerm}, index: ${m.index}] at term ${r.term}`
    );
  });
}
