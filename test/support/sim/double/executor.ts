// Threads of a simulated member: each does its tasks one after the other, and a task takes some
// time. Dies with its process: a task that is under way when the process is killed never ends.

import type { Random } from '../world/random.js';
import type { Owner, Scheduler } from '../world/scheduler.js';

/** Bounds of a random duration, milliseconds. */
export type Span = readonly [from: number, to: number];

/** How long the work of one member takes; changed while it runs, by slow disks. */
export interface Pace {
  write: Span;
  sync: Span;
  apply: Span;
  read: Span;
  /** Checkpoints, cuts, exports, installs. */
  upkeep: Span;
}

interface Task {
  readonly span: keyof Pace;
  readonly run: () => void;
}

export class Executor {
  readonly #scheduler: Scheduler;
  readonly #owner: Owner;
  readonly #random: Random;
  readonly #pace: Pace;
  #tasks: Task[] = [];
  #busy = false;

  constructor(scheduler: Scheduler, owner: Owner, random: Random, pace: Pace) {
    this.#scheduler = scheduler;
    this.#owner = owner;
    this.#random = random;
    this.#pace = pace;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Runs the task when those before it have ended and its time has passed. */
  push(span: keyof Pace, run: () => void): void {
    this.#tasks.push({ span, run });
    if (!this.#busy) {
      this.#next();
    }
  }

  #next(): void {
    const task = this.#tasks.shift();
    this.#busy = task !== undefined;
    if (task === undefined) {
      return;
    }
    const [from, to] = this.#pace[task.span];
    this.#scheduler.after(this.#random.range(from, to), this.#owner, () => {
      task.run();
      this.#next();
    });
  }
}
