// When a leader of others may begin the next round: while one is on its way to them, what comes
// meanwhile gathers, and goes as one batch when a quorum has answered. Each round costs messages,
// turns and syncs on every member, whatever it carries. Where answers take long, because the others
// are far away, nothing waits longer than a moment. Used by Proposals alone.

import type { Clock } from '../../../base/clock.js';
import type { RawNode } from '../../../raft/index.js';

/** A round that is older holds nobody up. */
const ROUND_MS = 2;

export class Pace {
  readonly #raw: RawNode;
  readonly #clock: Clock;
  readonly #wake: () => void;
  #begunMs = Number.NEGATIVE_INFINITY;
  #waits = false;

  /** @param wake runs a turn soon */
  constructor(raw: RawNode, clock: Clock, wake: () => void) {
    this.#raw = raw;
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Whether the next batch had better wait for the answers to the last one. */
  holds(): boolean {
    const { log, tracker } = this.#raw.raft;
    if (tracker.ids.length === 1 || log.committed >= log.lastIndex()) {
      return false;
    }
    const restMs = this.#begunMs + ROUND_MS - this.#clock.nowMs();
    if (restMs <= 0) {
      return false;
    }
    if (!this.#waits) {
      this.#waits = true;
      this.#clock.after(restMs, () => {
        this.#waits = false;
        this.#wake();
      });
    }
    return true;
  }

  /** A batch goes out. */
  begins(): void {
    this.#begunMs = this.#clock.nowMs();
  }
}
