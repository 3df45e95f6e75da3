// Entries of the log that TypeScript decides: configuration changes and requests about the cluster.
// Native apply stands at such an entry until its effects are given back, so that they are stored
// atomically with its index and the next operation sees them. Deterministic: the entry alone
// decides.

import { bytesOf, hexId } from '../../base/bytes.js';
import type { Logger } from '../../base/logger.js';
import { internalRaftRequest } from '../../base/proto/messages.js';
import { encodeConfState } from '../../cluster/conf-state.js';
import type { Membership } from '../../cluster/membership.js';
import { decodeMemberContext } from '../../cluster/membership.js';
import {
  type ConfChange,
  ConfChangeType,
  decodeConfChange,
  decodeConfChangeV2,
  EntryType,
  type RawNode,
} from '../../raft/index.js';
import type { MemberCore, MetaRow } from '../../storage/native.js';
import type { LogStorage } from './disk/log-storage.js';

export { restoreConfState } from '../../cluster/conf-state.js';

export interface ControlParts {
  readonly core: Pick<MemberCore, 'controlDone'>;
  readonly raw: RawNode;
  readonly storage: LogStorage;
  readonly membership: Membership;
  readonly log: Logger;
}

export class ControlEntries {
  readonly #parts: ControlParts;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  /** Decides the entry that apply stands at, and lets apply go on. */
  decide(index: number, type: number, request: Buffer): void {
    const meta =
      type === EntryType.Normal ? this.#internal(request) : this.#confChange(index, type, request);
    this.#parts.core.controlDone(index, meta, 0, null);
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
      const version = decoded.cluster_version_set.ver;
      const known = membership.version;
      log.info(known === null ? 'set initial cluster version' : 'updated cluster version', {
        'cluster-version': version,
      });
      return membership.setVersion(version);
    }
    // Written by a newer version: nothing here depends on it, and it must not stop apply.
    log.warn('ignored a request in the log that this version does not know');
    return [];
  }

  #confChange(index: number, type: number, request: Buffer): MetaRow[] {
    const { raw, storage } = this.#parts;
    const change =
      type === EntryType.ConfChange
        ? decodeConfChange(bytesOf(request))
        : decodeConfChangeV2(bytesOf(request));
    const confState = raw.applyConfChange(change, index);
    storage.setConfState(confState);
    const rows = [encodeConfState(confState)];
    if (!('changes' in change)) {
      rows.push(...this.#memberChange(change));
    }
    return rows;
  }

  #memberChange(change: ConfChange): MetaRow[] {
    const { membership, log } = this.#parts;
    const id = change.nodeId;
    const added = { 'added-peer-id': hexId(id) };
    switch (change.type) {
      case ConfChangeType.AddNode:
      case ConfChangeType.AddLearnerNode: {
        const context = decodeMemberContext(change.context ?? new Uint8Array());
        log.info(context.isPromote ? 'promote member' : 'added member', {
          ...added,
          'added-peer-peer-urls': context.peerUrls,
        });
        return membership.add(id, context);
      }
      case ConfChangeType.RemoveNode:
        log.info('removed member', { 'removed-remote-peer-id': hexId(id) });
        return membership.remove(id);
      default: {
        const known = membership.get(id);
        const context = decodeMemberContext(change.context ?? new Uint8Array());
        return known === undefined ? [] : membership.add(id, { ...context, name: known.name });
      }
    }
  }
}
