// How long entries take that TypeScript decides, from the moment at which apply stands there until
// their effects are given back. Stands between native code and ControlEntries, which know nothing
// of it.

import { exponential } from '../../base/metrics/definition.js';
import { Distribution } from '../../base/metrics/family.js';
import { EntryType } from '../../raft/index.js';
import type { MemberCore } from '../../storage/native.js';
import { typeOfInternal } from './request-times.js';
import type { SlowRequests } from './slow-requests.js';

const BOUNDS = exponential(0.0001, 2, 20);

interface Pair {
  readonly succeeded: Distribution;
  readonly failed: Distribution;
}

export class ControlTimes {
  /** By what the entry asks for. */
  readonly all = new Map<string, Pair>();
  readonly #slow: SlowRequests;
  readonly #nowMs: () => number;
  // The entry at which apply stands; null for a change of the membership.
  #request: Buffer | null = null;
  #startMs = 0;

  constructor(slow: SlowRequests, nowMs: () => number) {
    this.#slow = slow;
    this.#nowMs = nowMs;
  }

  /** Apply stands at an entry. */
  begins(type: number, request: Buffer): void {
    this.#request = type === EntryType.Normal ? request : null;
    this.#startMs = this.#nowMs();
  }

  /** The core as those see it who decide entries. */
  around(core: Pick<MemberCore, 'controlDone'>): Pick<MemberCore, 'controlDone'> {
    return {
      controlDone: (...args: Parameters<MemberCore['controlDone']>) => {
        const [, , code, reply] = args;
        core.controlDone(...args);
        this.#ended(code, reply?.length ?? 0);
      },
    };
  }

  #ended(code: number, replyBytes: number): void {
    const request = this.#request;
    if (request === null) {
      return;
    }
    this.#request = null;
    const seconds = (this.#nowMs() - this.#startMs) / 1000;
    const type = typeOfInternal(request);
    const op = type === 'AuthStatus' ? 'unknown' : type;
    let pair = this.all.get(op);
    if (pair === undefined) {
      pair = { succeeded: new Distribution(BOUNDS), failed: new Distribution(BOUNDS) };
      this.all.set(op, pair);
    }
    (code === 0 ? pair.succeeded : pair.failed).observe(seconds);
    this.#slow.decided(request, seconds, code, replyBytes);
  }
}
