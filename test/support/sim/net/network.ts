// The network of a simulated cluster: links between members, each in each direction with its own
// state, that lose, delay, repeat, reorder and are cut. Carries closures, so it knows nothing of
// what is sent; transport.ts decides what a message looks like on its way.

import type { PeerCore, PeerEvents } from '../../../../src/cluster/peers/types.js';
import type { Random } from '../world/random.js';
import type { Owner, Scheduler } from '../world/scheduler.js';

/** Milliseconds, from and to. */
export type Delay = readonly [number, number];

export interface Conditions {
  readonly delay: Delay;
  /** Probabilities, a message. */
  readonly loss: number;
  readonly repetition: number;
  readonly reordering: number;
}

export const calmConditions: Conditions = {
  delay: [0.2, 2],
  loss: 0,
  repetition: 0,
  reordering: 0,
};

/** One process that is connected. */
export interface Endpoint {
  readonly id: bigint;
  readonly owner: Owner;
  readonly core: PeerCore;
  readonly events: PeerEvents;
  /** A message has come from this member, which the receiver's log may not name yet. */
  heardOf(id: bigint): void;
}

/** How long a call waits for its answer. */
const CALL_TIMEOUT_MS = 2000;
/** How long it takes until a broken connection is noticed. */
const BREAK_MAX_MS = 100;

export class Network {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #endpoints = new Map<bigint, Endpoint>();
  readonly #attachedMs = new Map<bigint, number>();
  // Directions that are cut, and since when the others are not, by `from>to`.
  readonly #cut = new Set<string>();
  readonly #healedMs = new Map<string, number>();
  // What is sent later on a link arrives later, unless it is reordered.
  readonly #lastArrivalMs = new Map<string, number>();
  conditions: Conditions = calmConditions;

  constructor(scheduler: Scheduler, random: Random) {
    this.#scheduler = scheduler;
    this.#random = random;
  }

  attach(endpoint: Endpoint): void {
    this.#endpoints.set(endpoint.id, endpoint);
    this.#attachedMs.set(endpoint.id, this.#scheduler.nowMs);
  }

  detach(endpoint: Endpoint): void {
    if (this.#endpoints.get(endpoint.id) === endpoint) {
      this.#endpoints.delete(endpoint.id);
    }
  }

  /** Cuts one direction. */
  cut(from: bigint, to: bigint): void {
    this.#cut.add(`${from}>${to}`);
  }

  heal(): void {
    for (const link of this.#cut) {
      this.#healedMs.set(link, this.#scheduler.nowMs);
    }
    this.#cut.clear();
  }

  isCut(from: bigint, to: bigint): boolean {
    return this.#cut.size > 0 && this.#cut.has(`${from}>${to}`);
  }

  /** Since when both directions between two processes have worked; null while they do not. */
  connectedSinceMs(a: bigint, b: bigint): number | null {
    if (
      !this.#endpoints.has(a) ||
      !this.#endpoints.has(b) ||
      this.isCut(a, b) ||
      this.isCut(b, a)
    ) {
      return null;
    }
    return Math.max(
      this.#attachedMs.get(a) ?? 0,
      this.#attachedMs.get(b) ?? 0,
      this.#healedMs.get(`${a}>${b}`) ?? 0,
      this.#healedMs.get(`${b}>${a}`) ?? 0,
    );
  }

  /** Whether something that is sent now gets lost. */
  loses(from: bigint, to: bigint): boolean {
    return this.isCut(from, to) || this.#random.chance(this.conditions.loss);
  }

  /** Delivers once, or twice, or not at all. False when it is certainly lost. */
  send(from: bigint, to: bigint, arrive: (endpoint: Endpoint) => void): boolean {
    if (this.loses(from, to)) {
      return false;
    }
    this.#deliver(from, to, arrive);
    if (this.#random.chance(this.conditions.repetition)) {
      this.#deliver(from, to, arrive);
    }
    return this.#endpoints.has(to);
  }

  /**
   * Has something done at another process and brings back the answer. Rejects when request or
   * answer get lost, as nobody knows which of them it was.
   */
  call<T>(from: Endpoint, to: bigint, work: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const { id, owner } = from;
    return new Promise((resolve, reject) => {
      const timeout = this.#scheduler.after(CALL_TIMEOUT_MS, owner, () => {
        reject(new Error('no answer in time'));
      });
      const settle = (delayMs: number, end: () => void) => {
        this.#scheduler.after(delayMs, owner, () => {
          timeout.run = null;
          end();
        });
      };
      const breaks = () => {
        const lost = new Error('the connection broke');
        settle(this.#random.range(1, BREAK_MAX_MS), () => reject(lost));
      };
      const answer = (end: () => void) => {
        if (this.loses(to, id)) {
          breaks();
        } else {
          settle(this.#random.range(...this.conditions.delay), end);
        }
      };
      if (this.loses(id, to) || !this.#endpoints.has(to)) {
        breaks();
        return;
      }
      this.#deliver(id, to, (endpoint) => {
        work(endpoint).then(
          (value) => answer(() => resolve(value)),
          (error: unknown) => answer(() => reject(error)),
        );
      });
    });
  }

  #deliver(from: bigint, to: bigint, arrive: (endpoint: Endpoint) => void): void {
    const { delay, reordering } = this.conditions;
    const link = `${from}>${to}`;
    let atMs = this.#scheduler.nowMs + this.#random.range(...delay);
    if (!this.#random.chance(reordering)) {
      atMs = Math.max(atMs, this.#lastArrivalMs.get(link) ?? 0);
      this.#lastArrivalMs.set(link, atMs);
    }
    this.#scheduler.after(atMs - this.#scheduler.nowMs, null, () => {
      const endpoint = this.#endpoints.get(to);
      if (endpoint === undefined) {
        return;
      }
      if (endpoint.owner.paused) {
        this.#scheduler.after(0, endpoint.owner, () => arrive(endpoint));
      } else {
        arrive(endpoint);
      }
    });
  }
}
