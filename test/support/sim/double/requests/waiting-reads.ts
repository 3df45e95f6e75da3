// Linearizable reads of the simulator's core: they wait, are frozen into a batch, and are served
// once the state has reached the index that the batch was released with.

export interface WaitingRead {
  readonly ticket: number;
  readonly key: number;
}

interface Released {
  readonly reads: readonly WaitingRead[];
  readonly index: number;
}

export class WaitingReads {
  #waiting: WaitingRead[] = [];
  readonly #frozen = new Map<number, WaitingRead[]>();
  #released: Released[] = [];
  #lastBatch = 0;

  add(read: WaitingRead): void {
    this.#waiting.push(read);
  }

  freeze(): number {
    if (this.#waiting.length === 0) {
      return 0;
    }
    this.#frozen.set(++this.#lastBatch, this.#waiting);
    this.#waiting = [];
    return this.#lastBatch;
  }

  release(batch: number, index: number): void {
    const reads = this.#frozen.get(batch) ?? [];
    this.#frozen.delete(batch);
    this.#released.push({ reads, index });
  }

  /** Takes what may be served from a state that has reached the index. */
  takeServable(applied: number): WaitingRead[] {
    if (!this.#released.some(({ index }) => index <= applied)) {
      return [];
    }
    const servable = this.#released.filter(({ index }) => index <= applied);
    this.#released = this.#released.filter(({ index }) => index > applied);
    return servable.flatMap(({ reads }) => reads);
  }

  /** Forgets a frozen batch; its tickets. */
  fail(batch: number): number[] {
    const reads = this.#frozen.get(batch) ?? [];
    this.#frozen.delete(batch);
    return reads.map(({ ticket }) => ticket);
  }

  failAll(): number[] {
    const reads = [
      ...this.#waiting,
      ...[...this.#frozen.values()].flat(),
      ...this.#released.flatMap((released) => released.reads),
    ];
    this.#waiting = [];
    this.#frozen.clear();
    this.#released = [];
    return reads.map(({ ticket }) => ticket);
  }
}
