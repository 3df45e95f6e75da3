// Renewals of leases on their way to the leader: while one request is under way, those that come
// meanwhile wait and go together in the next. A follower's clients renew many leases all the time,
// and a request for each would cost both members more than the renewals themselves. Owned by
// client.ts.

/** Asks for many at once: a TTL in seconds for each, or 0 where it has to be asked for alone. */
export type SendRenewals = (
  urls: readonly string[],
  ids: readonly bigint[],
  timeoutMs: number,
) => Promise<readonly bigint[]>;

interface Waiter {
  readonly id: bigint;
  readonly resolve: (ttlSeconds: bigint | null) => void;
  readonly reject: (error: unknown) => void;
}

/** What one request carries at most. */
export const MAX_RENEWALS = 4096;

export class Renewals {
  readonly #send: SendRenewals;
  // By the leader's URLs. Invariant: a key is here exactly while a request to it is under way.
  readonly #waiting = new Map<string, Waiter[]>();

  constructor(send: SendRenewals) {
    this.#send = send;
  }

  /** The lease's TTL in seconds, or null when it has to be asked for by itself. */
  renew(urls: readonly string[], id: bigint, timeoutMs: number): Promise<bigint | null> {
    return new Promise((resolve, reject) => {
      const key = urls.join();
      const waiting = this.#waiting.get(key);
      if (waiting !== undefined) {
        waiting.push({ id, resolve, reject });
        return;
      }
      this.#waiting.set(key, [{ id, resolve, reject }]);
      void this.#drain(key, urls, timeoutMs);
    });
  }

  async #drain(key: string, urls: readonly string[], timeoutMs: number): Promise<void> {
    for (;;) {
      const batch = this.#waiting.get(key)?.splice(0, MAX_RENEWALS) ?? [];
      if (batch.length === 0) {
        this.#waiting.delete(key);
        return;
      }
      await this.#ask(urls, batch, timeoutMs);
    }
  }

  async #ask(urls: readonly string[], batch: readonly Waiter[], timeoutMs: number): Promise<void> {
    const ids = batch.map(({ id }) => id);
    try {
      const ttls = await this.#send(urls, ids, timeoutMs);
      batch.forEach((waiter, i) => {
        const ttl = ttls[i] ?? 0n;
        waiter.resolve(ttl > 0n ? ttl : null);
      });
    } catch (error) {
      for (const waiter of batch) {
        waiter.reject(error);
      }
    }
  }
}
