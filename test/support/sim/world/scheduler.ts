// The one queue of everything that happens in a simulated cluster, ordered by time and then by the
// order of asking. Events belong to a process or to nobody: those of a dead process never run,
// those of a stopped one wait until it goes on, as with SIGSTOP. Same seed, same order.

/** A process as the scheduler sees it. */
export interface Owner {
  readonly alive: boolean;
  readonly paused: boolean;
}

export interface Event {
  atMs: number;
  order: number;
  readonly owner: Owner | null;
  run: (() => void) | null;
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

export class Scheduler {
  // A binary heap: no event is before its parent, at (i - 1) >> 1.
  readonly #heap: Event[] = [];
  readonly #waiting = new Map<Owner, Event[]>();
  #nowMs = 0;
  #asked = 0;
  #steps = 0;

  /** Simulated time, of which every member sees its own version. */
  get nowMs(): number {
    return this.#nowMs;
  }
  /** Events that have run. */
  get steps(): number {
    return this.#steps;
  }

  /** Runs `run` after the delay, unless it is cancelled by setting `run` to null. */
  after(delayMs: number, owner: Owner | null, run: () => void): Event {
    const event = { atMs: this.#nowMs + Math.max(0, delayMs), order: ++this.#asked, owner, run };
    this.#push(event);
    return event;
  }

  /** Runs the next event. False when nothing is left, or only later than `untilMs`. */
  step(untilMs: number): Owner | null | false {
    for (;;) {
      const event = this.#heap[0];
      if (event === undefined || event.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, Math.min(untilMs, event?.atMs ?? untilMs));
        return false;
      }
      this.#pop();
      const { owner, run } = event;
      if (run === null || owner?.alive === false) {
        continue;
      }
      this.#nowMs = event.atMs;
      if (owner?.paused === true) {
        this.#wait(owner, event);
        continue;
      }
      this.#steps++;
      run();
      return owner;
    }
  }

  /** A stopped process goes on: what it has missed happens now, in order. */
  resume(owner: Owner): void {
    const events = this.#waiting.get(owner) ?? [];
    this.#waiting.delete(owner);
    for (const event of events) {
      event.atMs = this.#nowMs;
      event.order = ++this.#asked;
      this.#push(event);
    }
  }

  #wait(owner: Owner, event: Event): void {
    const events = this.#waiting.get(owner);
    if (events === undefined) {
      this.#waiting.set(owner, [event]);
    } else {
      events.push(event);
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >> 1;
      const parent = heap[up] as Event;
      if (!isBefore(event, parent)) {
        break;
      }
      heap[at] = parent;
      at = up;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    const { length } = heap;
    if (length === 0) {
      return;
    }
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= length) {
        break;
      }
      if (down + 1 < length && isBefore(heap[down + 1] as Event, heap[down] as Event)) {
        down++;
      }
      const child = heap[down] as Event;
      if (!isBefore(child, last)) {
        break;
      }
      heap[at] = child;
      at = down;
    }
    heap[at] = last;
  }
}
