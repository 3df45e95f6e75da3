// Leases as every member answers for them: deadlines are the leader's, so renewals and remaining
// times come from it, whoever is asked. Called by the Lease service for clients, and by the peer
// port for other members, which then only ask this one.

import type { Clock } from '../base/clock.js';
import { MetaStoreError } from '../base/errors.js';
import type { PeerHttp, PeerTimeToLive } from '../cluster/http/client.js';
import { askLeader, type LeaderSeeker } from '../server/membership/ask-leader.js';
import type { Checkpoint, Lessor } from '../state/lease/lessor.js';

/** What is needed of the member. */
export interface LeaseMember extends LeaderSeeker {
  readonly lessor: Lessor;
  readonly committedIndex: number;
  readonly appliedIndex: number;
  appliedUpTo(index: number): Promise<void>;
  confirmLeadership(): Promise<void>;
  checkpointLeases(checkpoints: readonly Checkpoint[]): Promise<Buffer>;
  leaseKeys(id: bigint): Promise<Buffer[]>;
}

/** How long a leader waits for its own state to catch up. */
const APPLY_WAIT_MS = 1000;

export class Leases {
  readonly #member: LeaseMember;
  readonly #peers: Pick<PeerHttp, 'renewLease' | 'timeToLive'>;
  readonly #clock: Clock;
  readonly #renewsAtOnce: boolean;

  /** @param renewsAtOnce whether a lease that is known is renewed before all is applied */
  constructor(
    member: LeaseMember,
    peers: Pick<PeerHttp, 'renewLease' | 'timeToLive'>,
    clock: Clock,
    renewsAtOnce = true,
  ) {
    this.#member = member;
    this.#peers = peers;
    this.#clock = clock;
    this.#renewsAtOnce = renewsAtOnce;
  }

  /**
   * Renews a lease, wherever the leader is.
   *
   * @returns its TTL in seconds; 0 when there is no such lease
   * @throws MetaStoreError NoLeader, NotPrimaryLessor, TimeoutWaitApplied, Timeout, Canceled
   */
  async renew(id: bigint, signal?: AbortSignal): Promise<bigint> {
    const question = {
      here: async () => {
        // A leader that cannot make sure of it does not ask on: it says so.
        await this.#member.confirmLeadership();
        return leading(this.renewHere(id));
      },
      there: (urls: readonly string[], options: { timeoutMs?: number }) =>
        this.#peers.renewLease(urls, id, options),
    };
    const ttl = await orMissing(askLeader(this.#member, this.#clock, question, signal));
    return ttl ?? 0n;
  }

  /**
   * What is known of a lease, wherever the leader is; null when there is no such lease.
   *
   * @throws MetaStoreError NoLeader, TimeoutWaitApplied, Timeout, Canceled
   */
  timeToLive(id: bigint, keys: boolean, signal?: AbortSignal): Promise<PeerTimeToLive | null> {
    const question = {
      here: () => leading(this.timeToLiveHere(id, keys)),
      there: (urls: readonly string[], options: { timeoutMs?: number }) =>
        this.#peers.timeToLive(urls, id, keys, options),
    };
    return orMissing(askLeader(this.#member, this.#clock, question, signal));
  }

  /**
   * Renews a lease as the leader; its TTL in seconds.
   *
   * @throws MetaStoreError LeaseNotFound, NotPrimaryLessor, TimeoutWaitApplied
   */
  async renewHere(id: bigint): Promise<bigint> {
    const { lessor } = this.#member;
    this.#needPrimary();
    await this.#member.confirmLeadership();
    if (!this.#renewsAtOnce || !lessor.has(id)) {
      // It may have been granted a moment ago, and not be applied yet.
      await this.#caughtUp();
    }
    if (lessor.checkpointedSeconds(id) > 0) {
      await this.#member.checkpointLeases([{ id, remainingSeconds: 0 }]);
    }
    const ttl = await lessor.renew(id);
    if (ttl === null) {
      throw MetaStoreError.of('LeaseNotFound');
    }
    return BigInt(ttl);
  }

  /**
   * Renews in one turn what can be renewed here and now: TTLs in seconds, and null for each lease
   * that `renew` has to be asked for: it is unknown, or over, or noted in the log, or another
   * member leads.
   *
   * @throws MetaStoreError NotPrimaryLessor when this member is not sure any more that it leads,
   *   TimeoutWaitApplied
   */
  async renewNow(ids: readonly bigint[]): Promise<(number | null)[]> {
    const { lessor } = this.#member;
    if (!lessor.isPrimary) {
      return ids.map(() => null);
    }
    await this.#member.confirmLeadership();
    if (!this.#renewsAtOnce) {
      await this.#caughtUp();
    }
    return ids.map((id) => lessor.renewNow(id));
  }

  /**
   * Renews leases as the leader, in one turn: their TTLs in seconds, 0 for each that has to be
   * waited for or does not exist.
   *
   * @throws MetaStoreError NotPrimaryLessor
   */
  async renewManyHere(ids: readonly bigint[]): Promise<bigint[]> {
    this.#needPrimary();
    await this.#member.confirmLeadership();
    if (!this.#renewsAtOnce) {
      await this.#caughtUp();
    }
    return ids.map((id) => BigInt(this.#member.lessor.renewNow(id) ?? 0));
  }

  /**
   * What the leader knows of a lease.
   *
   * @throws MetaStoreError LeaseNotFound, NotPrimaryLessor, TimeoutWaitApplied
   */
  async timeToLiveHere(id: bigint, keys: boolean): Promise<PeerTimeToLive> {
    this.#needPrimary();
    await this.#caughtUp();
    const found = this.#member.lessor.timeToLive(id);
    if (found === null) {
      throw MetaStoreError.of('LeaseNotFound');
    }
    return {
      ID: id,
      TTL: BigInt(found.remainingSeconds),
      grantedTTL: BigInt(found.grantedSeconds),
      keys: keys ? await this.#member.leaseKeys(id) : [],
    };
  }

  #needPrimary(): void {
    if (!this.#member.lessor.isPrimary) {
      throw MetaStoreError.of('NotPrimaryLessor');
    }
  }

  /** Resolves once everything that is committed now is applied. */
  async #caughtUp(): Promise<void> {
    const { committedIndex, appliedIndex } = this.#member;
    if (appliedIndex >= committedIndex) {
      return;
    }
    let cancel = () => {};
    const late = new Promise<never>((_resolve, reject) => {
      cancel = this.#clock.after(APPLY_WAIT_MS, () =>
        reject(MetaStoreError.of('TimeoutWaitApplied')),
      );
    });
    try {
      await Promise.race([this.#member.appliedUpTo(committedIndex), late]);
    } finally {
      cancel();
    }
  }
}

function isError(error: unknown, code: string): boolean {
  return error instanceof MetaStoreError && error.code === code;
}

/** The answer of this member as the leader; where it has just lost that, the next one is asked. */
async function leading<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw isError(error, 'NotPrimaryLessor') ? MetaStoreError.of('NotLeader') : error;
  }
}

/** Null in place of LeaseNotFound. */
async function orMissing<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (isError(error, 'LeaseNotFound')) {
      return null;
    }
    throw error;
  }
}
