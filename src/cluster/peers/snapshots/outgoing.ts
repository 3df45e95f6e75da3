// Snapshots that are sent to other members: one for each member, a few at a time, and exactly one
// word to Raft about every one that it asked for. Called by Peers.

import type { Clock } from '../../../base/clock.js';
import type { Message } from '../../../raft/index.js';
import { type Receiver, Transfer, type TransferContext } from './transfer.js';

/** One snapshot for one member, with all who asked for it. */
interface Job {
  readonly transfer: Transfer;
  readonly to: bigint;
  // Equal requests that came while it was under way.
  requests: number;
  // A job waits for its turn, after a failure for a while longer.
  isDue: boolean;
  isRunning: boolean;
  isOver: boolean;
}

/** What a failure costs, so that a receiver without room is not offered the state all the time. */
const PENALTY_MIN_MS = 500;
const PENALTY_MAX_MS = 10_000;

interface Failures {
  readonly count: number;
  readonly atMs: number;
}

export class Outgoing {
  readonly #context: TransferContext;
  readonly #clock: Clock;
  readonly #done: (to: bigint, ok: boolean) => void;
  readonly #jobs = new Map<bigint, Job>();
  readonly #failures = new Map<bigint, Failures>();
  readonly #runs = new Set<Promise<void>>();
  #lastId: bigint;

  /** @param done called once for every send(), never from within it */
  constructor(context: TransferContext, done: (to: bigint, ok: boolean) => void) {
    this.#context = context;
    this.#clock = context.clock;
    this.#done = done;
    // Unlike those of an earlier run of this process, which the receiver may remember.
    this.#lastId = BigInt(context.clock.unixMs()) << 16n;
  }

  /** Transfers that run or wait. */
  get active(): number {
    return this.#jobs.size;
  }

  send(message: Message, receiver: Receiver): void {
    const { to } = message;
    const older = this.#jobs.get(to);
    if (older !== undefined && older.transfer.message.term === message.term) {
      // Raft lost patience, not the transfer.
      older.requests++;
      return;
    }
    if (older !== undefined) {
      this.#end(older, 'a newer snapshot takes its place');
    }
    const transfer = new Transfer(message, ++this.#lastId, receiver, this.#context);
    const state = { isDue: false, isRunning: false, isOver: false };
    const job: Job = { transfer, to, requests: 1, ...state };
    this.#jobs.set(to, job);
    this.#clock.after(this.#penaltyMs(to), () => {
      job.isDue = true;
      this.#startDue();
    });
  }

  /** Ends the transfer to a member that is one no more. */
  forget(to: bigint): void {
    const job = this.#jobs.get(to);
    if (job !== undefined) {
      this.#end(job, 'the receiver is not a member any more');
    }
    this.#failures.delete(to);
  }

  /** Ends everything; resolves when the exports are closed, or after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    for (const job of [...this.#jobs.values()]) {
      this.#over(job, false);
      job.transfer.stop('this member is stopping');
    }
    if (this.#runs.size > 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.#clock.after(graceMs, resolve);
        void Promise.all(this.#runs).then(() => {
          cancel();
          resolve();
        });
      });
    }
  }

  #startDue(): void {
    let running = [...this.#jobs.values()].filter((job) => job.isRunning).length;
    for (const job of this.#jobs.values()) {
      if (running >= this.#context.limits.transfersMax) {
        return;
      }
      if (job.isDue && !job.isRunning) {
        running++;
        job.isRunning = true;
        this.#run(job);
      }
    }
  }

  #run(job: Job): void {
    const run = job.transfer.run().then((ok) => {
      this.#runs.delete(run);
      this.#over(job, ok);
      this.#startDue();
    });
    this.#runs.add(run);
  }

  #end(job: Job, reason: string): void {
    job.transfer.stop(reason);
    this.#jobs.delete(job.to);
    this.#clock.soon(() => this.#over(job, false));
  }

  #over(job: Job, ok: boolean): void {
    if (job.isOver) {
      return;
    }
    job.isOver = true;
    if (this.#jobs.get(job.to) === job) {
      this.#jobs.delete(job.to);
      this.#remember(job.to, ok);
    }
    for (let i = 0; i < job.requests; i++) {
      this.#done(job.to, ok);
    }
  }

  #remember(to: bigint, ok: boolean): void {
    if (ok) {
      this.#failures.delete(to);
    } else {
      const count = (this.#failures.get(to)?.count ?? 0) + 1;
      this.#failures.set(to, { count, atMs: this.#clock.nowMs() });
    }
  }

  /** How long the next transfer to the member has to wait still. */
  #penaltyMs(to: bigint): number {
    const failures = this.#failures.get(to);
    if (failures === undefined) {
      return 0;
    }
    const penaltyMs = Math.min(PENALTY_MAX_MS, PENALTY_MIN_MS * 2 ** (failures.count - 1));
    return Math.max(0, Math.ceil(failures.atMs + penaltyMs - this.#clock.nowMs()));
  }
}
