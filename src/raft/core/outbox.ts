// Puts a message into the right queue of a Raft with the fields that every message of its kind
// carries. All sending goes through here, so that nothing which relies on durable state can
// leave before that state is durable.

import { panic } from '../base/assert.js';
import type { Message } from '../base/types.js';
import { MessageType, NONE } from '../base/types.js';
import { messageTypeName } from '../wire/text.js';
import type { Raft } from './raft.js';

function isVoteMessage(type: MessageType): boolean {
  return (
    type === MessageType.Vote ||
    type === MessageType.VoteResp ||
    type === MessageType.PreVote ||
    type === MessageType.PreVoteResp
  );
}

/** Vote messages state their term (a pre-vote asks for a future one); others get the own. */
function termOf(r: Raft, message: Message): number {
  const { type, term } = message;
  if (isVoteMessage(type)) {
    if (term === 0) {
      panic(r.logger, `term should be set when sending ${messageTypeName(type)}`);
    }
    return term;
  }
  if (term !== 0) {
    const text = `term should not be set when sending ${messageTypeName(type)}`;
    panic(r.logger, `${text} (was ${term})`);
  }
  // Forwarded to the leader, these belong to no term.
  return type === MessageType.Prop || type === MessageType.ReadIndex ? 0 : r.term;
}

/**
 * Queues a message. Answers that promise durable state (appends taken, votes given) wait until
 * what is unstable now is durable; everything else may leave at once.
 *
 * @throws RaftPanicError on a message that no correct replica sends
 */
export function send(r: Raft, message: Message): void {
  const filled: Message = {
    ...message,
    from: message.from === NONE ? r.id : message.from,
    term: termOf(r, message),
  };
  switch (filled.type) {
    case MessageType.AppResp:
    case MessageType.VoteResp:
    case MessageType.PreVoteResp:
      r.messagesAfterAppend.push(filled);
      return;
    default:
      if (filled.to === r.id) {
        const name = messageTypeName(filled.type);
        panic(r.logger, `message should not be self-addressed when sending ${name}`);
      }
      r.messages.push(filled);
  }
}
