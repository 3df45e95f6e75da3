// Whoever waits for the state to reach an index, or for a leader. One per member; told by it of
// both.
// Each wait ends with what it waits for, with a timeout, or with the member.

import type { Clock } from '../../base/clock.js';
import { MetaStoreError } from '../../base/errors.js';

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: MetaStoreError) => void;
}

interface IndexWaiter extends Waiter {
  readonly index: number;
}

export class Waits {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #forIndex: IndexWaiter[] = [];
  readonly #forLeader = new Set<Waiter>();

  /** @param timeoutMs how long somebody waits for a leader or an index */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Resolves once entries up to `index` are applied, `appliedIndex` being reached now.
   *
   * @throws MetaStoreError TimeoutWaitApplied when that takes too long
   */
  applied(index: number, appliedIndex: number): Promise<void> {
    if (appliedIndex >= index) {
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const waiter = { index, resolve, reject };
      this.#forIndex.push(waiter);
      this.#clock.after(this.#timeoutMs, () => {
        const at = this.#forIndex.indexOf(waiter);
        if (at >= 0) {
          this.#forIndex.splice(at, 1);
          reject(MetaStoreError.of('TimeoutWaitApplied'));
        }
      });
    });
  }

  /** Resolves with the next leader. @throws MetaStoreError NoLeader when there is none in time */
  leader(): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      this.#forLeader.add(waiter);
      this.#clock.after(this.#timeoutMs, () => {
        if (this.#forLeader.delete(waiter)) {
          reject(MetaStoreError.of('NoLeader'));
        }
      });
    });
  }

  noteApplied(index: number): void {
    if (this.#forIndex.length === 0) {
      return;
    }
    const ready = this.#forIndex.filter((waiter) => waiter.index <= index);
    this.#forIndex = this.#forIndex.filter((waiter) => waiter.index > index);
    for (const waiter of ready) {
      waiter.resolve();
    }
  }

  noteLeader(): void {
    const ready = [...this.#forLeader];
    this.#forLeader.clear();
    for (const waiter of ready) {
      waiter.resolve();
    }
  }

  /** The member stops. */
  fail(): void {
    const waiters = [...this.#forIndex.splice(0), ...this.#forLeader];
    this.#forLeader.clear();
    for (const waiter of waiters) {
      waiter.reject(MetaStoreError.of('Stopped'));
    }
  }
}
