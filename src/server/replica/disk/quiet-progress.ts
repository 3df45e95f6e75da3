// What a member has decided alone is applied without a word (MemberCore.append): the loop hears of
// it with whatever wakes it next, and where nothing does, it looks by itself a moment later. Used
// by the replica loop alone.

import type { Clock } from '../../../base/clock.js';

/** How long the loop waits to be woken before it looks how far apply has come. */
const LOOK_MS = 3;

export class QuietProgress {
  readonly #clock: Clock;
  readonly #look: () => void;
  // Entries up to here are applied quietly.
  #to = 0;
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

  /** A turn ends with so much applied. */
  turned(applied: number): void {
    if (this.#to > applied && !this.#looks) {
      this.#looks = true;
      this.#clock.after(LOOK_MS, () => {
        this.#looks = false;
        this.#look();
      });
    }
  }
}
