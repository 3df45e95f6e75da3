// The choices of a simulation, all drawn from one seed. Used by everything in this folder's
// neighbours, in the order of events, which is how a seed gives one run.

import { Prng } from '../../../../src/server/election/prng.js';

export class Random {
  readonly #prng: Prng;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  /** A whole number in [0, bound). */
  below(bound: number): number {
    return this.#prng.nextBelow(bound);
  }

  /** A whole number in [from, to]. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  /** A number in [from, to), with a resolution of a microsecond where those are milliseconds. */
  range(from: number, to: number): number {
    return from + this.below(Math.max(1, Math.round((to - from) * 1000))) / 1000;
  }

  /** True with the probability. */
  chance(probability: number): boolean {
    return probability > 0 && this.#prng.nextUint32() / 2 ** 32 < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  /** A seed for something that must not disturb the other choices. */
  fork(): number {
    return this.#prng.nextUint32();
  }
}
