// Where proposals go from the native queue: into this member's log while it leads, to the leader
// otherwise, nowhere while there is none or leadership is being handed over. A forward that the
// leader refused comes back into the queue; one whose fate nobody knows is left to the first entry
// of a later term, which proves that it never will be applied. Driven by the replica loop.

import type { Clock } from '../../../base/clock.js';
import type { ErrorTable } from '../../../base/errors.js';
import type { Logger } from '../../../base/log/logger.js';
import { BATCH } from '../../../base/metrics/definition.js';
import { Distribution } from '../../../base/metrics/family.js';
import type { PeerSender } from '../../../cluster/peers/types.js';
import { NONE, type NodeId, RaftError, type RawNode } from '../../../raft/index.js';
import { NativePayload } from '../../../storage/entry-run.js';
import type { MemberCore } from '../../../storage/native.js';
import { type Batching, BatchWait, defaultBatching } from './batching.js';
import { Pace } from './pace.js';

/** What one turn takes from the queue at most; more waits for the next turn. */
const TURN_BYTES_MAX = 16 << 20;
const FORWARD_OPERATIONS_MAX = 8192;
/** Smaller batches than this are not left to native code, which writes them one by one. */
const RUN_OPERATIONS_MIN = 512;
/**
 * Batches that the leader has not answered; while they are so many, the next one grows. It answers
 * several at once, for which nobody waits.
 */
const FORWARDS_MAX = 8;
const FORWARD_BYTES_MAX = 4 << 20;
/** In front of forwarded proposals: their checksum, their term, then their number. */
const FORWARD_COUNT_OFFSET = 12;

type ProposalCore = Pick<
  MemberCore,
  'takeProposals' | 'dropProposals' | 'takeForwards' | 'returnForwards' | 'holdProposals'
>;

export interface ProposalParts {
  readonly core: ProposalCore;
  readonly raw: RawNode;
  readonly errors: ErrorTable;
  readonly peers: Pick<PeerSender, 'forward'>;
  readonly log: Logger;
  readonly clock: Clock;
  readonly batching?: Batching | undefined;
  /** Whether native code takes what this member leads to have. */
  readonly isGranted: () => boolean;
  /** Runs a turn soon. */
  readonly wake: () => void;
}

/** Who leads, as the loop knows it. */
export interface Leadership {
  readonly lead: NodeId;
  readonly isLeader: boolean;
  readonly term: number;
}

export class Proposals {
  /** Proposals that went to Raft together. */
  readonly batchOperations = new Distribution(BATCH);
  readonly #parts: ProposalParts;
  readonly #batch: BatchWait;
  readonly #pace: Pace;
  #wait = false;
  #forwards = 0;
  // The log's last entry when the last batch was handed over, and the last one that came behind:
  // most likely it is among those.
  #forwardedAt = 0;
  #carriedBy = 0;
  // The leader refused: nothing is sent to it before the next tick.
  #refused = false;

  constructor(parts: ProposalParts) {
    this.#parts = parts;
    this.#batch = new BatchWait(parts.batching ?? defaultBatching, parts.clock, parts.wake);
    this.#pace = new Pace(parts.core, parts.clock, parts.wake);
  }

  /** Something has been put into the queue. */
  queued(): void {
    this.#wait = true;
    // Otherwise a turn is certain to come, or native code sees that there are enough.
    if (this.#pace.isFree) {
      this.#parts.wake();
    }
  }

  /** The same, told within a turn of the loop that has yet to come to this. */
  demanded(): void {
    this.#wait = true;
  }

  /**
   * What native code may take at once by itself; 0 where that would not be what was asked for:
   * proposals wait for others, or go in small batches, of which several share a write.
   */
  get runOperations(): number {
    const { waits, maxOperations } = this.#batch;
    return waits || maxOperations < RUN_OPERATIONS_MIN ? 0 : maxOperations;
  }

  /** A tick, or another leader: what was refused may be tried again. */
  retry(): void {
    this.#refused = false;
  }

  /** Takes what waits to where it belongs; once per turn of the loop. */
  turn({ lead, isLeader, term }: Leadership): void {
    const { isFree, isGathering } = this.#pace;
    const atLeast = this.#pace.atLeast(isLeader ? this.#isAsking : this.#isCarried());
    if (atLeast === Number.POSITIVE_INFINITY) {
      return;
    }
    // What has come meanwhile told nobody.
    this.#wait ||= !isFree;
    // What is granted is taken by native code; of what it leaves when that ends, it gives word.
    if (!this.#wait || lead === NONE || this.#parts.isGranted()) {
      return;
    }
    const operations = isLeader ? this.#propose(term, atLeast) : this.#forward(lead, term, atLeast);
    if (isGathering && atLeast === 0) {
      this.#pace.took(operations);
    }
  }

  /** Whether others have not answered yet what this leader has proposed. */
  get #isAsking(): boolean {
    const { log, tracker } = this.#parts.raw.raft;
    return tracker.ids.length > 1 && log.committed < log.lastIndex();
  }

  /** Whether what was handed over last is not known to be committed. */
  #isCarried(): boolean {
    const { log } = this.#parts.raw.raft;
    if (this.#carriedBy === Number.POSITIVE_INFINITY && log.lastIndex() > this.#forwardedAt) {
      this.#carriedBy = log.lastIndex();
    }
    return log.committed < this.#carriedBy;
  }

  /** How many proposals left. */
  #propose(term: number, enough: number): number {
    const { core, raw, errors, wake } = this.#parts;
    // While leadership is handed over Raft takes nothing; the next leader will.
    if (raw.raft.leadTransferee !== NONE) {
      return 0;
    }
    const { maxOperations } = this.#batch;
    const atLeast = Math.max(enough, this.#batch.atLeast());
    const sizes = core.takeProposals(maxOperations, TURN_BYTES_MAX, term, atLeast);
    if (sizes.length === 0 && atLeast > 0) {
      return 0;
    }
    this.#batch.taken();
    if (sizes.length === 0) {
      this.#wait = false;
      return 0;
    }
    this.batchOperations.observe(sizes.length);
    const payloads: NativePayload[] = [];
    for (const size of sizes) {
      payloads.push(new NativePayload(size));
    }
    try {
      raw.propose(payloads);
    } catch (error) {
      if (!(error instanceof RaftError)) {
        throw error;
      }
      core.dropProposals(sizes.length, errors.codeOf('ProposalDropped'));
      wake();
      return 0;
    }
    if (sizes.length === maxOperations) {
      // More may wait, which is not to go with this batch nor to wait for its answers.
      this.#pace.passes();
      wake();
    } else if (this.#isAsking) {
      this.#pace.begins(sizes.length);
    }
    return sizes.length;
  }

  #forward(lead: NodeId, term: number, atLeast: number): number {
    if (this.#forwards >= FORWARDS_MAX || this.#refused) {
      return 0;
    }
    const { core, errors, peers, log } = this.#parts;
    const most = [FORWARD_OPERATIONS_MAX, FORWARD_BYTES_MAX] as const;
    const forwards = core.takeForwards(...most, term, atLeast);
    if (forwards === null) {
      this.#wait = atLeast > 0;
      return 0;
    }
    const count = forwards.readUInt32LE(FORWARD_COUNT_OFFSET);
    this.#forwards++;
    this.#forwardedAt = this.#parts.raw.raft.log.lastIndex();
    this.#carriedBy = Number.POSITIVE_INFINITY;
    peers.forward(lead, term, forwards).then(
      (refusal) => {
        if (refusal === 'TooManyRequests') {
          core.returnForwards(forwards, errors.codeOf(refusal));
        } else if (refusal !== null) {
          this.#refused = true;
          this.#wait = true;
          core.returnForwards(forwards, 0);
        }
        this.#answered(refusal === null);
      },
      (error: unknown) => {
        log.debug('forwarded proposals may be lost', { count, error });
        this.#answered(false);
      },
    );
    // There may be more in the queue: a turn is certain to come that looks.
    this.#pace.begins(count);
    return count;
  }

  /** That all is well is no reason for a turn, unless the next batch has waited for it. */
  #answered(isQueued: boolean): void {
    const waited = this.#forwards-- >= FORWARDS_MAX;
    if (!isQueued) {
      this.#carriedBy = 0;
    }
    if (!isQueued || waited) {
      this.#parts.wake();
    }
  }
}
