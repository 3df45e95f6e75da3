// Configuration changes where the log has decided: the entry and the applied membership alone say
// whether a change is made. One that must not happen changes nothing, for Raft neither. Called by
// control.ts for each such entry.

import { bytesOf, hexId } from '../../../base/bytes.js';
import type { SharedErrorCode } from '../../../base/errors.js';
import type { Logger } from '../../../base/log/logger.js';
import { encodeConfState } from '../../../cluster/conf-state.js';
import {
  applyChange,
  type MemberChange,
  memberChangeOf,
  objectionTo,
} from '../../../cluster/members/change-rules.js';
import type { Membership } from '../../../cluster/membership.js';
import {
  type ConfChange,
  ConfChangeType,
  decodeConfChange,
  EntryType,
  NONE,
  type RawNode,
} from '../../../raft/index.js';
import type { MetaRow } from '../../../storage/native.js';
import type { LogStorage } from '../disk/log-storage.js';

export interface ConfChangeParts {
  readonly raw: Pick<RawNode, 'applyConfChange' | 'raft'>;
  readonly storage: Pick<LogStorage, 'setConfState'>;
  readonly membership: Membership;
  readonly log: Logger;
}

/** What was decided about a configuration change. */
export interface Decision {
  readonly id: bigint;
  readonly rows: readonly MetaRow[];
  /** Why the change was not made; null when it was. */
  readonly refusal: SharedErrorCode | null;
  readonly removedSelf: boolean;
}

/** A change of nobody: Raft counts the entry and its configuration stays. */
const noChange: ConfChange = { id: 0n, type: ConfChangeType.AddNode, nodeId: NONE, context: null };

export class ConfChanges {
  readonly #parts: ConfChangeParts;

  constructor(parts: ConfChangeParts) {
    this.#parts = parts;
  }

  decide(index: number, type: number, request: Buffer): Decision {
    const { raw, storage, membership, log } = this.#parts;
    const change = decode(type, request);
    const meant = change === null ? null : memberChangeOf(change);
    const refusal = meant === null ? 'Internal' : objectionTo(membership, meant);
    const made = meant !== null && change !== null && refusal === null;
    const confState = raw.applyConfChange(made ? change : noChange, index);
    storage.setConfState(confState);
    const rows = [encodeConfState(confState)];
    if (made) {
      this.#logChange(meant);
      rows.push(...applyChange(membership, meant));
    } else {
      log.warn('a change of the membership was not made', {
        index,
        'member-id': hexId(meant?.id ?? NONE),
        reason: refusal === 'Internal' ? 'it cannot be understood' : refusal,
      });
    }
    const removedSelf = made && meant.kind === 'remove' && meant.id === raw.raft.id;
    return { id: change?.id ?? 0n, rows, refusal, removedSelf };
  }

  #logChange(change: MemberChange): void {
    const { membership, log, raw } = this.#parts;
    const self = { 'local-member-id': hexId(raw.raft.id) };
    const id = hexId(change.id);
    const known = membership.get(change.id);
    switch (change.kind) {
      case 'add':
        log.info('added member', {
          ...self,
          'added-peer-id': id,
          'added-peer-peer-urls': change.member.peerUrls,
          'added-peer-is-learner': change.member.isLearner,
        });
        break;
      case 'promote':
        log.info('promote member', { ...self, 'promoted-member-id': id });
        break;
      case 'update':
        log.info('updated member', {
          ...self,
          'updated-remote-peer-id': id,
          'updated-remote-peer-urls': change.peerUrls,
          'updated-remote-peer-is-learner': known?.isLearner,
        });
        break;
      default:
        log.info('removed member', {
          ...self,
          'removed-remote-peer-id': id,
          'removed-remote-peer-urls': known?.peerUrls,
          'removed-remote-peer-is-learner': known?.isLearner,
        });
    }
  }
}

/** Null for what no member proposes: changes of several members at once, damaged bytes. */
function decode(type: number, request: Buffer): ConfChange | null {
  if (type !== EntryType.ConfChange) {
    return null;
  }
  try {
    return decodeConfChange(bytesOf(request));
  } catch {
    return null;
  }
}
