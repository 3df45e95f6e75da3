// Requests whose token was made further on in the log than this member is: they wait, as long as
// anybody waits for them, since the token may be good. Anyone can make up such a token, so a wait
// costs one object, and an entry that is applied costs a comparison.

interface Waiter {
  readonly index: bigint;
  readonly resolve: (reached: boolean) => void;
}

export class AppliedWaits {
  readonly #waiters = new Set<Waiter>();
  #applied = 0n;
  /** No waiter waits for less. */
  #lowest = 0n;

  get size(): number {
    return this.#waiters.size;
  }

  noteApplied(index: number): void {
    this.#applied = BigInt(index);
    if (this.#waiters.size === 0 || this.#applied < this.#lowest) {
      return;
    }
    let lowest: bigint | null = null;
    for (const waiter of [...this.#waiters]) {
      if (waiter.index <= this.#applied) {
        this.#waiters.delete(waiter);
        waiter.resolve(true);
      } else if (lowest === null || waiter.index < lowest) {
        lowest = waiter.index;
      }
    }
    this.#lowest = lowest ?? 0n;
  }

  /** True once the index is applied; false when the signal aborts before. */
  applied(index: bigint, signal: AbortSignal): Promise<boolean> {
    if (index <= this.#applied) {
      return Promise.resolve(true);
    }
    if (signal.aborted) {
      return Promise.resolve(false);
    }
    return new Promise((resolve) => {
      const onAbort = () => {
        this.#waiters.delete(waiter);
        resolve(false);
      };
      const waiter: Waiter = {
        index,
        resolve: (reached) => {
          signal.removeEventListener('abort', onAbort);
          resolve(reached);
        },
      };
      if (this.#waiters.size === 0 || index < this.#lowest) {
        this.#lowest = index;
      }
      this.#waiters.add(waiter);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
