// Changes of the membership as operators ask for them: what is checked before anything is proposed,
// the ids of new members, and whom a promotion has to be asked from. Called by the Cluster service
// and by the peer port; what the log then makes of a change is src/cluster/members/change-rules.ts.

import { bytesOf } from '../../base/bytes.js';
import type { Clock } from '../../base/clock.js';
import { MetaStoreError, type SharedErrorCode } from '../../base/errors.js';
import type { PeerHttp } from '../../cluster/http/client.js';
import { runtimeMemberId } from '../../cluster/ids.js';
import { encodeChangeContext } from '../../cluster/members/member-json.js';
import type { MemberInfo, Membership } from '../../cluster/membership.js';
import type { PeerConnections } from '../../cluster/peers/types.js';
import {
  type ConfChange,
  ConfChangeType,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  NONE,
} from '../../raft/index.js';
import { askLeader, type LeaderSeeker } from './ask-leader.js';
import { checkedPeerUrls } from './peer-urls.js';
import {
  type ClusterView,
  objectionToAdding,
  objectionToPromoting,
  objectionToRemoving,
} from './quorum-rules.js';

/** What is needed of the member. */
export interface MembershipHost extends LeaderSeeker {
  readonly id: bigint;
  readonly membership: Membership;
  readonly connections: PeerConnections;
  readonly options: MembershipPolicy & LeaderSeeker['options'];
  readonly committedIndex: number;
  appliedUpTo(index: number): Promise<void>;
  /** How far a member's log agrees with the leader's; null when this member does not lead. */
  raftProgress(id: bigint): { readonly match: number } | null;
  nextId(): bigint;
  proposeConfChange(change: ConfChange, signal?: AbortSignal): Promise<readonly MemberInfo[]>;
}

/** Flags about changes of the membership. */
export interface MembershipPolicy {
  readonly strictReconfigCheck: boolean;
  readonly maxLearners: number;
}

/** Ids that Raft has other uses for: no member has one. */
const reservedIds: ReadonlySet<bigint> = new Set([NONE, LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD]);

/** Part of the leader's log that a learner must have to become a voter. */
const READY_SHARE = 0.9;

export class MembershipOperations {
  readonly #host: MembershipHost;
  /** Promotions made while this member led, and who hears of those that were not; for metrics. */
  promotions = 0;
  onPromoteFailure: (error: unknown) => void = () => {};
  readonly #peers: Pick<PeerHttp, 'promote'>;
  readonly #clock: Clock;

  constructor(host: MembershipHost, peers: Pick<PeerHttp, 'promote'>, clock: Clock) {
    this.#host = host;
    this.#peers = peers;
    this.#clock = clock;
  }

  /**
   * Adds a member that is to be started afterwards.
   *
   * @returns the new member and all members with it
   * @throws MetaStoreError BadMemberUrls, NotEnoughStartedMembers, Unhealthy, MemberExists,
   *   PeerUrlExists, TooManyLearners; Canceled, Stopped
   */
  async add(
    peerUrls: readonly string[],
    isLearner: boolean,
    signal?: AbortSignal,
  ): Promise<{ readonly member: MemberInfo; readonly members: readonly MemberInfo[] }> {
    const urls = checkedPeerUrls(peerUrls);
    this.#needStrict((view) => objectionToAdding(view, isLearner));
    const id = runtimeMemberId(urls, this.#clock.unixMs());
    const { maxLearners } = this.#host.options;
    const type = isLearner ? ConfChangeType.AddLearnerNode : ConfChangeType.AddNode;
    const limit = isLearner ? { maxLearners } : {};
    const context = encodeChangeContext(id, { peerUrls: urls, isLearner, ...limit });
    const members = await this.#propose(type, id, context, signal);
    const member = { id, name: '', peerUrls: urls, clientUrls: [], isLearner };
    return { member, members };
  }

  /**
   * Takes a member out for good.
   *
   * @throws MetaStoreError NotEnoughStartedMembers, Unhealthy, MemberNotFound; Canceled, Stopped
   */
  async remove(id: bigint, signal?: AbortSignal): Promise<readonly MemberInfo[]> {
    this.#needStrict((view) => objectionToRemoving(view, id));
    return this.#propose(ConfChangeType.RemoveNode, id, null, signal);
  }

  /**
   * Changes where other members find one; the URLs are taken as they are.
   *
   * @throws MetaStoreError MemberNotFound, PeerUrlExists; Canceled, Stopped
   */
  async update(
    id: bigint,
    peerUrls: readonly string[],
    signal?: AbortSignal,
  ): Promise<readonly MemberInfo[]> {
    const context = encodeChangeContext(id, { peerUrls });
    return this.#propose(ConfChangeType.UpdateNode, id, context, signal);
  }

  /**
   * Turns a learner into a voter. Only the leader knows how far it is, so that is asked.
   *
   * @param token of whoever asks, which the leader wants to see too; null without authentication
   * @throws MetaStoreError MemberNotFound, MemberNotLearner, LearnerNotReady,
   *   NotEnoughStartedMembers, NoLeader, Timeout; Canceled, Stopped
   */
  promote(
    id: bigint,
    signal?: AbortSignal,
    token: string | null = null,
  ): Promise<readonly MemberInfo[]> {
    return askLeader<readonly MemberInfo[]>(
      this.#host,
      this.#clock,
      {
        here: () => this.#counted(this.#promoteHere(id, signal)),
        there: (urls, options) => this.#peers.promote(urls, id, options, token),
      },
      signal,
    );
  }

  async #counted<T>(promotion: Promise<T>): Promise<T> {
    try {
      const result = await promotion;
      this.promotions++;
      return result;
    } catch (error) {
      this.onPromoteFailure(error);
      throw error;
    }
  }

  async #promoteHere(id: bigint, signal?: AbortSignal): Promise<readonly MemberInfo[]> {
    const { appliedUpTo, committedIndex } = this.#host;
    await appliedUpTo.call(this.#host, committedIndex);
    const objection = this.#objectionToPromoting(id);
    if (objection !== null) {
      throw MetaStoreError.of(objection);
    }
    this.#needStrict(objectionToPromoting);
    const context = encodeChangeContext(id, { isPromote: true });
    return this.#propose(ConfChangeType.AddNode, id, context, signal);
  }

  #objectionToPromoting(id: bigint): SharedErrorCode | null {
    const { membership, raftProgress } = this.#host;
    const own = raftProgress.call(this.#host, this.#host.id);
    if (own === null) {
      return 'NotLeader';
    }
    const member = membership.get(id);
    const progress = raftProgress.call(this.#host, id);
    if (member === undefined || progress === null) {
      return 'MemberNotFound';
    }
    if (!member.isLearner) {
      return 'MemberNotLearner';
    }
    return progress.match < READY_SHARE * own.match ? 'LearnerNotReady' : null;
  }

  /** @throws MetaStoreError what the strict rules object to, where they are on */
  #needStrict(rule: (view: ClusterView) => SharedErrorCode | null): void {
    if (!this.#host.options.strictReconfigCheck) {
      return;
    }
    const { id: self, membership, connections } = this.#host;
    const objection = rule({
      self,
      members: membership.list(),
      nowMs: this.#clock.nowMs(),
      connectedSinceMs: (id) => connections.connectedSinceMs(id),
    });
    if (objection !== null) {
      throw MetaStoreError.of(objection);
    }
  }

  /** Rejects with MemberNotFound for an id that no member can have. */
  #propose(
    type: ConfChangeType,
    nodeId: bigint,
    context: Buffer | null,
    signal?: AbortSignal,
  ): Promise<readonly MemberInfo[]> {
    if (reservedIds.has(nodeId)) {
      return Promise.reject(MetaStoreError.of('MemberNotFound'));
    }
    const bytes = context === null ? null : bytesOf(context);
    const change: ConfChange = { id: this.#host.nextId(), type, nodeId, context: bytes };
    return this.#host.proposeConfChange(change, signal);
  }
}
