// Says for how long the log is kept for a member that is being brought up to date: while a snapshot
// is on its way to it, while it installs that, and until it follows the log again. Cut earlier, the
// log would lack what comes after the snapshot, and the whole state would have to be sent again.
// Asked by Checkpoints once a tick.

import type { Clock } from '../../../base/clock.js';
import { type Progress, ProgressState } from '../../../raft/index.js';

/** How long after the last sign of catching up the log is kept. */
const GRACE_MS = 30_000;
/** A member that does not follow so long after the last transfer gets another snapshot. */
const PATIENCE_MS = 15 * 60_000;

interface Sources {
  /** Snapshots on their way to other members. */
  readonly activeTransfers: () => number;
  /** What this member knows of the others as their leader; empty when it does not lead. */
  readonly progress: () => Iterable<Follower>;
}

type Follower = Pick<Progress, 'recentActive' | 'state'>;

/** Reachable, and not yet at the point where entries flow to it. */
function isCatchingUp(progress: Follower): boolean {
  return progress.recentActive && progress.state !== ProgressState.Replicate;
}

export class LogHold {
  readonly #sources: Sources;
  readonly #clock: Clock;
  #untilMs = Number.NEGATIVE_INFINITY;
  #lastTransferMs = Number.NEGATIVE_INFINITY;

  constructor(sources: Sources, clock: Clock) {
    this.#sources = sources;
    this.#clock = clock;
  }

  /** Whether the log is to be kept as it is. To be asked often: it sees only what is there then. */
  isHeld(): boolean {
    const now = this.#clock.nowMs();
    if (this.#sources.activeTransfers() > 0) {
      this.#lastTransferMs = now;
      this.#untilMs = now + GRACE_MS;
    } else if (now < this.#untilMs && now < this.#lastTransferMs + PATIENCE_MS) {
      for (const progress of this.#sources.progress()) {
        if (isCatchingUp(progress)) {
          this.#untilMs = now + GRACE_MS;
        }
      }
    }
    return now < this.#untilMs;
  }
}
