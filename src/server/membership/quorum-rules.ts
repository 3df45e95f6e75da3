// The rules of --strict-reconfig-check: a change of the membership is refused when the cluster
// could lose its quorum by it, for want of members that have started or of connections. Pure
// functions of the members and of who is connected; called by operations.ts.

import type { SharedErrorCode } from '../../base/errors.js';
import type { MemberInfo } from '../../cluster/membership.js';

/** How long a connection has to have held to count. */
export const HEALTHY_AFTER_MS = 5000;

/** What the rules look at, seen from the member that is asked. */
export interface ClusterView {
  readonly self: bigint;
  readonly members: readonly MemberInfo[];
  readonly nowMs: number;
  /** Since when the connection holds (as nowMs); null while there is none. */
  connectedSinceMs(id: bigint): number | null;
}

function quorumOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

function votersOf(view: ClusterView): readonly MemberInfo[] {
  return view.members.filter(({ isLearner }) => !isLearner);
}

/** A member has a name once it has started and published itself. */
function started(voters: readonly MemberInfo[]): number {
  return voters.filter(({ name }) => name !== '').length;
}

/** Voters that have been connected for long enough, this one among them. */
function healthy(view: ClusterView, voters: readonly MemberInfo[]): number {
  return voters.filter(({ id }) => {
    if (id === view.self) {
      return true;
    }
    const sinceMs = view.connectedSinceMs(id);
    return sinceMs !== null && view.nowMs - sinceMs >= HEALTHY_AFTER_MS;
  }).length;
}

/** What speaks against adding a member; null when nothing does. */
export function objectionToAdding(view: ClusterView, isLearner: boolean): SharedErrorCode | null {
  const voters = votersOf(view);
  if (voters.length === 1 && started(voters) === 1) {
    return null;
  }
  const needed = quorumOf(voters.length + 1);
  if (!isLearner && started(voters) < needed) {
    return 'NotEnoughStartedMembers';
  }
  return healthy(view, voters) < needed ? 'Unhealthy' : null;
}

/** What speaks against removing the member; null when nothing does. */
export function objectionToRemoving(view: ClusterView, id: bigint): SharedErrorCode | null {
  if (view.members.some((member) => member.id === id && member.isLearner)) {
    return null;
  }
  const voters = votersOf(view);
  const staying = voters.filter((voter) => voter.id !== id);
  if (started(staying) < quorumOf(staying.length)) {
    return 'NotEnoughStartedMembers';
  }
  // Who is not there is no part of the quorum that works now.
  if (id !== view.self && view.connectedSinceMs(id) === null) {
    return null;
  }
  return healthy(view, voters) - 1 < quorumOf(voters.length - 1) ? 'Unhealthy' : null;
}

/** What speaks against one more voter, which has started; null when nothing does. */
export function objectionToPromoting(view: ClusterView): SharedErrorCode | null {
  const voters = votersOf(view);
  return started(voters) + 1 < quorumOf(voters.length + 1) ? 'NotEnoughStartedMembers' : null;
}
