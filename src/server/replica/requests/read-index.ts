// Linearizable reads: freezes what waits, runs one ReadIndex round for it, releases it. A round
// starts after its reads have arrived and is repeated until Raft answers, since Raft may drop the
// question while there is no leader. One round at a time; what comes meanwhile is the next batch.
// Raft thesis §6.4. Driven by the replica loop.

import { type ErrorTable, MetaStoreError, type SharedErrorCode } from '../../../base/errors.js';
import { STAGE_SECONDS } from '../../../base/metrics/definition.js';
import { Distribution } from '../../../base/metrics/family.js';
import type { ReadState } from '../../../raft/index.js';
import type { MemberCore } from '../../../storage/native.js';

/** How long a question is left unanswered before it is asked again. */
export const READ_INDEX_RETRY_MS = 500;

type ReadGate = Pick<MemberCore, 'freezeReads' | 'releaseReads' | 'failReads'>;

interface Waiter {
  readonly resolve: (readIndex: number) => void;
  readonly reject: (error: MetaStoreError) => void;
}

interface Round {
  readonly id: bigint;
  /** Number of the native batch; 0 when only TypeScript waits. */
  readonly batch: number;
  readonly waiters: readonly Waiter[];
  readonly startedMs: number;
  askedMs: number;
}

export class ReadIndexRounds {
  readonly #core: ReadGate;
  readonly #errors: ErrorTable;
  readonly #ask: (context: Uint8Array) => void;
  readonly #timeoutMs: number;
  #lastRound: bigint;
  #round: Round | null = null;
  #nativeWaits = false;
  #waiters: Waiter[] = [];
  /** For metrics: rounds that had to be asked again or timed out, and rounds that failed. */
  slowRounds = 0;
  failedRounds = 0;
  /** How long rounds take that are answered, seconds. */
  readonly #nowMs: () => number;
  readonly confirmSeconds = new Distribution(STAGE_SECONDS);

  /**
   * @param firstRound where rounds are counted from: no two members may use the same numbers, since
   *   the leader knows a question by its number alone
   * @param ask puts the question to Raft; the answer comes to `answered`
   */
  constructor(
    core: ReadGate,
    errors: ErrorTable,
    timeoutMs: number,
    firstRound: bigint,
    ask: (context: Uint8Array) => void,
    nowMs: () => number = () => performance.now(),
  ) {
    this.#nowMs = nowMs;
    this.#lastRound = firstRound;
    this.#core = core;
    this.#errors = errors;
    this.#timeoutMs = timeoutMs;
    this.#ask = ask;
  }

  /** Native reads have begun to wait. */
  nativeReadsWait(): void {
    this.#nativeWaits = true;
  }

  /**
   * An index such that state applied up to it reflects everything acknowledged before this call.
   */
  confirm(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  /** Whether `turn` has something to start. */
  get waiting(): boolean {
    return this.#round === null && (this.#nativeWaits || this.#waiters.length > 0);
  }

  /** Starts, repeats or gives up the round; once per turn of the replica loop. */
  turn(nowMs: number): void {
    if (this.#round !== null) {
      this.#pursue(this.#round, nowMs);
    }
    if (!this.waiting) {
      return;
    }
    this.#nativeWaits = false;
    const batch = this.#core.freezeReads();
    const waiters = this.#waiters;
    this.#waiters = [];
    if (batch === 0 && waiters.length === 0) {
      return;
    }
    this.#lastRound = BigInt.asUintN(64, this.#lastRound + 1n);
    const id = this.#lastRound;
    this.#round = { id, batch, waiters, startedMs: nowMs, askedMs: nowMs };
    this.#question(id);
  }

  /** An answer of Raft; ignored when it is not about the present round. */
  answered(state: ReadState): void {
    const round = this.#round;
    const context = state.requestCtx;
    if (round === null || context.byteLength !== 8) {
      return;
    }
    const view = new DataView(context.buffer, context.byteOffset, 8);
    if (view.getBigUint64(0) !== round.id) {
      return;
    }
    this.#round = null;
    this.confirmSeconds.observe((this.#nowMs() - round.startedMs) / 1000);
    if (round.batch !== 0) {
      this.#core.releaseReads(round.batch, state.index);
    }
    for (const waiter of round.waiters) {
      waiter.resolve(state.index);
    }
  }

  /** The leader changed or the member stops: what waits in the round ends so. */
  fail(code: SharedErrorCode): void {
    const round = this.#round;
    if (round === null) {
      return;
    }
    this.#round = null;
    this.failedRounds++;
    if (round.batch !== 0) {
      this.#core.failReads(round.batch, this.#errors.codeOf(code));
    }
    for (const waiter of round.waiters) {
      waiter.reject(MetaStoreError.of(code));
    }
  }

  /** As `fail`, and those that no round has taken up yet as well. */
  failAll(code: SharedErrorCode): void {
    this.fail(code);
    for (const waiter of this.#waiters.splice(0)) {
      waiter.reject(MetaStoreError.of(code));
    }
  }

  #pursue(round: Round, nowMs: number): void {
    if (nowMs - round.startedMs >= this.#timeoutMs) {
      this.slowRounds++;
      this.fail('Timeout');
    } else if (nowMs - round.askedMs >= READ_INDEX_RETRY_MS) {
      round.askedMs = nowMs;
      this.slowRounds++;
      this.#question(round.id);
    }
  }

  #question(id: bigint): void {
    const context = new Uint8Array(8);
    new DataView(context.buffer).setBigUint64(0, id);
    this.#ask(context);
  }
}
