// What a leader knows about one peer's log, and how fast it may send to it. Probe: one message
// at a time until the peer's position is known; Replicate: optimistic pipelining; Snapshot:
// nothing until the peer has taken a snapshot. Changed only by the leader's message handling.

import { assert } from '../base/assert.js';
import type { Inflights } from './inflights.js';

export const ProgressState = { Probe: 0, Replicate: 1, Snapshot: 2 } as const;
export type ProgressState = (typeof ProgressState)[keyof typeof ProgressState];

const progressStateNames = ['StateProbe', 'StateReplicate', 'StateSnapshot'] as const;

export function progressStateName(state: ProgressState): string {
  return progressStateNames[state];
}

export class Progress {
  // The highest index known to be durable on the peer. Grows only within one leadership.
  match: number;
  // The next index to send. Above match, unless the storage offered a snapshot from before it.
  next: number;
  // The highest commit index sent; below the real one the peer may not know of commits.
  sentCommit = 0;
  state: ProgressState = ProgressState.Probe;
  // Index of the snapshot on its way. Use: in Snapshot only, else 0.
  pendingSnapshot = 0;
  // Whether the peer was heard of since the last quorum check.
  recentActive: boolean;
  // Whether appends wait for an answer (Probe) or for room in the window (Replicate).
  flowPaused = false;
  // Messages on the way. Use: in Replicate only, else empty.
  readonly inflights: Inflights;
  isLearner: boolean;

  constructor(fields: {
    match: number;
    next: number;
    inflights: Inflights;
    isLearner: boolean;
    recentActive: boolean;
  }) {
    assert(fields.next > 0, 'the log starts at index 1');
    this.match = fields.match;
    this.next = fields.next;
    this.inflights = fields.inflights;
    this.isLearner = fields.isLearner;
    this.recentActive = fields.recentActive;
  }

  /** A copy that shares the window; the original must not be used afterwards if it is kept. */
  clone(): Progress {
    const copy = new Progress(this);
    copy.sentCommit = this.sentCommit;
    copy.state = this.state;
    copy.pendingSnapshot = this.pendingSnapshot;
    copy.flowPaused = this.flowPaused;
    return copy;
  }

  becomeProbe(): void {
    const pending = this.state === ProgressState.Snapshot ? this.pendingSnapshot : 0;
    this.#enter(ProgressState.Probe);
    this.next = Math.max(this.match, pending) + 1;
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
  }

  becomeReplicate(): void {
    this.#enter(ProgressState.Replicate);
    this.next = this.match + 1;
  }

  /** Stops appends until the peer reports a position from which the log can be sent again. */
  becomeSnapshot(index: number): void {
    assert(index > 0, 'only a real snapshot is sent');
    this.#enter(ProgressState.Snapshot);
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  /** Takes an acknowledgement up to index n. False if it says nothing new. */
  maybeUpdate(n: number): boolean {
    if (n <= this.match) {
      return false;
    }
    this.match = n;
    this.next = Math.max(this.next, n + 1);
    this.flowPaused = false;
    return true;
  }

  /**
   * Takes a rejection of the append that followed index `rejected`; `hint` is where the logs may
   * agree. False if the rejection is out of date.
   */
  maybeDecreaseTo(rejected: number, hint: number): boolean {
    if (this.state === ProgressState.Replicate) {
      if (rejected <= this.match) {
        return false;
      }
      this.next = this.match + 1;
    } else {
      if (this.next - 1 !== rejected) {
        return false;
      }
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
      this.flowPaused = false;
    }
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    assert(this.next > this.match, 'a rejection never goes below what is acknowledged');
    return true;
  }

  /** Records an append of `count` entries with this many payload bytes. */
  sentEntries(count: number, bytes: number): void {
    assert(this.state !== ProgressState.Snapshot, 'no appends while a snapshot is on its way');
    if (this.state === ProgressState.Replicate) {
      if (count > 0) {
        this.next += count;
        this.inflights.add(this.next - 1, bytes);
      }
      this.flowPaused = this.inflights.full;
    } else if (count > 0) {
      this.flowPaused = true;
    }
  }

  /** Whether telling the peer this commit index now would let it commit more. */
  canBumpCommit(committed: number): boolean {
    return committed > this.sentCommit && this.sentCommit < this.next - 1;
  }

  get isPaused(): boolean {
    return this.state === ProgressState.Snapshot || this.flowPaused;
  }

  toString(): string {
    let text = `${progressStateName(this.state)} match=${this.match} next=${this.next}`;
    if (this.isLearner) {
      text += ' learner';
    }
    if (this.isPaused) {
      text += ' paused';
    }
    if (this.pendingSnapshot > 0) {
      text += ` pendingSnap=${this.pendingSnapshot}`;
    }
    if (!this.recentActive) {
      text += ' inactive';
    }
    if (this.inflights.count > 0) {
      text += ` inflight=${this.inflights.count}${this.inflights.full ? '[full]' : ''}`;
    }
    return text;
  }

  #enter(state: ProgressState): void {
    this.flowPaused = false;
    this.pendingSnapshot = 0;
    this.state = state;
    this.inflights.reset();
  }
}
