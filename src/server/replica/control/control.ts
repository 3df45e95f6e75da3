// Entries of the log that TypeScript decides: configuration changes, users and roles, requests
// about the cluster. Native apply stands at such an entry until its effects are given back, so that
// they are stored atomically with its index and the next operation sees them. Deterministic: the
// entry and the applied state alone decide.

import { bytesOf, hexId } from '../../../base/bytes.js';
import type { ErrorTable } from '../../../base/errors.js';
import { ETCD_VERSION } from '../../../base/package.js';
import {
  type InternalRaftRequest,
  internalRaftRequest,
  type ResponseHeader,
} from '../../../base/proto/messages.js';
import { EntryType } from '../../../raft/index.js';
import { type AuthCommands, tableBytes } from '../../../state/auth/commands.js';
import type { MemberCore, MetaRow } from '../../../storage/native.js';
import { ChangeWaits } from '../../membership/change-waits.js';
import { type ConfChangeParts, ConfChanges } from './conf-changes.js';

export interface ControlParts extends ConfChangeParts {
  readonly core: Pick<MemberCore, 'controlDone'>;
  readonly errors: Pick<ErrorTable, 'codeOf'>;
  readonly auth: AuthCommands;
  /** The header of an answer that is given now. */
  readonly header: () => ResponseHeader;
  /** This member is no part of the cluster any more: it has to stop. */
  readonly removedSelf?: () => void;
}

export class ControlEntries {
  /** Who waits for a change of the membership. */
  readonly changes = new ChangeWaits();
  readonly #parts: ControlParts;
  readonly #confChanges: ConfChanges;

  constructor(parts: ControlParts) {
    this.#parts = parts;
    this.#confChanges = new ConfChanges(parts);
  }

  /** Decides the entry that apply stands at, and lets apply go on. */
  decide(index: number, type: number, request: Buffer): void {
    if (type === EntryType.Normal) {
      this.#request(index, request);
      return;
    }
    const { core, membership, removedSelf } = this.#parts;
    const decision = this.#confChanges.decide(index, type, request);
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

  #request(index: number, bytes: Buffer): void {
    const { core, errors, auth, header, log } = this.#parts;
    let request: InternalRaftRequest;
    try {
      request = internalRaftRequest.decode(bytesOf(bytes));
    } catch (error) {
      // No member proposes such bytes; every member makes the same of them: nothing.
      log.warn('ignored a request in the log that cannot be understood', { index, error });
      core.controlDone(index, [], errors.codeOf('Unmarshal'), null, null);
      return;
    }
    const outcome = auth.decide(index, request, header);
    if (outcome === null) {
      core.controlDone(index, this.#cluster(request), 0, null, null);
      return;
    }
    const code = outcome.refusal === null ? 0 : errors.codeOf(outcome.refusal);
    core.controlDone(index, outcome.rows, code, bytesOf(outcome.reply), tableBytes(outcome));
  }

  #cluster(request: InternalRaftRequest): MetaRow[] {
    const { membership, log } = this.#parts;
    const attributes = request.cluster_member_attr_set;
    if (attributes !== null) {
      const { member_ID, member_attributes } = attributes;
      const { name = '', client_urls = [], entry_format = 0 } = member_attributes ?? {};
      return membership.setAttributes(member_ID, name, client_urls, entry_format);
    }
    if (request.cluster_version_set !== null) {
      return this.#setVersion(request.cluster_version_set.ver);
    }
    const downgrade = request.downgrade_info_set;
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
}
