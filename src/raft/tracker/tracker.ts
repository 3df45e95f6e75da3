// The active membership, the leader's view of every peer, and the votes of an election. Owned
// by one Raft; replaced as a whole when the configuration switches.

import { assert } from '../base/assert.js';
import type { ConfState, NodeId } from '../base/types.js';
import { VoteResult } from '../quorum/majority.js';
import type { TrackerConfig } from './config.js';
import { ascending, confStateOf, emptyTrackerConfig } from './config.js';
import { Inflights } from './inflights.js';
import { Progress } from './progress.js';

export type ProgressMap = Map<NodeId, Progress>;

export interface Tally {
  readonly granted: number;
  readonly rejected: number;
  readonly result: VoteResult;
}

export class ProgressTracker {
  readonly #maxInflightCount: number;
  readonly #maxInflightBytes: number;
  #config: TrackerConfig = emptyTrackerConfig;
  // Invariant: exactly the voters of both halves and the learners have a progress.
  #progress: ProgressMap = new Map();
  // Invariant: the keys of #progress, ascending. Every broadcast goes in this order.
  #ids: readonly NodeId[] = [];
  // The first answer of each replica in the current election.
  readonly #votes = new Map<NodeId, boolean>();

  constructor(maxInflightCount: number, maxInflightBytes: number) {
    this.#maxInflightCount = maxInflightCount;
    this.#maxInflightBytes = maxInflightBytes;
  }

  get config(): TrackerConfig {
    return this.#config;
  }

  get progress(): ReadonlyMap<NodeId, Progress> {
    return this.#progress;
  }

  /** All replicas of the configuration, ascending. */
  get ids(): readonly NodeId[] {
    return this.#ids;
  }

  /** The ids of all voters of both halves, ascending. */
  get voterIds(): readonly NodeId[] {
    return this.#config.voters.ids;
  }

  /** One voter and no joint change: decisions need nobody else. */
  get isSingleton(): boolean {
    return this.#config.voters.incoming.size === 1 && !this.#config.voters.isJoint;
  }

  confState(): ConfState {
    return confStateOf(this.#config);
  }

  newInflights(): Inflights {
    return new Inflights(this.#maxInflightCount, this.#maxInflightBytes);
  }

  /** Switches to another configuration with the progress that belongs to it. */
  replace(config: TrackerConfig, progress: ProgressMap): void {
    for (const id of config.voters.ids) {
      assert(progress.has(id), 'every voter has a progress');
    }
    this.#config = config;
    this.#progress = progress;
    this.#ids = ascending(progress.keys());
  }

  /** Starts every peer's progress anew, for a new term or leader. */
  resetProgress(self: NodeId, lastIndex: number): void {
    for (const [id, old] of this.#progress) {
      const fresh = new Progress({
        match: id === self ? lastIndex : 0,
        next: lastIndex + 1,
        inflights: this.newInflights(),
        isLearner: old.isLearner,
        recentActive: false,
      });
      this.#progress.set(id, fresh);
    }
  }

  /** The highest index acknowledged by a quorum (by both, in a joint configuration). */
  committedIndex(): number {
    return this.#config.voters.committedIndex((id) => this.#progress.get(id)?.match);
  }

  /** Whether a quorum was heard of since the last check. */
  quorumActive(): boolean {
    const active = new Map<NodeId, boolean>();
    for (const [id, progress] of this.#progress) {
      if (!progress.isLearner) {
        active.set(id, progress.recentActive);
      }
    }
    return this.#config.voters.voteResult(active) === VoteResult.Won;
  }

  resetVotes(): void {
    this.#votes.clear();
  }

  /** Records an answer; only the first one of a replica counts. */
  recordVote(id: NodeId, granted: boolean): void {
    if (!this.#votes.has(id)) {
      this.#votes.set(id, granted);
    }
  }

  tallyVotes(): Tally {
    let granted = 0;
    let rejected = 0;
    for (const [id, progress] of this.#progress) {
      const vote = progress.isLearner ? undefined : this.#votes.get(id);
      if (vote === true) {
        granted++;
      } else if (vote === false) {
        rejected++;
      }
    }
    assert(granted + rejected <= this.#progress.size, 'no replica votes twice');
    return { granted, rejected, result: this.#config.voters.voteResult(this.#votes) };
  }
}
