// Quorum arithmetic of a joint configuration: decisions need a majority of the incoming voters
// and, while a change is under way, of the outgoing ones too. Raft dissertation §4.3.

import { assert } from '../base/assert.js';
import type { NodeId } from '../base/types.js';
import type { AckedIndexer } from './majority.js';
import { MajorityConfig, VoteResult } from './majority.js';

export class JointConfig {
  readonly incoming: MajorityConfig;
  // Empty unless a joint change is under way.
  readonly outgoing: MajorityConfig;
  /** Voters of both halves, ascending and distinct. */
  readonly ids: readonly NodeId[];

  constructor(
    incoming: MajorityConfig = new MajorityConfig(),
    outgoing: MajorityConfig = new MajorityConfig(),
  ) {
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.ids = new MajorityConfig([...incoming.ids, ...outgoing.ids]).ids;
    assert(this.ids.length <= incoming.size + outgoing.size, 'the union adds no voter');
  }

  get isJoint(): boolean {
    return this.outgoing.size > 0;
  }

  has(id: NodeId): boolean {
    return this.incoming.has(id) || this.outgoing.has(id);
  }

  committedIndex(acked: AckedIndexer): number {
    return Math.min(this.incoming.committedIndex(acked), this.outgoing.committedIndex(acked));
  }

  voteResult(votes: ReadonlyMap<NodeId, boolean>): VoteResult {
    const incoming = this.incoming.voteResult(votes);
    const outgoing = this.outgoing.voteResult(votes);
    if (incoming === outgoing) {
      return incoming;
    }
    if (incoming === VoteResult.Lost || outgoing === VoteResult.Lost) {
      return VoteResult.Lost;
    }
    return VoteResult.Pending;
  }
}
