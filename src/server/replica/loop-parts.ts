// What the replica loop works with, and what the rest of the member wants to know of it. Declared
// apart from the loop so that it can be read by itself.

import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log/logger.js';
import type { Message, NodeId, RawNode } from '../../raft/index.js';
import type { MemberCore } from '../../storage/native.js';
import type { LogStorage } from './disk/log-storage.js';
import type { Writes } from './disk/writes.js';
import type { Proposals } from './requests/proposals.js';
import type { ReadIndexRounds } from './requests/read-index.js';

export interface LoopParts {
  readonly core: Pick<MemberCore, 'setCommitted' | 'apply'>;
  readonly raw: RawNode;
  readonly storage: LogStorage;
  readonly writes: Writes;
  readonly proposals: Proposals;
  readonly reads: ReadIndexRounds;
  readonly clock: Clock;
  readonly log: Logger;
  readonly tickMs: number;
}

/** What the rest of the member wants to know, called within a turn. */
export interface LoopEvents {
  /** Hands completions to their receivers; called at the start of each turn. */
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
