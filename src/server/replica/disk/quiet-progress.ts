// What a member has decided alone is applied without a word (MemberCore.append, grantProposals):
// the loop hears of it with whatever wakes it next, and where nothing does, it looks by itself a
// moment later. Used by the replica loop alone.

import type { Clock } from '../../../base/clock.js';

/** How long the loop waits to be woken before it looks how far things have come. */
const LOOK_MS = 3;

export class QuietProgress {
  readonly #clock: Clock;
  readonly #look: () => void;
  // Entries up to here are applied quietly.
  #to = 0;
  #news = false;
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
    const isDue = this.#news || this.#to > applied;
    this.#news = false;
    if (isDue && !this.#looks) {
      this.#looks = true;
      this.#clock.after(LOOK_MS, () => {
        this.#looks = false;
        this.#look();
      });
    }
  }
}
