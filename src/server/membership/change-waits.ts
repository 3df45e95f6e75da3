// Whoever asked for a change of the membership and waits until the log has decided about it. Kept
// by the id that the change carries through the log; settled by src/server/replica/control.ts when
// the entry is applied here. There is no time limit of the server's own: a change that a cluster
// without a quorum cannot commit may yet be, so only the caller knows how long to wait.

import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { MetaStoreError, type SharedErrorCode } from '../../base/errors.js';
import type { MemberInfo } from '../../cluster/membership.js';
import { type ConfChange, RaftError } from '../../raft/index.js';

interface Waiter {
  readonly resolve: (members: readonly MemberInfo[]) => void;
  readonly reject: (error: MetaStoreError) => void;
}

/** How changes get into the log. */
export interface ChangeGate {
  /** Hands the change to Raft. @throws RaftError when it certainly was not appended */
  propose(): void;
  /** Resolves once a leader is known; rejects with NoLeader after a while without one. */
  leaderKnown(): Promise<void>;
}

/** Pause before a change that Raft refused is handed to it again. */
const RETRY_MS = 20;

export class ChangeWaits {
  readonly #open = new Map<bigint, Waiter>();
  #stopped = false;

  get size(): number {
    return this.#open.size;
  }

  /**
   * Resolves with the members after the change with this id, once it is applied here.
   *
   * @param signal ends the wait, with Canceled
   * @throws MetaStoreError what speaks against the change; Canceled, Stopped
   */
  wait(id: bigint, signal?: AbortSignal): Promise<readonly MemberInfo[]> {
    assert(!this.#open.has(id), 'an id is used for one change');
    if (this.#stopped || signal?.aborted === true) {
      return Promise.reject(MetaStoreError.of(this.#stopped ? 'Stopped' : 'Canceled'));
    }
    return new Promise((resolve, reject) => {
      const onAbort = () => this.refuse(id, 'Canceled');
      const settled = () => signal?.removeEventListener('abort', onAbort);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#open.set(id, {
        resolve: (members) => {
          settled();
          resolve(members);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
    });
  }

  /**
   * Proposes a change and waits for its end, through times without a leader. A refusal of Raft (a
   * transfer of leadership is under way, or the leader was lost just now) is tried again.
   */
  async propose(
    change: ConfChange,
    gate: ChangeGate,
    clock: Clock,
    signal?: AbortSignal,
  ): Promise<readonly MemberInfo[]> {
    const decided = this.wait(change.id, signal);
    // Its rejection is seen at the end; it may come earlier.
    decided.catch(() => undefined);
    while (this.#open.has(change.id)) {
      try {
        await Promise.race([gate.leaderKnown(), decided]);
        if (this.#open.has(change.id)) {
          gate.propose();
        }
        break;
      } catch (error) {
        if (!isPassing(error)) {
          this.#open.delete(change.id);
          throw error;
        }
        const pause = new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
        await Promise.race([pause, decided]).catch(() => undefined);
      }
    }
    return decided;
  }

  /** The change is applied. Ids that nobody here waits for are other members' business. */
  settle(id: bigint, members: readonly MemberInfo[]): void {
    const waiter = this.#open.get(id);
    this.#open.delete(id);
    waiter?.resolve(members);
  }

  /** The change was not made. */
  refuse(id: bigint, code: SharedErrorCode): void {
    const waiter = this.#open.get(id);
    this.#open.delete(id);
    waiter?.reject(MetaStoreError.of(code));
  }

  /** The member stops: who waits now or later is told so. */
  stop(): void {
    this.#stopped = true;
    for (const id of [...this.#open.keys()]) {
      this.refuse(id, 'Stopped');
    }
  }
}

/** Whether it may work a moment later. */
function isPassing(error: unknown): boolean {
  const noLeader = error instanceof MetaStoreError && error.code === 'NoLeader';
  return noLeader || error instanceof RaftError;
}
