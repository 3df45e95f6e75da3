// Majority quorum arithmetic over a set of voters: which index a majority has acknowledged, and
// how a vote stands. Called by the joint configuration; pure functions of their arguments.
// Raft paper §5.2 (elections) and §5.3 (commit).

import { assert } from '../base/assert.js';
import type { NodeId } from '../base/types.js';

export const VoteResult = { Pending: 1, Lost: 2, Won: 3 } as const;
export type VoteResult = (typeof VoteResult)[keyof typeof VoteResult];

/** The last acknowledged index of a voter, undefined while unknown. */
export type AckedIndexer = (id: NodeId) => number | undefined;

/** An immutable set of voters that decide by majority; the empty set agrees to everything. */
export class MajorityConfig {
  // Invariant: strictly ascending, and the same ids as #set.
  readonly ids: readonly NodeId[];
  readonly #set: ReadonlySet<NodeId>;

  constructor(ids: Iterable<NodeId> = []) {
    this.#set = new Set(ids);
    this.ids = [...this.#set].sort((a, b) => (a < b ? -1 : 1));
  }

  get size(): number {
    return this.ids.length;
  }

  has(id: NodeId): boolean {
    return this.#set.has(id);
  }

  /**
   * The highest index that a majority has acknowledged; infinity for the empty set, so that a
   * joint configuration with an empty half behaves like the other half alone.
   */
  committedIndex(acked: AckedIndexer): number {
    const n = this.ids.length;
    if (n === 0) {
      return Number.POSITIVE_INFINITY;
    }
    if (n === 1) {
      return acked(this.ids[0] as NodeId) ?? 0;
    }
    const indexes = new Array<number>(n);
    for (let i = 0; i < n; i++) {
      indexes[i] = acked(this.ids[i] as NodeId) ?? 0;
    }
    // Insertion sort: clusters have a handful of voters, and this runs per acknowledgement.
    for (let i = 1; i < n; i++) {
      const value = indexes[i] as number;
      let at = i;
      for (; at > 0 && (indexes[at - 1] as number) > value; at--) {
        indexes[at] = indexes[at - 1] as number;
      }
      indexes[at] = value;
    }
    const result = indexes[n - (Math.floor(n / 2) + 1)];
    assert(result !== undefined, 'the quorum position lies within the voters');
    return result;
  }

  /** How a vote stands, given who answered what so far. */
  voteResult(votes: ReadonlyMap<NodeId, boolean>): VoteResult {
    const n = this.ids.length;
    if (n === 0) {
      return VoteResult.Won;
    }
    let granted = 0;
    let missing = 0;
    for (const id of this.ids) {
      const vote = votes.get(id);
      if (vote === undefined) {
        missing++;
      } else if (vote) {
        granted++;
      }
    }
    const quorum = Math.floor(n / 2) + 1;
    assert(granted + missing <= n, 'no voter counts twice');
    if (granted >= quorum) {
      return VoteResult.Won;
    }
    return granted + missing >= quorum ? VoteResult.Pending : VoteResult.Lost;
  }
}
