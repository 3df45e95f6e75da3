// Tells Raft that messages to a member got lost: not each time, since a leader that sends to a dead
// member loses thousands, and never from within the call that lost one. Used by Remote.

import type { Cancel, Clock } from '../../../base/clock.js';

const INTERVAL_MS = 100;

export class LossReport {
  readonly #clock: Clock;
  readonly #report: () => void;
  #reportedMs = Number.NEGATIVE_INFINITY;
  // Whether a report is on its way, and what ends the wait for it.
  #isDue = false;
  #cancel: Cancel | null = null;
  #stopped = false;

  /** @param report called in a turn of its own, every 100 ms at most, after the last loss too */
  constructor(clock: Clock, report: () => void) {
    this.#clock = clock;
    this.#report = report;
  }

  note(): void {
    if (this.#isDue || this.#stopped) {
      return;
    }
    this.#isDue = true;
    const restMs = this.#reportedMs + INTERVAL_MS - this.#clock.nowMs();
    if (restMs > 0) {
      this.#cancel = this.#clock.after(restMs, () => this.#now());
    } else {
      this.#clock.soon(() => this.#now());
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #now(): void {
    this.#isDue = false;
    this.#cancel = null;
    if (!this.#stopped) {
      this.#reportedMs = this.#clock.nowMs();
      this.#report();
    }
  }
}
