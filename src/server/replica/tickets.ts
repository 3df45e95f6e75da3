// Requests that native code works on, from submission to result. Each is a ticket number and a
// promise; a result settles it, and so does the request timeout. The replica loop settles proposals
// that were never handed to Raft itself, since those still wait in the native queue.

import { assert } from '../../base/assert.js';
import type { ErrorTable, MetaStoreError } from '../../base/errors.js';

/** What bounds a ticket's life: consensus (the request timeout) or nothing. */
export type TicketKind = 'proposal' | 'read' | 'local';

interface Ticket {
  kind: TicketKind;
  readonly startedMs: number;
  /** Position among all proposals ever submitted, counted from 1; 0 for others. */
  readonly proposalNumber: number;
  readonly resolve: (reply: Buffer) => void;
  readonly reject: (error: MetaStoreError) => void;
}

export class Tickets {
  readonly #errors: ErrorTable;
  // In the order of submission, so the oldest come first. Invariant: a number is used once.
  readonly #open = new Map<number, Ticket>();
  #lastNumber = 0;
  #proposals = 0;

  constructor(errors: ErrorTable) {
    this.#errors = errors;
  }

  /** The number for the next submission; follow with `settleLater` or `refuse`. */
  next(): number {
    return ++this.#lastNumber;
  }

  /** The promise of the reply to a request that was accepted under this number. */
  settleLater(number: number, kind: TicketKind, nowMs: number): Promise<Buffer> {
    assert(!this.#open.has(number), 'a ticket number is used once');
    const proposalNumber = kind === 'proposal' ? ++this.#proposals : 0;
    return new Promise((resolve, reject) => {
      this.#open.set(number, { kind, startedMs: nowMs, proposalNumber, resolve, reject });
    });
  }

  /** How many proposals have been accepted so far, in the order of the native queue. */
  get proposals(): number {
    return this.#proposals;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Called for each result. Results of tickets that have timed out are dropped. */
  settle(number: number, code: number, reply: Buffer): void {
    const ticket = this.#open.get(number);
    if (ticket === undefined) {
      return;
    }
    this.#open.delete(number);
    if (code === 0) {
      ticket.resolve(reply);
    } else {
      ticket.reject(this.#errors.fromCode(code));
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
   * Ends what has waited since before `startedBeforeMs`: with the error that `reason` names for it.
   * Proposals beyond number `handedOver` are left: the caller has them dropped natively.
   *
   * @returns how many proposals were left so
   */
  expire(
    startedBeforeMs: number,
    handedOver: number,
    reason: (kind: TicketKind, startedMs: number) => MetaStoreError,
  ): number {
    let left = 0;
    for (const [number, ticket] of this.#open) {
      if (ticket.startedMs >= startedBeforeMs) {
        break;
      }
      if (ticket.kind === 'local') {
        continue;
      }
      if (ticket.proposalNumber > handedOver) {
        left++;
        continue;
      }
      this.#open.delete(number);
      ticket.reject(reason(ticket.kind, ticket.startedMs));
    }
    return left;
  }

  /** Ends everything that is open. */
  failAll(error: MetaStoreError): void {
    const tickets = [...this.#open.values()];
    this.#open.clear();
    for (const ticket of tickets) {
      ticket.reject(error);
    }
  }
}
