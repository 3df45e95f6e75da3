// Entries of the log that TypeScript decides: configuration changes and requests about the cluster.
// Native apply stands at such an entry until its effects are given back, so that they are stored
// atomically with its index and the next operation sees them. Deterministic: the entry and the
// applied membership alone decide. A change that must not happen changes nothing, for Raft neither.

import { bytesOf, hexId } from '../../base/bytes.js';
import type { SharedErrorCode } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import { ETCD_VERSION } from '../../base/package.js';
import { internalRaftRequest } from '../../base/proto/messages.js';
import { encodeConfState } from '../../cluster/conf-state.js';
import {
  applyChange,
  type MemberChange,
  memberChangeOf,
  objectionTo,
} from '../../cluster/members/change-rules.js';
import type { Membership } from '../../cluster/membership.js';
import {
  type ConfChange,
  ConfChangeType,
  decodeConfChange,
  EntryType,
  NONE,
  type RawNode,
} from '../../raft/index.js';
import type { MemberCore, MetaRow } from '../../storage/native.js';
import { ChangeWaits } from '../membership/change-waits.js';
import type { LogStorage } from './disk/log-storage.js';

export { restoreConfState } from '../../cluster/conf-state.js';

export interface ControlParts {
  readonly core: Pick<MemberCore, 'controlDone'>;
  readonly raw: Pick<RawNode, 'applyConfChange' | 'raft'>;
  readonly storage: Pick<LogStorage, 'setConfState'>;
  readonly membership: Membership;
  readonly log: Logger;
  /** This member is no part of the cluster any more: it has to stop. */
  readonly removedSelf?: () => void;
}

/** What was decided about a configuration change. */
interface Decision {
  readonly id: bigint;
  readonly rows: readonly MetaRow[];
  /** Why the change was not made; null when it was. */
  readonly refusal: SharedErrorCode | null;
  readonly removedSelf: boolean;
}

/** A change of nobody: Raft counts the entry and its configuration stays. */
const noChange: ConfChange = { id: 0n, type: ConfChangeType.AddNode, nodeId: NONE, context: null };

export class ControlEntries {
  /** Who waits for a change of the membership. */
  readonly changes = new ChangeWaits();
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  /** Decides the entry that apply stands at, and lets apply go on. */
  decide(index: number, type: number, request: Buffer): void {
    const { core, membership, removedSelf } = this.#parts;
    if (type === EntryType.Normal) {
      core.controlDone(index, this.#internal(request), 0, null, null);
      return;
    }
    const decision = this.#confChange(index, type, request);
    core.controlDone(index, decision.rows, 0, null, null);
    if (decision.refusal === null) {
      this.changes.settle(decision.id, membership.list());
    } else {
      this.changes.refuse(decision.id, decision.refusal);
    }
    if (decision.removedSelf) {
      removedSelf?.();
    }
  }

  #internal(request: Buffer): MetaRow[] {
    const { membership, log } = this.#parts;
    const decoded = internalRaftRequest.decode(bytesOf(request));
    const attributes = decoded.cluster_member_attr_set;
    if (attributes !== null) {
      const { name, client_urls } = attributes.member_attributes ?? { name: '', client_urls: [] };
      return membership.setAttributes(attributes.member_ID, name, client_urls);
    }
    if (decoded.cluster_version_set !== null) {
      return this.#setVersion(decoded.cluster_version_set.ver);
    }
    const downgrade = decoded.downgrade_info_set;
    if (downgrade !== null) {
      return this.#setDowngrade(downgrade.enabled ? downgrade.ver : null);
    }
    // Written by a newer version: nothing here depends on it, and it must not stop apply.
    log.warn('ignored a request in the log that this version does not know');
    return [];
  }

  #setVersion(version: string): MetaRow[] {
    const { membership, log, raw } = this.#parts;
    const self = { 'local-member-id': hexId(raw.raft.id) };
    const from = membership.version;
    if (from === null) {
      log.info('set initial cluster version', { ...self, 'cluster-version': version });
    } else if (from !== version) {
      log.info('updated cluster version', { ...self, from, to: version });
    }
    const before = membership.storageVersion;
    const rows = membership.setVersion(version);
    if (before !== membership.storageVersion) {
      log.info('updated storage version', { 'new-storage-version': membership.storageVersion });
    }
    return rows;
  }

  #setDowngrade(target: string | null): MetaRow[] {
    const { membership, log } = this.#parts;
    if (target !== null) {
      log.info('The server is ready to downgrade', {
        'target-version': target,
        'server-version': ETCD_VERSION,
      });
    }
    return membership.setDowngrade(target);
  }

  #confChange(index: number, type: number, request: Buffer): Decision {
    const { raw, storage, membership, log } = this.#parts;
    const change = this.#decode(type, request);
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

  /** Null for what no member proposes: changes of several members at once, damaged bytes. */
  #decode(type: number, request: Buffer): ConfChange | null {
    if (type !== EntryType.ConfChange) {
      return null;
    }
    try {
      return decodeConfChange(bytesOf(request));
    } catch {
      return null;
    }
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
