// What the replica loop works with, and what the rest of the member wants to know of it. Declared
// apart from the loop so that it can be read by itself.

import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log/logger.js';
import {
  type Message,
  MessageType,
  NONE,
  type NodeId,
  ProgressState,
  type RawNode,
  StateType,
} from '../../raft/index.js';
import type { MemberCore } from '../../storage/native.js';
import type { Grant } from './disk/grant.js';
import type { LogStorage } from './disk/log-storage.js';
import type { QuietProgress } from './disk/quiet-progress.js';
import type { Writes } from './disk/writes.js';
import type { Proposals } from './requests/proposals.js';
import type { ReadIndexRounds } from './requests/read-index.js';

export interface LoopParts {
  readonly core: Pick<MemberCore, 'setCommitted' | 'apply'>;
  readonly raw: RawNode;
  readonly storage: LogStorage;
  readonly writes: Writes;
  readonly grant: Grant;
  readonly quiet: QuietProgress;
  readonly proposals: Proposals;
  readonly reads: ReadIndexRounds;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tickMs: number;
}

/** What the rest of the member wants to know, called within a turn. */
export interface LoopEvents {
  /**
   * Hands completions to their receivers; called at the start of each turn. In front of each batch
   * Raft takes over what native code has appended, of which completions may tell.
   */
  drainCompletions(): void;
  termChanged(term: number): void;
  leadershipChanged(lead: NodeId, isLeader: boolean): void;
  /** Sends messages to other members. */
  send(messages: readonly Message[]): void;
  ticked(nowMs: number): void;
  /** An entry of this term has been applied for the first time. */
  termApplied(term: number): void;
}

/** Entries on their way through apply, and what Raft is told when they are applied. */
export interface PendingApply {
  readonly index: number;
  readonly responses: readonly Message[];
}

/** Whether Raft knows of a leader or term that the loop has not been told of. */
export function isLeadershipNews(
  { raft }: RawNode,
  { lead, term, isLeader }: { lead: NodeId; term: number; isLeader: boolean },
): boolean {
  return raft.lead !== lead || raft.term !== term || (raft.state === StateType.Leader) !== isLeader;
}

/** Each write reports the newest entry; of several done together all but one say it again. */
export function isOldNews(raw: RawNode, { type, index, snapshot }: Message): boolean {
  return (
    type === MessageType.StorageAppendResp &&
    index !== 0 &&
    snapshot === null &&
    raw.isStable(index)
  );
}

/**
 * Whether a message is an acknowledgement of what is committed anyway, by a member that has been
 * sent and told everything: nothing follows from it at once, so that any turn will do for it.
 */
export function canRest({ raft }: RawNode, message: Message): boolean {
  const { type, from, term, index, reject } = message;
  const { state, log, leadTransferee, tracker } = raft;
  if (type !== MessageType.AppResp || reject || state !== StateType.Leader || term !== raft.term) {
    return false;
  }
  const progress = tracker.progress.get(from);
  return (
    index <= log.committed &&
    leadTransferee === NONE &&
    progress?.state === ProgressState.Replicate &&
    !progress.isPaused &&
    progress.sentCommit >= log.committed &&
    progress.next > log.lastIndex()
  );
}
