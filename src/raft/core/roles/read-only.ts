// The reads that a leader has under way in safe mode: each waits until a quorum has answered a
// heartbeat sent after it arrived. Kept as counters, so that one round of heartbeats confirms
// every read before it. Owned by one Raft, emptied with every change of term or role.
// Raft dissertation §6.4.

import { assert } from '../../base/assert.js';
import type { Message, NodeId } from '../../base/types.js';
import type { JointConfig } from '../../quorum/joint.js';

export interface PendingRead {
  readonly request: Message;
  /** The commit index when the request arrived: what the read must see at least. */
  readonly index: number;
}

const CONTEXT_BYTES = 8;

function encodeCounter(value: number): Uint8Array {
  const bytes = new Uint8Array(CONTEXT_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

/** The counter in a heartbeat's context; undefined if it is not one of ours. */
function decodeCounter(bytes: Uint8Array): bigint | undefined {
  if (bytes.length !== CONTEXT_BYTES) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getBigUint64(0, true);
}

export class ReadOnlyQueue {
  // Reads in arrival order. Invariant: read i has the number #confirmed + i + 1.
  #queue: PendingRead[] = [];
  // How many reads were confirmed and answered.
  #confirmed = 0;
  // The highest number that each replica has acknowledged. Only grows.
  readonly #acks = new Map<NodeId, number>();

  reset(): void {
    this.#queue = [];
    this.#confirmed = 0;
    this.#acks.clear();
  }

  /** Queues a read; the leader itself acknowledges it at once. */
  add(self: NodeId, request: Message, index: number): void {
    this.#queue.push({ request, index });
    this.#acks.set(self, this.#last);
  }

  /** What heartbeats carry while reads wait; null when none does. */
  heartbeatContext(): Uint8Array | null {
    return this.#queue.length === 0 ? null : encodeCounter(this.#last);
  }

  /**
   * Takes the context that a peer returned, and gives the reads that are now confirmed, in
   * arrival order. Contexts that were never sent are ignored.
   */
  acknowledge(from: NodeId, context: Uint8Array, voters: JointConfig): PendingRead[] {
    const counter = decodeCounter(context);
    if (counter === undefined || counter > BigInt(this.#last)) {
      return [];
    }
    this.#acks.set(from, Math.max(this.#acks.get(from) ?? 0, Number(counter)));
    const quorum = voters.committedIndex((id) => this.#acks.get(id));
    if (quorum <= this.#confirmed || quorum === Number.POSITIVE_INFINITY) {
      return [];
    }
    const count = quorum - this.#confirmed;
    assert(count <= this.#queue.length, 'only reads that are under way are confirmed');
    const confirmed = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    this.#confirmed = quorum;
    return confirmed;
  }

  get #last(): number {
    return this.#confirmed + this.#queue.length;
  }
}
