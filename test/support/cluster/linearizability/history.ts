// What concurrent clients did and were told, in the order in which this process saw it: the call
// and the return of every operation get numbers from one counter, so real time is exact.
// Filled by the load of the cluster tests, judged by checks.ts.

import type { Operation } from './register.js';

export type Result = 'ok' | 'failed' | 'unknown';

/** An operation that is over, or whose client gave up waiting. */
export interface Entry {
  readonly client: string;
  /** Name of the member that was asked. */
  readonly member: string;
  readonly key: string;
  /** Its outcome is null unless the result is `ok`. */
  readonly operation: Operation;
  /** `failed`: it certainly had no effect. `unknown`: it may have, then or later. */
  readonly result: Result;
  readonly error: string;
  readonly callOrder: number;
  readonly returnOrder: number;
  readonly callMs: number;
  readonly returnMs: number;
}

/** An operation that was called and is not over. */
export interface Call {
  readonly order: number;
  readonly ms: number;
}

export class History {
  readonly entries: Entry[] = [];
  #order = 0;

  call(): Call {
    this.#order += 1;
    return { order: this.#order, ms: performance.now() };
  }

  /** Takes down how a call ended. */
  finish(
    call: Call,
    what: Pick<Entry, 'client' | 'member' | 'key' | 'operation' | 'result' | 'error'>,
  ): void {
    this.#order += 1;
    this.entries.push({
      ...what,
      callOrder: call.order,
      returnOrder: this.#order,
      callMs: call.ms,
      returnMs: performance.now(),
    });
  }

  /** When the last operation ended. */
  get endMs(): number {
    return this.entries.at(-1)?.returnMs ?? 0;
  }

  /** Writes that were acknowledged, in the order of the acknowledgements. */
  acknowledgedWrites(): Entry[] {
    return this.entries.filter((entry) => entry.result === 'ok' && changedStore(entry.operation));
  }

  /**
   * The longest time without an acknowledged write between two moments, in milliseconds. A gap
   * counts when it ends after `fromMs` or has not ended by `toMs`.
   */
  longestGapMs(fromMs: number, toMs: number): number {
    const moments = this.acknowledgedWrites()
      .map((entry) => entry.returnMs)
      .filter((ms) => ms <= toMs);
    let longest = 0;
    let last = moments[0] ?? fromMs;
    for (const ms of [...moments, toMs]) {
      if (ms >= fromMs) longest = Math.max(longest, ms - last);
      last = ms;
    }
    return longest;
  }
}

/** Whether an acknowledged operation made a revision of its own. */
export function changedStore(operation: Operation): boolean {
  switch (operation.kind) {
    case 'get':
      return false;
    case 'put':
      return operation.outcome !== null;
    case 'delete':
      return operation.outcome?.wasThere === true;
    case 'cas':
      return operation.outcome?.succeeded === true;
  }
}
