// What a configuration change of the log means for the membership, and whether it may happen. Asked
// when the change is applied, on every member alike: the entry and the applied membership decide,
// never a flag or a clock of this process. Called by src/server/replica/control.ts.

import type { SharedErrorCode } from '../../base/errors.js';
import { type ConfChange, ConfChangeType, isStorageThread, NONE } from '../../raft/index.js';
import type { MetaRow } from '../../storage/native.js';
import type { Membership, NewMember } from '../membership.js';
import { decodeMemberContext, type MemberContext } from './member-json.js';

/** Learners that there may be where the change does not say. */
export const DEFAULT_MAX_LEARNERS = 1;

export type MemberChange =
  | {
      readonly kind: 'add';
      readonly id: bigint;
      readonly member: NewMember;
      readonly maxLearners: number;
    }
  | { readonly kind: 'promote' | 'remove'; readonly id: bigint }
  | { readonly kind: 'update'; readonly id: bigint; readonly peerUrls: readonly string[] };

function contextOf(change: ConfChange): MemberContext | null {
  try {
    return decodeMemberContext(change.context ?? new Uint8Array());
  } catch {
    return null;
  }
}

/** The change's meaning, or null when it has none: such an entry changes nothing. */
export function memberChangeOf(change: ConfChange): MemberChange | null {
  const { nodeId: id, type } = change;
  if (id === NONE || isStorageThread(id)) {
    return null;
  }
  if (type === ConfChangeType.RemoveNode) {
    return { kind: 'remove', id };
  }
  const context = contextOf(change);
  if (context === null) {
    return null;
  }
  const { name, peerUrls } = context;
  if (type === ConfChangeType.UpdateNode) {
    return { kind: 'update', id, peerUrls };
  }
  const isLearner = type === ConfChangeType.AddLearnerNode;
  if (context.isPromote) {
    return isLearner ? null : { kind: 'promote', id };
  }
  const maxLearners = context.maxLearners ?? DEFAULT_MAX_LEARNERS;
  return { kind: 'add', id, member: { name, peerUrls, isLearner }, maxLearners };
}

function urlTaken(membership: Membership, id: bigint, peerUrls: readonly string[]): boolean {
  const wanted = new Set(peerUrls);
  return membership
    .list()
    .some((member) => member.id !== id && member.peerUrls.some((url) => wanted.has(url)));
}

function objectionToAdding(
  membership: Membership,
  change: MemberChange & { kind: 'add' },
): SharedErrorCode | null {
  const { id, member, maxLearners } = change;
  if (membership.get(id) !== undefined) {
    return 'MemberExists';
  }
  if (urlTaken(membership, id, member.peerUrls)) {
    return 'PeerUrlExists';
  }
  const learners = membership.list().filter(({ isLearner }) => isLearner).length;
  return member.isLearner && learners >= maxLearners ? 'TooManyLearners' : null;
}

/** Why the change must not happen to this membership; null when it may. */
export function objectionTo(membership: Membership, change: MemberChange): SharedErrorCode | null {
  const { id } = change;
  if (membership.isRemoved(id)) {
    return 'MemberNotFound';
  }
  if (change.kind === 'add') {
    return objectionToAdding(membership, change);
  }
  const known = membership.get(id);
  if (known === undefined) {
    return 'MemberNotFound';
  }
  switch (change.kind) {
    case 'promote':
      return known.isLearner ? null : 'MemberNotLearner';
    case 'update':
      return urlTaken(membership, id, change.peerUrls) ? 'PeerUrlExists' : null;
    default:
      // A cluster without voters could never decide anything again.
      return !known.isLearner && membership.voters().length === 1
        ? 'NotEnoughStartedMembers'
        : null;
  }
}

/** Makes a change that nothing speaks against; the rows to be stored with its entry. */
export function applyChange(membership: Membership, change: MemberChange): MetaRow[] {
  switch (change.kind) {
    case 'add':
      return membership.add(change.id, change.member);
    case 'promote':
      return membership.promote(change.id);
    case 'update':
      return membership.update(change.id, change.peerUrls);
    default:
      return membership.remove(change.id);
  }
}
