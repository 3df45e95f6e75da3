// Decides when applied state is made durable without the log, and how far the log is cut behind it.
// Called by the replica loop once a tick; the work itself is native and in the background. Due
// after --snapshot-count entries, after much log, or after some time when anything was applied at
// all, so that an idle member's log is cut too; but for a share of the time only: a large state in
// memory is written less often than the count asks for, unless the log grows beyond its limit.

import type { Logger } from '../../../base/log/logger.js';
import type { MemberCore } from '../../../storage/native.js';

export interface CheckpointPolicy {
  /** Applied entries between checkpoints. */
  readonly snapshotCount: number;
  /** Entries kept in the log behind the durable state. */
  readonly catchupEntries: number;
  /** Log bytes at which the share of time does not matter any more. */
  readonly maxLogBytes: number;
  /** Age of the oldest applied entry that no checkpoint covers, milliseconds. */
  readonly maxAgeMs: number;
}

/** What is used of the native core, and of Raft. */
export interface CheckpointStore extends Pick<MemberCore, 'checkpoint' | 'truncateLog' | 'status'> {
  /**
   * Raft knows that entries up to here are applied: it may still read those that follow, which
   * native code can be done with before Raft has heard that they are committed.
   */
  knownApplied(): number;
}

/** Pause after a checkpoint, in multiples of the time that it took. */
const PAUSE_FACTOR = 19;
/** The shortest pause, so that a small --snapshot-count does not write without end. */
const PAUSE_MIN_MS = 200;

export class Checkpoints {
  readonly #core: CheckpointStore;
  readonly #policy: CheckpointPolicy;
  readonly #log: Logger;
  readonly #held: () => boolean;
  #durableApplied: number;
  #startIndex: number;
  #runningSinceMs: number | null = null;
  #truncating = false;
  // A cut was due while somebody needed the log.
  #postponed = false;
  #notBeforeMs = 0;
  // When the first entry beyond the durable state was seen; null when there is none.
  #dirtySinceMs: number | null = null;

  /** @param held whether a peer is being brought up to date and needs the log as it is */
  constructor(
    core: CheckpointStore,
    policy: CheckpointPolicy,
    log: Logger,
    recovered: { readonly appliedIndex: number; readonly startIndex: number },
    held: () => boolean,
  ) {
    this.#held = held;
    this.#core = core;
    this.#policy = policy;
    this.#log = log;
    this.#durableApplied = recovered.appliedIndex;
    this.#startIndex = recovered.startIndex;
  }

  /** Looks at what has been applied and starts what is due. */
  tick(appliedIndex: number, nowMs: number): void {
    // Asked at every tick: what is being sent between two cuts would go unnoticed otherwise.
    const isHeld = this.#held();
    if (this.#postponed && !isHeld) {
      this.#cut();
    }
    if (appliedIndex <= this.#durableApplied) {
      this.#dirtySinceMs = null;
      return;
    }
    this.#dirtySinceMs ??= nowMs;
    if (this.#runningSinceMs === null && this.#due(appliedIndex, nowMs)) {
      this.#runningSinceMs = nowMs;
      this.#core.checkpoint();
    }
  }

  /** State up to the index is durable on its own. */
  checkpointed(durableApplied: number, nowMs: number): void {
    if (this.#runningSinceMs !== null) {
      const tookMs = nowMs - this.#runningSinceMs;
      this.#notBeforeMs = nowMs + Math.max(PAUSE_MIN_MS, tookMs * PAUSE_FACTOR);
      this.#runningSinceMs = null;
      this.#log.info('saved snapshot', {
        'snapshot-index': durableApplied,
        took: `${tookMs.toFixed(3)}ms`,
      });
    }
    if (durableApplied > this.#durableApplied) {
      this.#durableApplied = durableApplied;
      this.#dirtySinceMs = null;
    }
    this.#cut();
  }

  /** The log begins after this index now. */
  truncated(startIndex: number): void {
    this.#truncating = false;
    if (startIndex > this.#startIndex) {
      this.#startIndex = startIndex;
      this.#log.info('compacted Raft logs', { 'compact-index': startIndex });
    }
    this.#cut();
  }

  /** A snapshot has replaced state and log. */
  installed(index: number): void {
    this.#durableApplied = index;
    this.#startIndex = index;
    this.#dirtySinceMs = null;
  }

  /** Cuts the log behind the durable state, one cut at a time. */
  #cut(): void {
    const cutTo = this.#durableApplied - this.#policy.catchupEntries;
    if (cutTo <= this.#startIndex || this.#truncating) {
      return;
    }
    this.#postponed = this.#core.knownApplied() < cutTo || this.#held();
    if (!this.#postponed) {
      this.#truncating = true;
      this.#core.truncateLog(cutTo);
    }
  }

  #due(appliedIndex: number, nowMs: number): boolean {
    const { snapshotCount, maxAgeMs, maxLogBytes } = this.#policy;
    const entries = appliedIndex - this.#durableApplied;
    if (nowMs >= this.#notBeforeMs) {
      const age = this.#dirtySinceMs === null ? 0 : nowMs - this.#dirtySinceMs;
      if (entries >= snapshotCount || age >= maxAgeMs) {
        return true;
      }
    }
    // Asked last and rarely: the figure is gathered under the log's lock.
    return entries >= snapshotCount / 4 && this.#core.status().logBytes >= maxLogBytes;
  }
}
