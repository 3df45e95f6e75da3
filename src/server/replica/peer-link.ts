// What comes from other members, on its way into this one: messages to the replica loop, proposals
// to the queue, received snapshots to whoever installs them. The peer transport calls it; it never
// waits and never throws.

import type { ErrorTable, SharedErrorCode } from '../../base/errors.js';
import type { Membership } from '../../cluster/membership.js';
import type { PeerEvents } from '../../cluster/peers/types.js';
import { type Message, NONE, type RawNode } from '../../raft/index.js';
import type { MemberCore } from '../../storage/native.js';
import type { ReplicaLoop } from './replica-loop.js';
import type { Proposals } from './requests/proposals.js';

export interface PeerLinkParts {
  readonly core: Pick<MemberCore, 'enqueueForwarded'>;
  readonly raw: RawNode;
  readonly loop: ReplicaLoop;
  readonly proposals: Proposals;
  readonly membership: Membership;
  readonly errors: ErrorTable;
  /** This member has been removed from its cluster. */
  readonly removed: () => void;
}

export class PeerLink implements PeerEvents {
  readonly #parts: PeerLinkParts;

  constructor(parts: PeerLinkParts) {
    this.#parts = parts;
  }

  receive(message: Message): void {
    this.#parts.loop.receive(message);
  }

  forwarded(term: number, forwards: Uint8Array): SharedErrorCode | null {
    const { core, raw, loop, proposals, errors } = this.#parts;
    // Only in the very term that the sender meant: whoever was told that its proposals ended with a
    // term must not see them come back in a later one.
    if (!loop.isLeader || loop.term !== term) {
      return 'NotLeader';
    }
    if (raw.raft.leadTransferee !== NONE) {
      return 'ProposalDropped';
    }
    const taken = core.enqueueForwarded(forwards);
    if (taken < 0) {
      return errors.fromCode(-taken).code as SharedErrorCode;
    }
    proposals.queued();
    return null;
  }

  unreachable(id: bigint): void {
    this.#parts.loop.tell((raw) => raw.reportUnreachable(id));
  }

  snapshotDone(to: bigint, ok: boolean): void {
    this.#parts.loop.tell((raw) => raw.reportSnapshot(to, ok));
  }

  snapshotReceived(message: Message, importId: number): void {
    this.#parts.loop.receive(message, importId);
  }

  removed(): void {
    this.#parts.removed();
  }

  isRemoved(id: bigint): boolean {
    return this.#parts.membership.isRemoved(id);
  }
}
