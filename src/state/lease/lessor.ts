// Deadlines of leases. The native store knows which leases exist and their keys; this side knows
// when each ends. Fed with grants, revocations and checkpoints in the order of the log, and asked
// by the Lease service and the expiry loop. Only the leader's lessor is primary: elsewhere nothing
// expires, since only one member may decide that a lease is over, and its decision goes through the
// log.
//
// Times are milliseconds on a monotonic clock; TTLs are whole seconds as clients give them.

import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { MetaStoreError } from '../../base/errors.js';
import type { LeaseInfo } from '../../storage/native.js';
import { DeadlineQueue } from './deadline-queue.js';

/** Expiries per second that a new leader allows, so that it is not busy with revoking alone. */
const EXPIRIES_PER_SECOND_MAX = 750;
/** From this many leases on, a new leader spreads their expiries. */
const SPREAD_FROM_LEASES = 1000;

export interface LessorOptions {
  /** How long after grant or renewal the remaining time is checkpointed; null: never. */
  readonly checkpointIntervalMs: number | null;
  /** A revocation that has not been applied after this long is proposed again. */
  readonly revokeRetryMs: number;
}

export interface TimeToLive {
  /** Seconds left, cut off; -1 when overdue by a second or more. */
  readonly remainingSeconds: number;
  readonly grantedSeconds: number;
}

export interface Checkpoint {
  readonly id: bigint;
  readonly remainingSeconds: number;
}

interface Lease {
  readonly ttlSeconds: number;
  /** What the log says is left of it; 0 when it says nothing. */
  remainingSeconds: number;
  /** Infinity while not primary. */
  deadlineMs: number;
  /** Whoever renews an expired lease waits here for its end. */
  onEnd: (() => void)[];
}

export class Lessor {
  readonly #clock: Clock;
  readonly #options: LessorOptions;
  readonly #leases = new Map<bigint, Lease>();
  readonly #expiries = new DeadlineQueue();
  readonly #checkpoints = new DeadlineQueue();
  #primary = false;

  constructor(clock: Clock, options: LessorOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  /** Renewals so far, for metrics. */
  renewals = 0;

  get size(): number {
    return this.#leases.size;
  }
  get isPrimary(): boolean {
    return this.#primary;
  }

  has(id: bigint): boolean {
    return this.#leases.has(id);
  }

  /** Takes over the leases of a state that was recovered or installed; not while primary. */
  restore(leases: readonly LeaseInfo[]): void {
    assert(!this.#primary, 'the state of a leader is not replaced');
    this.#leases.clear();
    for (const { id, ttlSeconds, remainingTtlSeconds } of leases) {
      this.#leases.set(id, newLease(ttlSeconds, remainingTtlSeconds));
    }
  }

  /** The log granted a lease. */
  granted(id: bigint, ttlSeconds: number): void {
    const lease = newLease(ttlSeconds, 0);
    this.#leases.set(id, lease);
    if (this.#primary) {
      this.#refresh(id, lease, 0);
    }
  }

  /** The log revoked a lease. */
  revoked(id: bigint): void {
    const lease = this.#leases.get(id);
    this.#leases.delete(id);
    this.#expiries.delete(id);
    this.#checkpoints.delete(id);
    wakeAll(lease);
  }

  /** The log noted a lease's remaining time; 0 takes the note back. */
  checkpointed(id: bigint, remainingSeconds: number): void {
    const lease = this.#leases.get(id);
    if (lease !== undefined) {
      lease.remainingSeconds = remainingSeconds;
      if (this.#primary) {
        this.#scheduleCheckpoint(id, lease);
      }
    }
  }

  /**
   * This member leads from now on. Every lease gets its time again (what was noted as remaining, or
   * all of it) and `extendMs` on top, in which clients may find the new leader.
   */
  promote(extendMs: number): void {
    this.#primary = true;
    this.#expiries.clear();
    this.#checkpoints.clear();
    for (const [id, lease] of this.#leases) {
      this.#refresh(id, lease, extendMs);
    }
    if (this.#leases.size > SPREAD_FROM_LEASES) {
      this.#spread();
    }
  }

  /** Another member leads, or none: nothing expires here. */
  demote(): void {
    this.#primary = false;
    this.#expiries.clear();
    this.#checkpoints.clear();
    for (const lease of this.#leases.values()) {
      lease.deadlineMs = Number.POSITIVE_INFINITY;
      wakeAll(lease);
    }
  }

  /**
   * Gives a lease its full time again.
   *
   * @returns the TTL in seconds, or null when there is no such lease (any more)
   * @throws MetaStoreError NotPrimaryLessor
   */
  async renew(id: bigint): Promise<number | null> {
    for (;;) {
      const lease = this.#leases.get(id);
      if (!this.#primary) {
        throw MetaStoreError.of('NotPrimaryLessor');
      }
      if (lease === undefined) {
        return null;
      }
      if (lease.deadlineMs > this.#clock.nowMs()) {
        this.#renewed(id, lease);
        return lease.ttlSeconds;
      }
      // Too late: the revocation is on its way, and only its end decides.
      await new Promise<void>((resolve) => lease.onEnd.push(resolve));
    }
  }

  /**
   * As `renew` where nothing has to be waited for; null where something has to, or there is no such
   * lease.
   */
  renewNow(id: bigint): number | null {
    const lease = this.#leases.get(id);
    const isReady = this.#primary && lease !== undefined && lease.remainingSeconds === 0;
    if (!isReady || lease.deadlineMs <= this.#clock.nowMs()) {
      return null;
    }
    this.#renewed(id, lease);
    return lease.ttlSeconds;
  }

  /** What a lease's checkpointed remaining time is: a renewal has to take it back first. */
  checkpointedSeconds(id: bigint): number {
    return this.#leases.get(id)?.remainingSeconds ?? 0;
  }

  /** Null for a lease that does not exist. @throws MetaStoreError NotPrimaryLessor */
  timeToLive(id: bigint): TimeToLive | null {
    const lease = this.#leases.get(id);
    if (lease === undefined) {
      return null;
    }
    if (!this.#primary) {
      throw MetaStoreError.of('NotPrimaryLessor');
    }
    const remaining = Math.trunc((lease.deadlineMs - this.#clock.nowMs()) / 1000);
    return { remainingSeconds: Math.max(-1, remaining), grantedSeconds: lease.ttlSeconds };
  }

  /** Ids by remaining time; without a leader by id, since no time runs then. */
  list(): bigint[] {
    const leases = [...this.#leases];
    leases.sort(([idA, a], [idB, b]) =>
      a.deadlineMs === b.deadlineMs ? (idA < idB ? -1 : 1) : a.deadlineMs - b.deadlineMs,
    );
    return leases.map(([id]) => id);
  }

  /** Up to `limit` leases that are over and to be revoked now. Asked again later if not revoked. */
  takeExpired(limit: number): bigint[] {
    if (!this.#primary) {
      return [];
    }
    const nowMs = this.#clock.nowMs();
    const due = this.#expiries.takeDue(nowMs, limit);
    for (const id of due) {
      this.#expiries.set(id, nowMs + this.#options.revokeRetryMs);
    }
    return due;
  }

  /** Puts leases back that could not be proposed after all. */
  retrySoon(ids: readonly bigint[]): void {
    for (const id of ids) {
      if (this.#leases.has(id) && this.#primary) {
        this.#expiries.set(id, this.#clock.nowMs());
      }
    }
  }

  /** Up to `limit` leases whose remaining time is to be noted in the log now. */
  takeCheckpoints(limit: number): Checkpoint[] {
    if (!this.#primary || this.#options.checkpointIntervalMs === null) {
      return [];
    }
    const nowMs = this.#clock.nowMs();
    const taken: Checkpoint[] = [];
    for (const id of this.#checkpoints.takeDue(nowMs, limit)) {
      const lease = this.#leases.get(id);
      if (lease === undefined || lease.deadlineMs <= nowMs) {
        continue;
      }
      const remainingSeconds = Math.ceil((lease.deadlineMs - nowMs) / 1000);
      if (remainingSeconds < lease.ttlSeconds) {
        taken.push({ id, remainingSeconds });
      }
    }
    return taken;
  }

  #renewed(id: bigint, lease: Lease): void {
    this.renewals++;
    lease.remainingSeconds = 0;
    this.#refresh(id, lease, 0);
  }

  #refresh(id: bigint, lease: Lease, extendMs: number): void {
    const seconds = lease.remainingSeconds > 0 ? lease.remainingSeconds : lease.ttlSeconds;
    lease.deadlineMs = this.#clock.nowMs() + seconds * 1000 + extendMs;
    this.#expiries.set(id, lease.deadlineMs);
    this.#scheduleCheckpoint(id, lease);
  }

  #scheduleCheckpoint(id: bigint, lease: Lease): void {
    const intervalMs = this.#options.checkpointIntervalMs;
    if (intervalMs === null) {
      return;
    }
    const nowMs = this.#clock.nowMs();
    if (lease.deadlineMs - nowMs > intervalMs) {
      this.#checkpoints.set(id, nowMs + intervalMs);
    } else {
      this.#checkpoints.delete(id);
    }
  }

  /** Moves deadlines back so that no second holds more of them than the leader can revoke. */
  #spread(): void {
    const ordered = [...this.#leases].sort(([, a], [, b]) => a.deadlineMs - b.deadlineMs);
    const gapMs = 1000 / EXPIRIES_PER_SECOND_MAX;
    let earliestMs = Number.NEGATIVE_INFINITY;
    for (const [id, lease] of ordered) {
      lease.deadlineMs = Math.max(lease.deadlineMs, earliestMs);
      earliestMs = lease.deadlineMs + gapMs;
      this.#expiries.set(id, lease.deadlineMs);
    }
  }
}

function newLease(ttlSeconds: number, remainingSeconds: number): Lease {
  return { ttlSeconds, remainingSeconds, deadlineMs: Number.POSITIVE_INFINITY, onEnd: [] };
}

function wakeAll(lease: Lease | undefined): void {
  for (const resolve of lease?.onEnd.splice(0) ?? []) {
    resolve();
  }
}
