// Proposals of the simulator's core on their way into a log: queued, taken or handed to the leader,
// and the tickets that wait for them to be applied. Keeps the contract of src/storage/native.ts:
// a ticket ends once; other members' proposals are only proposed in the term that they were meant
// for.

import { decodeForwards, encodeForwards } from '../log/runs.js';

/** In front of a payload: what it is, and the number of the request. */
const HEADER_BYTES = 9;

export const PayloadKind = { Command: 1, Internal: 2 } as const;

export function encodePayload(kind: number, request: number, body: Uint8Array): Buffer {
  const payload = Buffer.alloc(HEADER_BYTES + body.byteLength);
  payload.writeUInt8(kind, 0);
  payload.writeDoubleLE(request, 1);
  payload.set(body, HEADER_BYTES);
  return payload;
}

export interface DecodedPayload {
  readonly kind: number;
  readonly request: number;
  readonly body: Buffer;
}

export function decodePayload(payload: Buffer): DecodedPayload {
  return {
    kind: payload.readUInt8(0),
    request: payload.readDoubleLE(1),
    body: payload.subarray(HEADER_BYTES),
  };
}

interface Proposal {
  readonly payload: Buffer;
  readonly request: number;
  /** Null for another member's. */
  readonly ticket: number | null;
  /** For another member's: the only term in which it may be proposed. */
  readonly onlyTerm: number;
}

interface Open {
  readonly ticket: number;
  /** In which it was handed to Raft or to the leader; 0 while it is queued. */
  term: number;
}

export class ProposalQueue {
  readonly #maxOperations: number;
  #queue: Proposal[] = [];
  #taken: Proposal[] = [];
  readonly #open = new Map<number, Open>();

  constructor(maxOperations: number) {
    this.#maxOperations = maxOperations;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** False when the queue is full. */
  add(ticket: number, request: number, payload: Buffer): boolean {
    if (this.#queue.length >= this.#maxOperations) {
      return false;
    }
    this.#open.set(request, { ticket, term: 0 });
    this.#queue.push({ payload, request, ticket, onlyTerm: 0 });
    return true;
  }

  take(maxOperations: number, maxBytes: number, term: number): Uint32Array {
    this.#queue = this.#queue.filter(
      (proposal) => proposal.ticket !== null || proposal.onlyTerm === term,
    );
    const taken = this.#queue.splice(0, this.#fitting(maxOperations, maxBytes));
    this.#taken.push(...taken);
    this.#handOver(taken, term);
    return Uint32Array.from(taken, ({ payload }) => payload.length);
  }

  takeForwards(maxOperations: number, maxBytes: number, term: number): Buffer | null {
    this.#queue = this.#queue.filter((proposal) => proposal.ticket !== null);
    const taken = this.#queue.splice(0, this.#fitting(maxOperations, maxBytes));
    if (taken.length === 0) {
      return null;
    }
    this.#handOver(taken, term);
    return encodeForwards(
      taken.map(({ payload }) => payload),
      term,
    );
  }

  /** Puts back what is not answered yet, or with `end` forgets it and returns its tickets. */
  returnForwards(forwards: Uint8Array, end: boolean): number[] {
    const decoded = decodeForwards(forwards);
    const back: Proposal[] = [];
    const tickets: number[] = [];
    for (const payload of decoded?.payloads ?? []) {
      const { request } = decodePayload(payload);
      const open = this.#open.get(request);
      if (open === undefined || open.term !== decoded?.term) {
        continue;
      }
      if (end) {
        this.#open.delete(request);
        tickets.push(open.ticket);
      } else {
        open.term = 0;
        back.push({ payload, request, ticket: open.ticket, onlyTerm: 0 });
      }
    }
    this.#queue.unshift(...back);
    return tickets;
  }

  /** Null when the bytes are damaged, -1 when there is no room, otherwise how many there are. */
  addForwarded(forwards: Uint8Array): number | null {
    const decoded = decodeForwards(forwards);
    if (decoded === null) {
      return null;
    }
    const { payloads, term } = decoded;
    if (this.#queue.length + payloads.length > this.#maxOperations && this.#queue.length > 0) {
      return -1;
    }
    for (const payload of payloads) {
      const { request } = decodePayload(payload);
      this.#queue.push({ payload, request, ticket: null, onlyTerm: term });
    }
    return payloads.length;
  }

  /** The payloads of the oldest taken proposals; null when fewer are taken. */
  name(count: number): Buffer[] | null {
    if (count > this.#taken.length) {
      return null;
    }
    return this.#taken.splice(0, count).map(({ payload }) => payload);
  }

  /** Tickets of the oldest taken proposals, which are forgotten. */
  drop(count: number): number[] {
    return this.#endAll(this.#taken.splice(0, count));
  }

  /** Tickets of what was handed over in an earlier term. */
  endBefore(term: number): number[] {
    const ended: number[] = [];
    for (const [request, open] of this.#open) {
      if (open.term !== 0 && open.term < term) {
        this.#open.delete(request);
        ended.push(open.ticket);
      }
    }
    return ended;
  }

  /** Tickets up to this one that are still queued, which are forgotten. */
  expire(ticket: number): number[] {
    const isOld = (proposal: Proposal) => proposal.ticket !== null && proposal.ticket <= ticket;
    const old = this.#queue.filter(isOld);
    this.#queue = this.#queue.filter((proposal) => !isOld(proposal));
    return this.#endAll(old);
  }

  /** All tickets; what was taken keeps its place. */
  endAll(): number[] {
    const tickets = [...this.#open.values()].map(({ ticket }) => ticket);
    this.#open.clear();
    this.#queue = [];
    return tickets;
  }

  /** The request has been applied: its ticket, unless it has ended or is another member's. */
  applied(request: number): number | null {
    const open = this.#open.get(request);
    this.#open.delete(request);
    return open?.ticket ?? null;
  }

  #endAll(proposals: readonly Proposal[]): number[] {
    const tickets: number[] = [];
    for (const { request } of proposals) {
      const ticket = this.applied(request);
      if (ticket !== null) {
        tickets.push(ticket);
      }
    }
    return tickets;
  }

  #handOver(proposals: readonly Proposal[], term: number): void {
    for (const { request } of proposals) {
      const open = this.#open.get(request);
      if (open !== undefined) {
        open.term = term;
      }
    }
  }

  #fitting(maxOperations: number, maxBytes: number): number {
    let count = 0;
    let bytes = 0;
    for (const { payload } of this.#queue) {
      bytes += payload.length;
      if (count >= maxOperations || (count > 0 && bytes > maxBytes)) {
        break;
      }
      count++;
    }
    return count;
  }
}
