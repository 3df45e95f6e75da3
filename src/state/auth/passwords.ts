// Passwords and their bcrypt hashes. Hashing is meant to be slow, so it runs on other threads, few
// at a time, behind a queue of its own: logins, which anybody may try, can neither take the pool
// from what else needs it nor the processor from consensus. A full queue refuses.

import { availableParallelism } from 'node:os';

import { MetaStoreError } from '../../base/errors.js';

/** Loaded with the first password: most servers never see one. */
const loadBcrypt = async () => (await import('bcrypt')).default;

/** More bytes than these have no part in a hash. */
const PASSWORD_BYTES_MAX = 72;
/** Hashes that may wait; those whose caller has given up cost nothing. */
const WAITING_MAX = 512;

export const BcryptCost = { Min: 4, Max: 31, Default: 10 } as const;

/** One processor is left to everything else. */
function defaultThreads(): number {
  return Math.max(1, Math.min(2, availableParallelism() - 1));
}

interface Job {
  readonly run: () => Promise<void>;
  readonly drop: (error: MetaStoreError) => void;
  readonly signal: AbortSignal;
}

export interface PasswordOptions {
  /** Of new hashes: each step doubles the work. */
  readonly cost: number;
  readonly threads?: number;
  readonly waitingMax?: number;
}

export class Passwords {
  readonly #cost: number;
  readonly #threads: number;
  readonly #waitingMax: number;
  #waiting: Job[] = [];
  #running = 0;

  constructor({ cost, threads = defaultThreads(), waitingMax = WAITING_MAX }: PasswordOptions) {
    this.#cost = cost;
    this.#threads = threads;
    this.#waitingMax = waitingMax;
  }

  /** The hash of a password. @throws MetaStoreError PasswordTooLong, TooManyRequests */
  async hash(password: string, signal: AbortSignal): Promise<string> {
    if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) {
      throw MetaStoreError.of('PasswordTooLong');
    }
    return this.#queued(signal, async () => {
      const bcrypt = await loadBcrypt();
      return bcrypt.hash(password, await bcrypt.genSalt(this.#cost, 'a'));
    });
  }

  /** Whether the hash is of this password. @throws MetaStoreError TooManyRequests */
  async matches(password: string, hash: Uint8Array, signal: AbortSignal): Promise<boolean> {
    if (hash.length === 0) {
      return false;
    }
    const bytes = Buffer.from(password).subarray(0, PASSWORD_BYTES_MAX);
    const text = Buffer.from(hash).toString('latin1');
    return this.#queued(signal, async () => (await loadBcrypt()).compare(bytes, text));
  }

  #queued<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#waiting.length >= this.#waitingMax) {
      this.#forgetAborted();
      if (this.#waiting.length >= this.#waitingMax) {
        return Promise.reject(MetaStoreError.of('TooManyRequests'));
      }
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ run: () => work().then(resolve, reject), drop: reject, signal });
      this.#next();
    });
  }

  #forgetAborted(): void {
    const gone = this.#waiting.filter(({ signal }) => signal.aborted);
    this.#waiting = this.#waiting.filter(({ signal }) => !signal.aborted);
    for (const { drop } of gone) {
      drop(MetaStoreError.of('ContextCanceled'));
    }
  }

  #next(): void {
    while (this.#running < this.#threads) {
      const job = this.#waiting.shift();
      if (job === undefined) {
        return;
      }
      if (job.signal.aborted) {
        job.drop(MetaStoreError.of('ContextCanceled'));
        continue;
      }
      this.#running++;
      void job.run().finally(() => {
        this.#running--;
        this.#next();
      });
    }
  }
}
