// Decides whether a history of concurrent operations is linearizable, after Wing and Gong ("Testing
// and Verifying Concurrent Objects") with Lowe's memoisation ("Testing for Linearizability"):
// a depth-first search for an order that respects real time and that the model accepts, which
// never visits the same set of placed operations in the same state twice.
// Called by checks.ts, once for each key; knows nothing of keys and values itself.

/** An operation with the moments between which it took effect, on one clock. */
export interface Timed<Operation> {
  readonly operation: Operation;
  readonly call: number;
  /**
   * Infinity when the outcome is not known: it takes effect at any time after the call, or never.
   */
  readonly return: number;
  /** Of operations that could come next, those with the smaller hint are tried first. */
  readonly hint?: number;
}

/** What the operations do, one at a time. States are immutable. */
export interface Model<State, Operation> {
  readonly initial: State;
  /** The state after the operation, or null when it cannot have had its outcome in this state. */
  step(state: State, operation: Operation): State | null;
  /** Equal texts for equal states, different texts for different ones. */
  key(state: State): string;
}

export type Verdict<State, Operation> =
  | { readonly kind: 'linearizable' }
  | {
      readonly kind: 'violation';
      /** The longest order that was found, and the state that it ends in. */
      readonly placed: readonly Timed<Operation>[];
      readonly state: State;
      /** What could have come next, and did not fit. */
      readonly next: readonly Timed<Operation>[];
    }
  | { readonly kind: 'undecided'; readonly steps: number };

interface Node<Operation> {
  readonly timed: Timed<Operation>;
  readonly index: number;
  readonly isKnown: boolean;
  previous: Node<Operation> | null;
  next: Node<Operation> | null;
}

interface Frame<State, Operation> {
  readonly state: State;
  readonly candidates: readonly Node<Operation>[];
  tried: number;
  /** What was placed to get here; null in the first frame. */
  readonly placed: Node<Operation> | null;
}

/** The operations that are not placed yet, in the order of their calls. */
class Remaining<Operation> {
  readonly #head: Node<Operation>;
  knownCount = 0;

  constructor(history: readonly Timed<Operation>[]) {
    const sorted = [...history].sort((a, b) => a.call - b.call);
    const nodes = sorted.map(
      (timed, index): Node<Operation> => ({
        timed,
        index,
        isKnown: timed.return !== Number.POSITIVE_INFINITY,
        previous: null,
        next: null,
      }),
    );
    this.#head = { ...(nodes[0] as Node<Operation>), index: -1 };
    let last = this.#head;
    for (const node of nodes) {
      last.next = node;
      node.previous = last;
      last = node;
      if (node.isKnown) this.knownCount += 1;
    }
  }

  /**
   * What may come next: operations that were called before any of the remaining ones returned.
   * Those with a known outcome come first, since most unknown ones never happened.
   */
  candidates(): Node<Operation>[] {
    const found: Node<Operation>[] = [];
    let firstReturn = Number.POSITIVE_INFINITY;
    for (let node = this.#head.next; node !== null; node = node.next) {
      if (node.timed.call > firstReturn) break;
      firstReturn = Math.min(firstReturn, node.timed.return);
      found.push(node);
    }
    const rank = (node: Node<Operation>): number => node.timed.hint ?? node.timed.return;
    return found
      .filter((node) => node.timed.call <= firstReturn)
      .sort((a, b) => Number(b.isKnown) - Number(a.isKnown) || rank(a) - rank(b));
  }

  take(node: Node<Operation>): void {
    if (node.previous !== null) node.previous.next = node.next;
    if (node.next !== null) node.next.previous = node.previous;
    if (node.isKnown) this.knownCount -= 1;
  }

  /** Undoes the latest take that is not undone yet. */
  putBack(node: Node<Operation>): void {
    if (node.previous !== null) node.previous.next = node;
    if (node.next !== null) node.next.previous = node;
    if (node.isKnown) this.knownCount += 1;
  }
}

/** Sets of placed operations with the states they led to. */
class Visited {
  readonly #seen = new Set<string>();
  readonly #bits: Uint16Array;
  /** Operations below this word are all placed: left out of the text, which so stays short. */
  #fullWords = 0;

  constructor(size: number) {
    this.#bits = new Uint16Array((size >> 4) + 1);
  }

  set(index: number, isPlaced: boolean): void {
    const word = index >> 4;
    const bit = 1 << (index & 15);
    const old = this.#bits[word] ?? 0;
    this.#bits[word] = isPlaced ? old | bit : old & ~bit;
    while (this.#bits[this.#fullWords] === 0xffff) this.#fullWords += 1;
    this.#fullWords = Math.min(this.#fullWords, isPlaced ? this.#fullWords : word);
  }

  /** False when the set that is placed now was met before in this state. */
  add(stateKey: string): boolean {
    let last = this.#bits.length - 1;
    while (last > this.#fullWords && this.#bits[last] === 0) last -= 1;
    const words = this.#bits.subarray(this.#fullWords, last + 1);
    const text = `${this.#fullWords}|${String.fromCharCode(...words)}|${stateKey}`;
    if (this.#seen.has(text)) return false;
    this.#seen.add(text);
    return true;
  }
}

/**
 * Searches for an order. Each unknown operation may be placed anywhere after its call or left out.
 * @param timeoutMs after which the answer is `undecided`
 */
export function checkLinearizable<State, Operation>(
  model: Model<State, Operation>,
  history: readonly Timed<Operation>[],
  timeoutMs = 30_000,
): Verdict<State, Operation> {
  if (history.length === 0) return { kind: 'linearizable' };
  const until = performance.now() + timeoutMs;
  const remaining = new Remaining(history);
  const visited = new Visited(history.length);
  const first = {
    state: model.initial,
    candidates: remaining.candidates(),
    tried: 0,
    placed: null,
  };
  const stack: Frame<State, Operation>[] = [first];
  let best: Verdict<State, Operation> & { kind: 'violation' } = violation(stack);
  for (let steps = 0; remaining.knownCount > 0; steps += 1) {
    if ((steps & 0xfff) === 0xfff && performance.now() > until) {
      return { kind: 'undecided', steps };
    }
    const frame = stack.at(-1);
    if (frame === undefined) return best;
    const node = frame.candidates[frame.tried];
    frame.tried += 1;
    if (node === undefined) {
      if (stack.length - 1 > best.placed.length) best = violation(stack);
      stack.pop();
      if (frame.placed !== null) {
        remaining.putBack(frame.placed);
        visited.set(frame.placed.index, false);
      }
      continue;
    }
    const state = model.step(frame.state, node.timed.operation);
    if (state === null) continue;
    visited.set(node.index, true);
    if (!visited.add(model.key(state))) {
      visited.set(node.index, false);
      continue;
    }
    remaining.take(node);
    stack.push({ state, candidates: remaining.candidates(), tried: 0, placed: node });
  }
  return { kind: 'linearizable' };
}

function violation<State, Operation>(
  stack: readonly Frame<State, Operation>[],
): Verdict<State, Operation> & { kind: 'violation' } {
  const top = stack.at(-1) as Frame<State, Operation>;
  const placed = stack.flatMap((frame) => (frame.placed === null ? [] : [frame.placed.timed]));
  const next = top.candidates.map((node) => node.timed);
  return { kind: 'violation', placed, state: top.state, next };
}
