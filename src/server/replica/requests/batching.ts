// How proposals are put together: how many Raft is told of at once, how long the first of them may
// wait for others, and whether several operations share an entry of the log. By default the batch
// is what has come while the one before was being written, which needs no timer.

import type { Clock } from '../../../base/clock.js';
import type { Membership } from '../../../cluster/membership.js';
import { BATCH_ENTRY_FORMAT } from '../../../storage/entry-run.js';
import type { MemberCore } from '../../../storage/native.js';

/** What one turn takes from the queue at most; more waits for the next turn. */
const TURN_OPERATIONS_MAX = 8192;

export interface Batching {
  /** False: one proposal a turn. */
  readonly enabled: boolean;
  /** 0: as many as wait. */
  readonly maxOperations: number;
  /** How long the first one waits for as many as `maxOperations`; 0: not at all. */
  readonly maxWaitMs: number;
  /** Operations and bytes of one entry; 1 operation: every operation has an entry of its own. */
  readonly entryOperations: number;
  readonly entryBytes: number;
}

export const defaultBatching: Batching = {
  enabled: true,
  maxOperations: 0,
  maxWaitMs: 0,
  entryOperations: 1,
  entryBytes: 2 ** 20,
};

/** What an entry may hold once every member reads entries of the format. */
export function entryBatch(
  { enabled, entryOperations, entryBytes }: Batching,
  entryFormat: number,
): readonly [operations: number, bytes: number] {
  const may = enabled && entryFormat >= BATCH_ENTRY_FORMAT;
  return may ? [entryOperations, entryBytes] : [1, entryBytes];
}

/** Decides how many proposals are worth a batch now. */
export class BatchWait {
  /** What one turn takes at most. */
  readonly maxOperations: number;
  readonly #maxWaitMs: number;
  readonly #clock: Clock;
  readonly #wake: () => void;
  // When what waits now is to go, however little it is. Null: nothing waits for others.
  #dueMs: number | null = null;

  /** @param wake runs a turn soon */
  constructor({ enabled, maxOperations, maxWaitMs }: Batching, clock: Clock, wake: () => void) {
    const most = maxOperations === 0 ? TURN_OPERATIONS_MAX : maxOperations;
    this.maxOperations = enabled ? Math.min(most, TURN_OPERATIONS_MAX) : 1;
    this.#maxWaitMs = enabled ? maxWaitMs : 0;
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Whether proposals may have to wait for others. */
  get waits(): boolean {
    return this.#maxWaitMs > 0;
  }

  /** Proposals that have to wait before a batch is taken in this turn; 0: any number will do. */
  atLeast(): number {
    if (this.#maxWaitMs === 0) {
      return 0;
    }
    const nowMs = this.#clock.nowMs();
    if (this.#dueMs === null) {
      const dueMs = nowMs + this.#maxWaitMs;
      this.#dueMs = dueMs;
      this.#clock.after(this.#maxWaitMs, () => {
        // A timer may come a moment before the clock says so, and comes once.
        if (this.#dueMs === dueMs) this.#dueMs = nowMs;
        this.#wake();
      });
    }
    return nowMs < this.#dueMs ? this.maxOperations : 0;
  }

  /** A batch was taken, or nothing waits: the next one begins to wait anew. */
  taken(): void {
    this.#dueMs = null;
  }
}

/** Entries hold several operations as soon as every member reads such entries. */
export function followEntryFormat(
  core: Pick<MemberCore, 'batchEntries'>,
  membership: Membership,
  batching: Batching,
): void {
  if (batching.entryOperations === 1) {
    return;
  }
  const follow = () => core.batchEntries(...entryBatch(batching, membership.entryFormat));
  membership.onChange(follow);
  follow();
}
