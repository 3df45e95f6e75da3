// A priority queue of ids by deadline, for leases: renewals are many and expiries few, so a renewal
// only notes the new deadline, and an entry that comes up too early is put back. Owned by the
// lessor.

import { assert } from '../../base/assert.js';

interface Entry {
  readonly id: bigint;
  readonly deadlineMs: number;
}

export class DeadlineQueue {
  // A binary heap: each entry's deadline is at most those of its two children.
  readonly #heap: Entry[] = [];
  // The deadline that counts. Invariant: every id here has exactly one entry in the heap, whose
  // deadline is at most the one that counts.
  readonly #deadlines = new Map<bigint, number>();
  // Deadline of the id's entry in the heap, to tell stale entries from live ones.
  readonly #queued = new Map<bigint, number>();

  get size(): number {
    return this.#deadlines.size;
  }

  /** Sets or changes an id's deadline. */
  set(id: bigint, deadlineMs: number): void {
    this.#deadlines.set(id, deadlineMs);
    const queued = this.#queued.get(id);
    if (queued === undefined || deadlineMs < queued) {
      // An earlier deadline needs an entry of its own; the later one is stale from now on.
      this.#queued.set(id, deadlineMs);
      this.#push({ id, deadlineMs });
    }
  }

  delete(id: bigint): void {
    this.#deadlines.delete(id);
    this.#queued.delete(id);
  }

  clear(): void {
    this.#heap.length = 0;
    this.#deadlines.clear();
    this.#queued.clear();
  }

  /** Takes out up to `limit` ids whose deadline has come, earliest first. */
  takeDue(nowMs: number, limit: number): bigint[] {
    const due: bigint[] = [];
    while (due.length < limit) {
      const top = this.#heap[0];
      if (top === undefined || top.deadlineMs > nowMs) {
        break;
      }
      this.#pop();
      if (this.#queued.get(top.id) !== top.deadlineMs) {
        continue;
      }
      const deadlineMs = this.#deadlines.get(top.id);
      assert(deadlineMs !== undefined, 'a live entry has a deadline');
      if (deadlineMs > top.deadlineMs) {
        this.#queued.set(top.id, deadlineMs);
        this.#push({ id: top.id, deadlineMs });
      } else {
        this.delete(top.id);
        due.push(top.id);
      }
    }
    return due;
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Entry;
      if (above.deadlineMs <= entry.deadlineMs) {
        break;
      }
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) {
      return;
    }
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      if (left === undefined) {
        break;
      }
      const right = heap[child + 1];
      if (right !== undefined && right.deadlineMs < left.deadlineMs) {
        child++;
      }
      const smaller = heap[child] as Entry;
      if (smaller.deadlineMs >= last.deadlineMs) {
        break;
      }
      heap[at] = smaller;
      at = child;
    }
    heap[at] = last;
  }
}
