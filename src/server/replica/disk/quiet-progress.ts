// What is committed is applied without a word (MemberCore.append, apply, grantProposals): the loop
// hears of it with whatever wakes it next, and where nothing does, it looks by itself a moment
// later. Used by the replica loop alone.

import type { Clock } from '../../../base/clock.js';

/** How long the loop waits to be woken before it looks how far things have come. */
const LOOK_MS = 3;
/**
 * The same where native code goes on by itself and nothing here waits for it. A turn stands in the
 * way of the threads that serve requests, and what makes it fast is compiled beside them.
 */
const NEWS_LOOK_MS = 20;

export class QuietProgress {
  readonly #clock: Clock;
  readonly #look: () => void;
  // Entries up to here are applied quietly.
  #to = 0;
  #news = false;
  #applied = 0;
  #looks = false;

  /** @param look runs a turn of the loop */
  constructor(clock: Clock, look: () => void) {
    this.#clock = clock;
    this.#look = look;
  }

  /** Entries up to the index will be applied without waking anybody. */
  expect(index: number): void {
    this.#to = index;
  }

  /** Something was learnt that nobody was woken for: there may be more soon. */
  news(): void {
    this.#news = true;
  }

  /** A turn ends with so much applied. */
  turned(applied: number): void {
    this.#applied = applied;
    // What was learnt now may go on at once; of what is applied so much is known.
    const expected = this.#news ? Number.POSITIVE_INFINITY : this.#to;
    const waitMs = this.#news ? NEWS_LOOK_MS : LOOK_MS;
    this.#news = false;
    if (expected > applied && !this.#looks) {
      this.#looks = true;
      this.#clock.after(waitMs, () => this.#rested(expected));
    }
  }

  #rested(expected: number): void {
    this.#looks = false;
    if (this.#applied < expected) {
      this.#look();
    } else {
      // Other turns have told so much: what is under way now began later.
      this.turned(this.#applied);
    }
  }
}
