// What the data plane may serve by itself, told to it whenever that changes; and the times after
// which its requests end. One per member, which tells it of everything that matters; compose
// attaches the plane. The flags and their meaning: native/plane/gate.h.

import { NONE } from '../../../raft/index.js';
import type { GateFlags, NativePlane } from '../../../storage/native-plane.js';

/** What is used of the plane. */
export type GatedPlane = Pick<NativePlane, 'gate' | 'forgetTokens' | 'learnToken' | 'expire'>;

/** What the flags are made of. */
export interface GateState {
  readonly leader: bigint;
  /** Leads, and an entry of its term has been applied. */
  readonly leadsApplied: boolean;
  /** This member is all that there is: one voter, no learner, no change under way. */
  readonly isAlone: boolean;
  readonly isLearner: boolean;
  /** `X.Y.0`, or null while no version has been agreed on. */
  readonly version: string | null;
  readonly authEnabled: boolean;
  readonly isPrimaryLessor: boolean;
}

/** What compose knows of who wants to see every call. */
export interface GateRules {
  /** Nobody wants to. */
  readonly isQuiet: () => boolean;
  /** The process is too large for requests that make it larger. */
  readonly isFull: () => boolean;
}

/** Ages, in milliseconds, that decide what a request is told whose time is up. */
export interface ExpiryAges {
  readonly failureFromMs: number;
  readonly failureToMs: number;
  readonly connectedMs: number;
}

/** How long a token may be believed that has been accepted once. */
const TOKEN_MS = 1000;

/**
 * Why reads need no round under `solo`: this member is the only one, so whatever has been
 * acknowledged to anybody was committed by it, and as a result is handed out behind the publication
 * of its state, can be read here. The flag goes before an entry takes effect that may bring another
 * member, and so before there is another voter; a read that has seen the flag began before that,
 * and may be ordered there.
 */
export class PlaneGate {
  readonly #state: () => GateState;
  #plane: GatedPlane | null = null;
  #flags: GateFlags | null = null;
  #rules: GateRules | null = null;
  #told = 0;
  #isDeciding = false;
  #isClosed = false;
  #generation = 0;

  /** @param state read at each update */
  constructor(state: () => GateState) {
    this.#state = state;
  }

  /** There is a plane: it is told what there is now, and of every change. */
  attach(plane: GatedPlane, flags: GateFlags, rules: GateRules): void {
    this.#plane = plane;
    this.#flags = flags;
    this.#rules = rules;
    this.#told = 0;
    this.update();
  }

  /** Something may have changed. */
  update(): void {
    const flags = this.#compute();
    if (flags !== this.#told) {
      this.#told = flags;
      this.#plane?.gate(flags);
    }
  }

  /** Runs what decides an entry of the log, which may change who belongs here and who may what. */
  deciding(decide: () => void): void {
    this.#isDeciding = true;
    this.update();
    this.forgetTokens();
    decide();
    this.#isDeciding = false;
    this.forgetTokens();
    this.update();
  }

  /** Nothing is served natively any more: the member stops. */
  close(): void {
    this.#isClosed = true;
    this.update();
  }

  /** Counts the times that tokens were forgotten: who has looked before knows nothing. */
  get generation(): number {
    return this.#generation;
  }

  /** Users, roles or tokens change. */
  forgetTokens(): void {
    this.#generation++;
    this.#plane?.forgetTokens();
  }

  /** The token has just been found to stand for a user, since a look at `generation`. */
  learnToken(token: string, userName: string, authRevision: number, generation: number): void {
    if (generation === this.#generation) {
      this.#plane?.learnToken(token, userName, authRevision, TOKEN_MS);
    }
  }

  /** Ends requests of the plane that are older than `ageMs`. */
  expire(ageMs: number, ages: () => ExpiryAges): void {
    if (this.#plane !== null) {
      const { failureFromMs, failureToMs, connectedMs } = ages();
      this.#plane.expire(ageMs, failureFromMs, failureToMs, connectedMs);
    }
  }

  #compute(): number {
    const [flags, rules] = [this.#flags, this.#rules];
    if (flags === null || rules === null || this.#isClosed) {
      return 0;
    }
    const state = this.#state();
    const is = (flag: number, holds: boolean) => (holds ? flag : 0);
    // What comes while an entry is decided may be of the time behind it: its handler will know.
    const isSettled = !this.#isDeciding;
    const isOpen = state.version !== null && !state.isLearner && rules.isQuiet();
    return (
      is(flags.open, isOpen && isSettled) |
      is(flags.leader, state.leader !== NONE) |
      is(flags.solo, state.leadsApplied && state.isAlone && isSettled) |
      is(flags.auth, state.authEnabled) |
      is(flags.growth, rules.isFull()) |
      is(flags.lessor, state.isPrimaryLessor)
    );
  }
}
