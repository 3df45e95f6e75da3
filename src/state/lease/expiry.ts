// The expiry loop of leases: every half second the leader's lessor is asked what is over,
// leadership is confirmed, and the revocations are proposed. Also proposes checkpoints of remaining
// times where the feature is on. What it needs of the member is declared here and wired by the
// server.

import type { Logger } from '../../base/log/logger.js';
import type { Checkpoint, Lessor } from './lessor.js';

/** Interval of the loop. */
export const EXPIRY_INTERVAL_MS = 500;
/** Revocations proposed per interval: a thousand a second. */
const REVOCATIONS_MAX = 500;
/** Leases per checkpoint request. */
const CHECKPOINTS_MAX = 1000;

export interface LeaseProposals {
  /** Resolves when this member has made sure that it still leads; rejects otherwise. */
  confirmLeadership(): Promise<void>;
  revoke(id: bigint): Promise<unknown>;
  checkpoint(checkpoints: readonly Checkpoint[]): Promise<unknown>;
}

export class LeaseExpiry {
  readonly #lessor: Lessor;
  readonly #proposals: LeaseProposals;
  readonly #log: Logger;
  #nextMs = 0;
  /** Leases revoked so far because their time was over, for metrics. */
  revoked = 0;
  #busy = false;

  constructor(lessor: Lessor, proposals: LeaseProposals, log: Logger) {
    this.#lessor = lessor;
    this.#proposals = proposals;
    this.#log = log;
  }

  /** Called with every tick of the replica loop; does its work every EXPIRY_INTERVAL_MS. */
  tick(nowMs: number): void {
    if (nowMs < this.#nextMs || this.#busy || !this.#lessor.isPrimary) {
      return;
    }
    this.#nextMs = nowMs + EXPIRY_INTERVAL_MS;
    const expired = this.#lessor.takeExpired(REVOCATIONS_MAX);
    if (expired.length > 0) {
      this.#busy = true;
      void this.#revoke(expired).finally(() => {
        this.#busy = false;
      });
    }
    const checkpoints = this.#lessor.takeCheckpoints(CHECKPOINTS_MAX);
    if (checkpoints.length > 0) {
      this.#proposals.checkpoint(checkpoints).catch((error: unknown) => {
        this.#log.warn('failed to checkpoint leases', { error });
      });
    }
  }

  async #revoke(ids: readonly bigint[]): Promise<void> {
    try {
      await this.#proposals.confirmLeadership();
    } catch (error) {
      this.#log.warn('did not revoke expired leases: leadership is not confirmed', { error });
      this.#lessor.retrySoon(ids);
      return;
    }
    for (const id of ids) {
      this.#proposals.revoke(id).then(
        () => {
          this.revoked++;
        },
        (error: unknown) => {
          // Revoked by a client meanwhile, or asked again after the retry time.
          this.#log.debug('failed to revoke an expired lease', { 'lease-id': id, error });
        },
      );
    }
  }
}
