// The rules of membership change: takes the present configuration and a list of changes, and
// gives the next one with its progress map, or a refusal. Nothing is changed in place, so a
// refused change leaves no trace. Raft dissertation §4.1 (one voter at a time), §4.3 (joint).

import { assert } from '../base/assert.js';
import type { ConfChangeSingle, NodeId } from '../base/types.js';
import { ConfChangeType } from '../base/types.js';
import { JointConfig } from '../quorum/joint.js';
import { MajorityConfig } from '../quorum/majority.js';
import type { TrackerConfig } from '../tracker/config.js';
import type { Inflights } from '../tracker/inflights.js';
import { Progress } from '../tracker/progress.js';
import type { ProgressMap } from '../tracker/tracker.js';

/** A change that the rules do not allow; the text is the reason. */
export class ConfChangeError extends Error {
  override readonly name = 'ConfChangeError';
}

export interface ChangeBase {
  readonly config: TrackerConfig;
  readonly progress: ReadonlyMap<NodeId, Progress>;
  /** The last index of the log: where new peers are probed first. */
  readonly lastIndex: number;
  readonly newInflights: () => Inflights;
}

export interface ChangeResult {
  readonly config: TrackerConfig;
  readonly progress: ProgressMap;
}

/** A copy of a configuration on which changes are made one after another. */
class Draft {
  readonly incoming: Set<NodeId>;
  readonly outgoing: Set<NodeId>;
  readonly learners: Set<NodeId>;
  readonly learnersNext: Set<NodeId>;
  readonly progress: ProgressMap = new Map();
  autoLeave: boolean;
  readonly #base: ChangeBase;

  constructor(base: ChangeBase) {
    checkInvariants(base.config, base.progress);
    this.#base = base;
    this.incoming = new Set(base.config.voters.incoming.ids);
    this.outgoing = new Set(base.config.voters.outgoing.ids);
    this.learners = new Set(base.config.learners);
    this.learnersNext = new Set(base.config.learnersNext);
    this.autoLeave = base.config.autoLeave;
    for (const [id, progress] of base.progress) {
      this.progress.set(id, progress.clone());
    }
  }

  apply(changes: readonly ConfChangeSingle[]): void {
    for (const change of changes) {
      // Id 0 stands for a change that was replaced by nothing.
      if (change.nodeId !== 0n) {
        this.#applyOne(change);
      }
    }
    if (this.incoming.size === 0) {
      throw new ConfChangeError('removed all voters');
    }
  }

  finish(): ChangeResult {
    const config: TrackerConfig = {
      voters: new JointConfig(new MajorityConfig(this.incoming), new MajorityConfig(this.outgoing)),
      learners: this.learners,
      learnersNext: this.learnersNext,
      autoLeave: this.autoLeave,
    };
    checkInvariants(config, this.progress);
    return { config, progress: this.progress };
  }

  #applyOne(change: ConfChangeSingle): void {
    switch (change.type) {
      case ConfChangeType.AddNode:
        this.#makeVoter(change.nodeId);
        return;
      case ConfChangeType.AddLearnerNode:
        this.#makeLearner(change.nodeId);
        return;
      case ConfChangeType.RemoveNode:
        this.#remove(change.nodeId);
        return;
      case ConfChangeType.UpdateNode:
        return;
    }
  }

  #makeVoter(id: NodeId): void {
    const progress = this.progress.get(id);
    if (progress === undefined) {
      this.incoming.add(id);
      this.#addProgress(id, false);
      return;
    }
    progress.isLearner = false;
    this.learners.delete(id);
    this.learnersNext.delete(id);
    this.incoming.add(id);
  }

  #makeLearner(id: NodeId): void {
    const progress = this.progress.get(id);
    if (progress === undefined) {
      this.learners.add(id);
      this.#addProgress(id, true);
      return;
    }
    if (progress.isLearner) {
      return;
    }
    this.#remove(id);
    this.progress.set(id, progress);
    // While the outgoing half counts it as a voter it cannot be a learner yet.
    if (this.outgoing.has(id)) {
      this.learnersNext.add(id);
    } else {
      progress.isLearner = true;
      this.learners.add(id);
    }
  }

  #remove(id: NodeId): void {
    if (!this.progress.has(id)) {
      return;
    }
    this.incoming.delete(id);
    this.learners.delete(id);
    this.learnersNext.delete(id);
    if (!this.outgoing.has(id)) {
      this.progress.delete(id);
    }
  }

  #addProgress(id: NodeId, isLearner: boolean): void {
    const progress = new Progress({
      match: 0,
      next: Math.max(this.#base.lastIndex, 1),
      inflights: this.#base.newInflights(),
      isLearner,
      // Counted as heard of, so that adding a voter cannot depose the leader at once.
      recentActive: true,
    });
    this.progress.set(id, progress);
  }
}

/** Changes at most one voter, and any number of learners, without a joint configuration. */
export function simpleChange(base: ChangeBase, changes: readonly ConfChangeSingle[]): ChangeResult {
  if (base.config.voters.isJoint) {
    throw new ConfChangeError("can't apply simple config change in joint config");
  }
  const draft = new Draft(base);
  draft.apply(changes);
  const before = base.config.voters.incoming;
  let different = 0;
  for (const id of draft.incoming) {
    different += before.has(id) ? 0 : 1;
  }
  for (const id of before.ids) {
    different += draft.incoming.has(id) ? 0 : 1;
  }
  if (different > 1) {
    throw new ConfChangeError('more than one voter changed without entering joint config');
  }
  return draft.finish();
}

/** Makes the present voters the outgoing half, and applies the changes to the incoming one. */
export function enterJoint(
  base: ChangeBase,
  autoLeave: boolean,
  changes: readonly ConfChangeSingle[],
): ChangeResult {
  if (base.config.voters.isJoint) {
    throw new ConfChangeError('config is already joint');
  }
  if (base.config.voters.incoming.size === 0) {
    throw new ConfChangeError("can't make a zero-voter config joint");
  }
  const draft = new Draft(base);
  for (const id of draft.incoming) {
    draft.outgoing.add(id);
  }
  draft.apply(changes);
  draft.autoLeave = autoLeave;
  return draft.finish();
}

/** Drops the outgoing half; its voters become learners or leave, as decided when entering. */
export function leaveJoint(base: ChangeBase): ChangeResult {
  if (!base.config.voters.isJoint) {
    throw new ConfChangeError("can't leave a non-joint config");
  }
  const draft = new Draft(base);
  for (const id of draft.learnersNext) {
    const progress = draft.progress.get(id);
    assert(progress !== undefined, 'a voter about to become a learner has a progress');
    draft.learners.add(id);
    progress.isLearner = true;
  }
  draft.learnersNext.clear();
  for (const id of draft.outgoing) {
    if (!draft.incoming.has(id) && !draft.learners.has(id)) {
      draft.progress.delete(id);
    }
  }
  draft.outgoing.clear();
  draft.autoLeave = false;
  return draft.finish();
}

/** Stops on a configuration that contradicts itself, which no sequence of changes may produce. */
export function checkInvariants(
  config: TrackerConfig,
  progress: ReadonlyMap<NodeId, Progress>,
): void {
  const { incoming, outgoing } = config.voters;
  for (const id of config.voters.ids) {
    assert(progress.has(id), 'every voter has a progress');
  }
  for (const id of config.learnersNext) {
    assert(outgoing.has(id), 'a learner to be is an outgoing voter');
    assert(progress.get(id)?.isLearner === false, 'a learner to be is no learner yet');
  }
  for (const id of config.learners) {
    assert(!incoming.has(id) && !outgoing.has(id), 'a learner does not vote');
    assert(progress.get(id)?.isLearner === true, 'a learner is marked in its progress');
  }
  if (!config.voters.isJoint) {
    assert(config.learnersNext.size === 0, 'learners to be exist in joint use only');
    assert(!config.autoLeave, 'only a joint configuration is left');
  }
}
