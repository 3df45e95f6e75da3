// The sliding window of append messages that one peer has not acknowledged yet. Used by a
// progress in the replicating state to bound messages and bytes on the way. A ring that grows
// on demand, so that a large limit costs nothing until it is used.

import { assert } from '../base/assert.js';

const INITIAL_CAPACITY = 16;

export class Inflights {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  // Invariant: the slots #start … #start+#count-1 (mod length) hold ascending last indexes and
  // the payload bytes of their messages; #bytes is the sum of the latter.
  #indexes: number[] = [];
  #sizes: number[] = [];
  #start = 0;
  #count = 0;
  #bytes = 0;

  /** @param maxBytes Infinity for no limit */
  constructor(maxCount: number, maxBytes: number) {
    assert(maxCount > 0 && maxBytes > 0, 'the window holds at least one message');
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether nothing more may be sent; a message that crosses the byte limit is still taken. */
  get full(): boolean {
    return this.#count === this.#maxCount || this.#bytes >= this.#maxBytes;
  }

  /** Records a message whose last entry is `index`. */
  add(index: number, bytes: number): void {
    assert(!this.full, 'a full window takes no message');
    if (this.#count === this.#indexes.length) {
      this.#grow();
    }
    const capacity = this.#indexes.length;
    const slot = (this.#start + this.#count) % capacity;
    if (this.#count > 0) {
      const before = this.#indexes[(slot + capacity - 1) % capacity] as number;
      assert(before < index, 'messages are recorded in log order');
    }
    this.#indexes[slot] = index;
    this.#sizes[slot] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Forgets the messages up to and including this index: they are acknowledged. */
  freeUpTo(index: number): void {
    const capacity = this.#indexes.length;
    while (this.#count > 0 && (this.#indexes[this.#start] as number) <= index) {
      this.#bytes -= this.#sizes[this.#start] as number;
      this.#start = (this.#start + 1) % capacity;
      this.#count--;
    }
    assert(this.#bytes >= 0, 'bytes on the way are not negative');
  }

  reset(): void {
    this.#start = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  #grow(): void {
    const old = this.#indexes.length;
    const capacity = Math.min(Math.max(old * 2, INITIAL_CAPACITY), this.#maxCount);
    assert(capacity > old, 'a window below its limit can grow');
    const indexes = new Array<number>(capacity).fill(0);
    const sizes = new Array<number>(capacity).fill(0);
    for (let i = 0; i < this.#count; i++) {
      indexes[i] = this.#indexes[(this.#start + i) % old] as number;
      sizes[i] = this.#sizes[(this.#start + i) % old] as number;
    }
    this.#indexes = indexes;
    this.#sizes = sizes;
    this.#start = 0;
  }
}
