// Rebuilds a configuration and a fresh progress map from the membership in a snapshot, by
// replaying it as changes. Called at start-up and when a snapshot is restored.

import { assert } from '../base/assert.js';
import type { ConfChangeSingle, ConfState, NodeId } from '../base/types.js';
import { ConfChangeType } from '../base/types.js';
import { confStateOf, emptyTrackerConfig } from '../tracker/config.js';
import type { ChangeBase, ChangeResult } from './changer.js';
import { enterJoint, simpleChange } from './changer.js';

function changesTo(type: ConfChangeType, ids: readonly NodeId[]): ConfChangeSingle[] {
  return ids.map((nodeId) => ({ type, nodeId }));
}

function sameIds(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  const set = new Set(a);
  return a.length === b.length && b.every((id) => set.has(id));
}

/**
 * The configuration that a membership describes.
 *
 * @param base only its lastIndex and newInflights are used; configuration and progress are new
 * @throws ConfChangeError if the membership is impossible, such as learners without voters
 */
export function restoreConfig(
  base: Pick<ChangeBase, 'lastIndex' | 'newInflights'>,
  state: ConfState,
): ChangeResult {
  let result: ChangeResult = { config: emptyTrackerConfig, progress: new Map() };
  const addOneByOne = (changes: ConfChangeSingle[]): void => {
    for (const change of changes) {
      result = simpleChange({ ...base, ...result }, [change]);
    }
  };
  if (state.votersOutgoing.length === 0) {
    addOneByOne(changesTo(ConfChangeType.AddNode, state.voters));
    addOneByOne(changesTo(ConfChangeType.AddLearnerNode, state.learners));
  } else {
    addOneByOne(changesTo(ConfChangeType.AddNode, state.votersOutgoing));
    result = enterJoint({ ...base, ...result }, state.autoLeave, [
      ...changesTo(ConfChangeType.RemoveNode, state.votersOutgoing),
      ...changesTo(ConfChangeType.AddNode, state.voters),
      ...changesTo(ConfChangeType.AddLearnerNode, state.learners),
      ...changesTo(ConfChangeType.AddLearnerNode, state.learnersNext),
    ]);
  }
  const rebuilt = confStateOf(result.config);
  assert(sameIds(rebuilt.voters, state.voters), 'the restored voters are those asked for');
  assert(sameIds(rebuilt.learners, state.learners), 'the restored learners are those asked for');
  return result;
}
