// When the next batch of proposals may leave. While one is on its way to the other members, or to
// the leader, what comes meanwhile waits and wakes nobody: each round costs messages, turns and
// syncs on every member, whatever it carries. And when clients answer their results with their next
// requests, as closed loops do, the batch waits a moment for them: two batches that follow each
// other closely become one. Where answers take long, because the others are far away, or clients
// come when they like, nothing waits longer than a few milliseconds. Used by Proposals alone.

import type { Cancel, Clock } from '../../../base/clock.js';
import type { MemberCore } from '../../../storage/native.js';

/** A round that is older holds nobody up: so long at least, and twice what the last one took. */
const ROUND_MIN_MS = 4;
const ROUND_MAX_MS = 10;
/** How long clients may take to come back: as long as the round took, but within these. */
const RETURN_MIN_MS = 1;
const RETURN_MAX_MS = 4;
/** More proposals than can wait: they wake nobody. */
const NOBODY = 2 ** 32 - 1;
/** Fewer clients are not waited for. */
const CLIENTS_MIN = 8;
/** The share of them that is enough. */
const ENOUGH = 0.9;
/** So often they may fail to come back in time before fewer are believed to. */
const MISSES_MAX = 3;
/** After so many rounds in a row for which nobody had to be waited there may be more clients. */
const CROWDED_ROUNDS = 4;
/** Rounds between two trials whether there are; doubled by each that fails. */
const TRIAL_ROUNDS_MIN = 64;
const TRIAL_ROUNDS_MAX = 4096;

export class Pace {
  readonly #core: Pick<MemberCore, 'holdProposals'>;
  readonly #clock: Clock;
  readonly #wake: () => void;
  #state: 'free' | 'round' | 'gathers' = 'free';
  #begunMs = Number.NEGATIVE_INFINITY;
  #roundMaxMs = ROUND_MIN_MS;
  // When the state ends by itself. Invariant: a timer runs unless it is free.
  #dueMs = Number.POSITIVE_INFINITY;
  #timerMs = Number.POSITIVE_INFINITY;
  #cancelTimer: Cancel = () => undefined;
  // Clients that are believed to come back after a round, and how many are enough.
  #clients = 0;
  #enough = 0;
  // Operations of the last round, and most of those that came in time while too few did.
  #last = 0;
  #missedWith = 0;
  #misses = 0;
  // In this turn the round has been answered: who waits came before.
  #isAnswered = false;
  #crowded = 0;
  #tries = false;
  #trialRounds = TRIAL_ROUNDS_MIN;
  #untilTrial = 0;

  /** @param wake runs a turn soon */
  constructor(core: Pick<MemberCore, 'holdProposals'>, clock: Clock, wake: () => void) {
    this.#core = core;
    this.#clock = clock;
    this.#wake = wake;
  }

  get isFree(): boolean {
    return this.#state === 'free';
  }
  /** Whether a batch waits for clients to come back. */
  get isGathering(): boolean {
    return this.#state === 'gathers';
  }

  /** A batch of so many operations has left, and others answer it: what comes now waits. */
  begins(operations: number): void {
    if (this.#state === 'gathers') {
      this.#came(operations);
    }
    this.#clients = Math.max(this.#clients, operations);
    this.#last = operations;
    this.#begunMs = this.#clock.nowMs();
    this.#core.holdProposals(NOBODY);
    this.#become('round', this.#begunMs + this.#roundMaxMs);
  }

  /**
   * How many proposals have to wait for a batch to leave now; infinity: none may leave. With 0 they
   * are to be taken in this turn: what has come before tells of itself no more.
   *
   * @param isUnderWay whether the last batch has no answer yet
   */
  atLeast(isUnderWay: boolean): number {
    const nowMs = this.#clock.nowMs();
    this.#isAnswered = false;
    if (this.#state === 'free') {
      return 0;
    }
    if (this.#state === 'round') {
      if (isUnderWay && nowMs < this.#dueMs) {
        return Number.POSITIVE_INFINITY;
      }
      const tookMs = nowMs - this.#begunMs;
      this.#roundMaxMs = isUnderWay ? ROUND_MIN_MS : within(2 * tookMs, ROUND_MIN_MS, ROUND_MAX_MS);
      if (!isUnderWay && this.#clients >= CLIENTS_MIN) {
        this.#isAnswered = true;
        this.#enough = Math.ceil(this.#clients * ENOUGH);
        // First: whoever completes the number from now on wakes.
        this.#core.holdProposals(this.#enough);
        this.#become('gathers', nowMs + within(tookMs, RETURN_MIN_MS, RETURN_MAX_MS));
        return this.#enough;
      }
    } else if (nowMs < this.#dueMs) {
      return this.#enough;
    }
    this.#release();
    return 0;
  }

  /** A batch has left behind which others may follow at once; they are to be asked for. */
  passes(): void {
    if (this.#state !== 'free') {
      this.#release();
    }
  }

  /** What was taken when the time was over: so many have come back. */
  took(operations: number): void {
    if (operations >= this.#enough) {
      this.#came(operations);
      return;
    }
    this.#crowded = 0;
    this.#missedWith = Math.max(this.#missedWith, operations);
    if (++this.#misses >= MISSES_MAX) {
      this.#clients = this.#missedWith;
      this.#forgive();
      if (this.#tries) {
        this.#tries = false;
        this.#trialRounds = Math.min(2 * this.#trialRounds, TRIAL_ROUNDS_MAX);
        this.#untilTrial = this.#trialRounds;
      }
    }
  }

  /** Enough have come in time. */
  #came(operations: number): void {
    this.#forgive();
    if (this.#tries) {
      this.#tries = false;
      this.#trialRounds = TRIAL_ROUNDS_MIN;
    }
    this.#untilTrial--;
    // Who was there before the answer has not waited for it: there are others, who have.
    this.#crowded = this.#isAnswered ? this.#crowded + 1 : 0;
    if (this.#crowded >= CROWDED_ROUNDS && this.#untilTrial <= 0) {
      this.#crowded = 0;
      this.#tries = true;
      this.#clients = this.#last + operations;
    }
  }

  #forgive(): void {
    this.#misses = 0;
    this.#missedWith = 0;
  }

  #release(): void {
    this.#state = 'free';
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#core.holdProposals(0);
  }

  #become(state: 'round' | 'gathers', dueMs: number): void {
    this.#state = state;
    this.#dueMs = dueMs;
    if (this.#timerMs <= dueMs) {
      return;
    }
    this.#cancelTimer();
    this.#time();
  }

  #time(): void {
    this.#timerMs = this.#dueMs;
    this.#cancelTimer = this.#clock.after(this.#dueMs - this.#clock.nowMs(), () => {
      this.#timerMs = Number.POSITIVE_INFINITY;
      if (this.#state === 'free') {
        return;
      }
      if (this.#clock.nowMs() < this.#dueMs) {
        this.#time();
      } else {
        this.#wake();
      }
    });
  }
}

function within(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
