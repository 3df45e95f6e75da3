// A clock that stands still until a test moves it, with its timers.
// Given to everything that takes a Clock.

import type { Cancel, Clock } from '../../../src/base/clock.js';

interface Timer {
  atMs: number;
  readonly intervalMs: number | null;
  readonly callback: () => void;
}

export class ManualClock implements Clock {
  #nowMs = 1000;
  readonly #timers = new Set<Timer>();

  nowMs(): number {
    return this.#nowMs;
  }

  unixMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Cancel {
    return this.#add({ atMs: this.#nowMs + delayMs, intervalMs: null, callback });
  }

  every(intervalMs: number, callback: () => void): Cancel {
    return this.#add({ atMs: this.#nowMs + intervalMs, intervalMs, callback });
  }

  soon(callback: () => void): void {
    setImmediate(callback);
  }

  /** Moves on, calling back what falls due on the way, in order. */
  advance(ms: number): void {
    const until = this.#nowMs + ms;
    for (;;) {
      let next: Timer | null = null;
      for (const timer of this.#timers) {
        if (timer.atMs <= until && (next === null || timer.atMs < next.atMs)) {
          next = timer;
        }
      }
      if (next === null) {
        break;
      }
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      if (next.intervalMs === null) {
        this.#timers.delete(next);
      } else {
        next.atMs += next.intervalMs;
      }
      next.callback();
    }
    this.#nowMs = until;
  }

  #add(timer: Timer): Cancel {
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
}
