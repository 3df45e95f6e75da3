// Linearizable reads on the leader: from the request to its answer, either by a round of
// heartbeats that a quorum answers or, in lease-based mode, at once. Called by the leader's
// message handling. Dissertation §6.4.

import { assert } from '../../base/assert.js';
import type { Message } from '../../base/types.js';
import { MessageType, NONE, ReadOnlyOption } from '../../base/types.js';
import { makeMessage } from '../../wire/messages.js';
import { send } from '../outbox.js';
import type { Raft } from '../raft.js';
import { broadcastHeartbeat, hasCommittedInTerm } from '../replication.js';

function answerRead(r: Raft, request: Message, index: number): void {
  if (request.from !== NONE && request.from !== r.id) {
    const { entries } = request;
    send(r, makeMessage(MessageType.ReadIndexResp, request.from, { index, entries }));
    return;
  }
  const context = request.entries[0]?.data;
  assert(context instanceof Uint8Array, 'an own read carries its context');
  r.readStates.push({ index, requestCtx: context });
}

/** Takes a read request, from this replica or forwarded by another. */
export function startRead(r: Raft, request: Message): void {
  if (!hasCommittedInTerm(r)) {
    // What earlier terms committed is not fully known before the first own commit; not by a sole
    // voter either, whose commit index may have been behind when it stopped.
    r.pendingReadIndexMessages.push(request);
    return;
  }
  confirmRead(r, request);
}

function confirmRead(r: Raft, request: Message): void {
  assert(hasCommittedInTerm(r), 'the commit index is up to date');
  if (r.tracker.isSingleton && r.tracker.config.voters.has(r.id)) {
    // Nobody else can have been elected.
    answerRead(r, request, r.log.committed);
    return;
  }
  if (r.config.readOnlyOption === ReadOnlyOption.LeaseBased) {
    answerRead(r, request, r.log.committed);
    return;
  }
  r.readOnly.add(r.id, request, r.log.committed);
  broadcastHeartbeat(r);
}

/** Goes on with the reads that waited for the first commit of the term. */
export function releasePendingReads(r: Raft): void {
  if (r.pendingReadIndexMessages.length === 0) {
    return;
  }
  assert(hasCommittedInTerm(r), 'reads are released after the first commit of the term');
  const pending = r.pendingReadIndexMessages;
  r.pendingReadIndexMessages = [];
  for (const request of pending) {
    confirmRead(r, request);
  }
}

/** Answers the reads that a peer's heartbeat response confirms. */
export function acknowledgeReads(r: Raft, response: Message): void {
  if (r.config.readOnlyOption !== ReadOnlyOption.Safe || response.context === null) {
    return;
  }
  const { voters } = r.tracker.config;
  for (const read of r.readOnly.acknowledge(response.from, response.context, voters)) {
    answerRead(r, read.request, read.index);
  }
}
