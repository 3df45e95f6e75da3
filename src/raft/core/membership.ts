// Configuration changes in the state machine: which proposals a leader lets through, and what
// happens when a committed change is applied or a snapshot brings another membership. Called by
// the leader, the follower and RawNode. Raft paper §6, dissertation §4.

import { assert, panic } from '../base/assert.js';
import type { ConfChangeV2, ConfState, Entry } from '../base/types.js';
import { ConfChangeTransition, EntryType, NONE, StateType } from '../base/types.js';
import type { ChangeBase, ChangeResult } from '../confchange/changer.js';
import { ConfChangeError, enterJoint, leaveJoint, simpleChange } from '../confchange/changer.js';
import { restoreConfig } from '../confchange/restore.js';
import { configText } from '../tracker/config.js';
import { confChangeOfEntry } from '../wire/codec.js';
import { makeEntry } from '../wire/messages.js';
import { confChangeText, hex } from '../wire/text.js';
import type { Raft } from './raft.js';
import { broadcastAppend, maybeCommit, maybeSendAppend } from './replication.js';

/** Why a leader does not propose this change now; null if it may. */
function objectionTo(r: Raft, change: ConfChangeV2): string | null {
  const leaving = change.changes.length === 0;
  const joint = r.tracker.config.voters.isJoint;
  if (r.pendingConfIndex > r.log.applied) {
    const range = `at index ${r.pendingConfIndex} (applied to ${r.log.applied})`;
    return `possible unapplied conf change ${range}`;
  }
  if (joint && !leaving) {
    return 'must transition out of joint config first';
  }
  if (!joint && leaving) {
    return 'not in joint state; refusing empty conf change';
  }
  return null;
}

/**
 * Checks the configuration changes in a proposal. A refused one is replaced by an empty entry,
 * so that the rest of the proposal keeps its indexes.
 *
 * @returns the entries to append
 */
export function checkProposedChanges(r: Raft, entries: readonly Entry[]): readonly Entry[] {
  assert(r.state === StateType.Leader, 'only a leader checks proposals');
  let checked: Entry[] | null = null;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as Entry;
    if (entry.type === EntryType.Normal) {
      continue;
    }
    const change = confChangeOfEntry(entry);
    const objection = objectionTo(r, change);
    if (objection === null || r.config.disableConfChangeValidation) {
      r.pendingConfIndex = r.log.lastIndex() + i + 1;
      continue;
    }
    r.logger.info(
      () =>
        `${hex(r.id)} ignoring conf change ${confChangeText(change)} ` +
        `at config ${configText(r.tracker.config)}: ${objection}`,
    );
    checked ??= [...entries];
    checked[i] = makeEntry(EntryType.Normal, 0, 0, null, true);
  }
  return checked ?? entries;
}

function changeBase(r: Raft): ChangeBase {
  return {
    config: r.tracker.config,
    progress: r.tracker.progress,
    lastIndex: r.log.lastIndex(),
    newInflights: () => r.tracker.newInflights(),
  };
}

/** What a change means is stated by its transition and the number of its changes. */
function nextConfig(base: ChangeBase, change: ConfChangeV2): ChangeResult {
  const { transition, changes } = change;
  if (transition === ConfChangeTransition.Auto && changes.length === 0) {
    return leaveJoint(base);
  }
  if (transition === ConfChangeTransition.Auto && changes.length === 1) {
    return simpleChange(base, changes);
  }
  return enterJoint(base, transition !== ConfChangeTransition.JointExplicit, changes);
}

/**
 * Applies a committed change.
 *
 * @returns the membership from now on
 * @throws RaftPanicError if the rules forbid it: replicas that disagree about that must stop
 */
export function applyConfChange(r: Raft, change: ConfChangeV2): ConfState {
  let result: ChangeResult;
  try {
    result = nextConfig(changeBase(r), change);
  } catch (error) {
    if (error instanceof ConfChangeError) {
      panic(r.logger, error.message);
    }
    throw error;
  }
  return switchTo(r, result);
}

/** Replaces configuration and progress by those of a restored snapshot. */
export function restoreMembership(r: Raft, index: number, state: ConfState): void {
  assert(r.state === StateType.Follower, 'only a follower restores a snapshot');
  assert(index > r.configIndex, 'snapshots only bring the configuration forward');
  r.configIndex = index;
  r.tracker = r.newTracker();
  switchTo(r, restoreConfig(changeBase(r), state));
}

function switchTo(r: Raft, result: ChangeResult): ConfState {
  r.tracker.replace(result.config, result.progress);
  r.noteSwitch();
  const state = r.tracker.confState();
  const member = r.tracker.progress.has(r.id);
  if (r.state === StateType.Leader && (!member || r.isLearner)) {
    // A leader outside the configuration may still commit the change that removed it; whether it
    // then goes on until somebody else is elected is the caller's choice.
    if (r.config.stepDownOnRemoval) {
      r.becomeFollower(r.term, NONE);
    }
    return state;
  }
  if (r.state !== StateType.Leader || state.voters.length === 0) {
    return state;
  }
  if (maybeCommit(r)) {
    // A smaller quorum may have committed more.
    broadcastAppend(r);
  } else {
    // New peers should not wait for the next proposal or heartbeat.
    for (const id of r.tracker.ids) {
      if (id !== r.id) {
        maybeSendAppend(r, id, false);
      }
    }
  }
  if (r.leadTransferee !== NONE && !r.tracker.config.voters.has(r.leadTransferee)) {
    r.abortLeaderTransfer();
  }
  return state;
}
