// A member's own view of simulated time: it began somewhere else and runs a little fast or slow.
// Given to every Member of a simulation.

import type { Cancel, Clock } from '../../../../src/base/clock.js';
import type { Random } from './random.js';
import type { Owner, Scheduler } from './scheduler.js';

/** 2023-11-14, so that dates look like dates. */
const EPOCH_MS = 1_700_000_000_000;
/** Until the event loop comes to what was asked for soon. */
const SOON_MAX_MS = 0.2;

export interface Skew {
  readonly offsetMs: number;
  /** Own milliseconds per true one. */
  readonly rate: number;
}

export class SimClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #owner: Owner;
  readonly #random: Random;
  readonly #skew: Skew;

  constructor(scheduler: Scheduler, owner: Owner, random: Random, skew: Skew) {
    this.#scheduler = scheduler;
    this.#owner = owner;
    this.#random = random;
    this.#skew = skew;
  }

  nowMs(): number {
    return this.at(this.#scheduler.nowMs);
  }

  /** What this clock showed at a time of the simulation. */
  at(trueMs: number): number {
    return this.#skew.offsetMs + trueMs * this.#skew.rate;
  }

  unixMs(): number {
    return Math.floor(EPOCH_MS + this.nowMs());
  }

  after(delayMs: number, callback: () => void): Cancel {
    const event = this.#scheduler.after(delayMs / this.#skew.rate, this.#owner, callback);
    return () => {
      event.run = null;
    };
  }

  every(intervalMs: number, callback: () => void): Cancel {
    let cancel: Cancel = () => undefined;
    const again = () => {
      cancel = this.after(intervalMs, () => {
        again();
        callback();
      });
    };
    again();
    return () => cancel();
  }

  soon(callback: () => void): void {
    this.#scheduler.after(this.#random.range(0, SOON_MAX_MS), this.#owner, callback);
  }
}
