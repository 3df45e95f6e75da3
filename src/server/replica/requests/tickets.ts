// Requests that native code works on, from submission to result. Each is a ticket number and a
// promise; a result settles it, and so does the request timeout, which tells proposals that still
// wait in the native queue from those whose fate nobody knows.

import { assert } from '../../../base/assert.js';
import { type ErrorTable, MetaStoreError } from '../../../base/errors.js';
import type { RequestTime, RequestTimes } from '../../serving/request-times.js';

/** What bounds a ticket's life: consensus (the request timeout) or nothing. */
export type TicketKind = 'proposal' | 'read' | 'local';

interface Ticket {
  kind: TicketKind;
  readonly startedMs: number;
  readonly time: RequestTime | null;
  readonly resolve: (reply: Buffer) => void;
  readonly reject: (error: MetaStoreError) => void;
}

export class Tickets {
  readonly #errors: ErrorTable;
  readonly #times: RequestTimes;
  readonly #nowMs: () => number;
  // In the order of submission, so the oldest come first. Invariant: a number is used once.
  readonly #open = new Map<number, Ticket>();
  #lastNumber = 0;

  constructor(errors: ErrorTable, times: RequestTimes, nowMs: () => number) {
    this.#errors = errors;
    this.#times = times;
    this.#nowMs = nowMs;
  }

  /** The number for the next submission; follow with `settleLater` or `refuse`. */
  next(): number {
    return ++this.#lastNumber;
  }

  /**
   * The promise of the reply to a request that was accepted under this number.
   *
   * @param time where its time is counted, if anywhere
   */
  settleLater(
    number: number,
    kind: TicketKind,
    nowMs: number,
    time: RequestTime | null = null,
  ): Promise<Buffer> {
    assert(!this.#open.has(number), 'a ticket number is used once');
    return new Promise((resolve, reject) => {
      this.#open.set(number, { kind, startedMs: nowMs, time, resolve, reject });
    });
  }

  get size(): number {
    return this.#open.size;
  }

  /** Proposals among them that consensus is not done with. */
  countProposals(): number {
    let proposals = 0;
    for (const { kind } of this.#open.values()) {
      proposals += kind === 'proposal' ? 1 : 0;
    }
    return proposals;
  }

  /** Called for each result. Results of tickets that have timed out are dropped. */
  settle(number: number, code: number, reply: Buffer): void {
    const ticket = this.#open.get(number);
    if (ticket === undefined) {
      return;
    }
    this.#open.delete(number);
    if (code === 0) {
      this.#count(ticket, null);
      ticket.resolve(reply);
    } else {
      const error = this.#errors.fromCode(code);
      this.#count(ticket, error.code);
      ticket.reject(error);
    }
  }

  /** Consensus is done with the ticket: what it waits for now takes as long as it takes. */
  hold(number: number): void {
    const ticket = this.#open.get(number);
    if (ticket !== undefined) {
      ticket.kind = 'local';
    }
  }

  /**
   * Ends what has waited since before `startedBeforeMs`. What that is told depends on whether it
   * was ever handed to consensus: `dropQueued` takes what still waits out of the native queue, up
   * to a ticket number, and says which those were; the others end with the error of `reason`.
   */
  expire(
    startedBeforeMs: number,
    dropQueued: (ticket: number) => Float64Array,
    reason: (kind: TicketKind, startedMs: number) => MetaStoreError,
  ): void {
    const old: number[] = [];
    let lastProposal = 0;
    for (const [number, { kind, startedMs }] of this.#open) {
      if (startedMs >= startedBeforeMs) {
        break;
      }
      if (kind === 'local') {
        continue;
      }
      old.push(number);
      if (kind === 'proposal') {
        lastProposal = number;
      }
    }
    const queued = new Set<number>(lastProposal === 0 ? [] : dropQueued(lastProposal));
    for (const number of old) {
      const ticket = this.#open.get(number) as Ticket;
      this.#open.delete(number);
      const never = MetaStoreError.of('DeadlineExceeded');
      const error = queued.has(number) ? never : reason(ticket.kind, ticket.startedMs);
      this.#count(ticket, error.code);
      ticket.reject(error);
    }
  }

  /** Ends everything that is open. */
  failAll(error: MetaStoreError): void {
    const tickets = [...this.#open.values()];
    this.#open.clear();
    for (const ticket of tickets) {
      this.#count(ticket, error.code);
      ticket.reject(error);
    }
  }

  #count({ time, kind, startedMs }: Ticket, error: string | null): void {
    if (time !== null || error !== null) {
      this.#times.ended(time, kind === 'proposal', this.#nowMs() - startedMs, error);
    }
  }
}
