// Message handling of candidates and pre-candidates: answers to their requests for votes, and
// giving up when somebody else leads. Called by step. Raft paper §5.2.

import { assert } from '../../base/assert.js';
import type { Message } from '../../base/types.js';
import { MessageType, NONE, StateType } from '../../base/types.js';
import { VoteResult } from '../../quorum/majority.js';
import { hex, stateName } from '../../wire/text.js';
import type { Raft } from '../raft.js';
import { broadcastAppend } from '../replication.js';
import { becomeLeader, CampaignType, campaign, countVote } from './election.js';
import { followLeader } from './follower.js';

/** @returns false if the message was a proposal, which a candidate cannot take */
export function stepCandidate(r: Raft, m: Message): boolean {
  const pre = r.state === StateType.PreCandidate;
  assert(pre || r.state === StateType.Candidate, 'the role matches the state');
  switch (m.type) {
    case MessageType.Prop:
      r.logger.info(() => `${hex(r.id)} no leader at term ${r.term}; dropping proposal`);
      return false;
    case MessageType.App:
    case MessageType.Heartbeat:
    case MessageType.Snap:
      // Somebody else won this term.
      r.becomeFollower(m.term, m.from);
      followLeader(r, m);
      return true;
    case MessageType.VoteResp:
      if (!pre) {
        handleVoteResponse(r, m);
      }
      return true;
    case MessageType.PreVoteResp:
      if (pre) {
        handleVoteResponse(r, m);
      }
      return true;
    case MessageType.TimeoutNow:
      r.logger.debug(
        () =>
          `${hex(r.id)} [term ${r.term} state ${stateName(r.state)}] ` +
          `ignored MsgTimeoutNow from ${hex(m.from)}`,
      );
      return true;
    default:
      return true;
  }
}

function handleVoteResponse(r: Raft, m: Message): void {
  const result = countVote(r, m.from, m.type, !m.reject);
  if (result === VoteResult.Lost) {
    // The term stays: a lost pre-vote asked about a term that nobody has entered.
    r.becomeFollower(r.term, NONE);
  } else if (result === VoteResult.Won) {
    if (r.state === StateType.PreCandidate) {
      campaign(r, CampaignType.Election);
    } else {
      becomeLeader(r);
      broadcastAppend(r);
    }
  }
}
