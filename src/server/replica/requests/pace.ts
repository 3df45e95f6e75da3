// When the next batch of proposals may leave. While one is on its way to the other members, or to
// the leader, what comes meanwhile waits and wakes nobody: each round costs messages, turns and
// syncs on every member, whatever it carries. And when clients answer their results with their next
// requests, as closed loops do, the batch waits a moment for them: two batches that follow each
// other closely become one. Where answers take long, because the others are far away, or clients
// come when they like, nothing waits longer than a few milliseconds. Used by Proposals alone.

import type { Cancel, Clock } from '../../../base/clock.js';
import type { MemberCore } from '../../../storage/native.js';

/** A round that is older holds nobody up. */
const ROUND_MS = 4;
/** How long clients may take to come back: from the answer, and from the round's beginning. */
const RETURN_MS = 1;
const CYCLE_MS = 2;
/** More proposals than can wait: they wake nobody. */
const NOBODY = 2 ** 32 - 1;
/** Fewer clients are not waited for. */
const CLIENTS_MIN = 8;
/** The share of them that is enough. */
const ENOUGH = 0.9;
/** Rounds after which it is tried whether more clients come back than were believed. */
const TRIAL_ROUNDS = 64;

export class Pace {
  readonly #core: Pick<MemberCore, 'holdProposals'>;
  readonly #clock: Clock;
  readonly #wake: () => void;
  #state: 'free' | 'round' | 'gathers' = 'free';
  #begunMs = Number.NEGATIVE_INFINITY;
  // When the state ends by itself. Invariant: a timer runs unless it is free.
  #dueMs = Number.POSITIVE_INFINITY;
  #timerMs = Number.POSITIVE_INFINITY;
  #cancelTimer: Cancel = () => undefined;
  // Clients that are believed to come back after a round, and how many are enough.
  #clients = 0;
  #enough = 0;
  #last = 0;
  #rounds = 0;

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
  /** Whether what is put into the queue needs no turn: one is certain to come. */
  get isHeld(): boolean {
    return this.#state === 'round';
  }

  /** A batch of so many operations has left, and others answer it: what comes now waits. */
  begins(operations: number): void {
    if (this.#state === 'gathers') {
      this.#clients = Math.max(this.#clients, operations);
    }
    if (++this.#rounds % TRIAL_ROUNDS === 0) {
      this.#clients = this.#last + operations;
    }
    this.#last = operations;
    this.#begunMs = this.#clock.nowMs();
    this.#core.holdProposals(NOBODY);
    this.#become('round', this.#begunMs + ROUND_MS);
  }

  /**
   * How many proposals have to wait for a batch to leave now; infinity: none may leave. With 0 they
   * are to be taken in this turn: what has come before tells of itself no more.
   *
   * @param isUnderWay whether the last batch has no answer yet
   */
  atLeast(isUnderWay: boolean): number {
    const nowMs = this.#clock.nowMs();
    if (this.#state === 'free') {
      return 0;
    }
    if (this.#state === 'round') {
      if (isUnderWay && nowMs < this.#dueMs) {
        return Number.POSITIVE_INFINITY;
      }
      if (!isUnderWay && this.#clients >= CLIENTS_MIN) {
        this.#enough = Math.ceil(this.#clients * ENOUGH);
        // First: whoever completes the number from now on wakes.
        this.#core.holdProposals(this.#enough);
        this.#become('gathers', Math.max(nowMs + RETURN_MS, this.#begunMs + CYCLE_MS));
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
    this.#clients = Math.min(this.#clients, operations);
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
