// A membership: who votes (in which half), who learns, and how a joint change is left. Values
// are immutable; the changer makes new ones. Used by the tracker and by whatever reports it.

import type { ConfState, NodeId } from '../base/types.js';
import { JointConfig } from '../quorum/joint.js';
import { hex } from '../wire/text.js';

export interface TrackerConfig {
  readonly voters: JointConfig;
  // Invariant: disjoint from both halves of the voters.
  readonly learners: ReadonlySet<NodeId>;
  // Voters of the outgoing half that become learners when the joint configuration is left; they
  // cannot be learners before, as the outgoing half still counts them.
  readonly learnersNext: ReadonlySet<NodeId>;
  // Whether the leader leaves the joint configuration by itself. False unless joint.
  readonly autoLeave: boolean;
}

export const emptyTrackerConfig: TrackerConfig = {
  voters: new JointConfig(),
  learners: new Set(),
  learnersNext: new Set(),
  autoLeave: false,
};

export function ascending(ids: Iterable<NodeId>): NodeId[] {
  return [...ids].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

export function confStateOf(config: TrackerConfig): ConfState {
  return {
    voters: config.voters.incoming.ids,
    learners: ascending(config.learners),
    votersOutgoing: config.voters.outgoing.ids,
    learnersNext: ascending(config.learnersNext),
    autoLeave: config.autoLeave,
  };
}

function idList(ids: Iterable<NodeId>): string {
  return `(${ascending(ids).map(hex).join(' ')})`;
}

/** Such as `voters=(1 2 3)&&(1 2) learners=(4) learners_next=(5) autoleave`. */
export function configText(config: TrackerConfig): string {
  let text = `voters=${idList(config.voters.incoming.ids)}`;
  if (config.voters.isJoint) {
    text += `&&${idList(config.voters.outgoing.ids)}`;
  }
  if (config.learners.size > 0) {
    text += ` learners=${idList(config.learners)}`;
  }
  if (config.learnersNext.size > 0) {
    text += ` learners_next=${idList(config.learnersNext)}`;
  }
  return config.autoLeave ? `${text} autoleave` : text;
}
