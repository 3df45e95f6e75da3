// Keeps a log that says one thing over and over readable: of equal lines in one second the first
// hundred are written, then each hundredth. Asked by the logger for every line.

const FIRST = 100;
const THEN_EACH = 100;
const WINDOW_MS = 1000;
/** Different lines that are told apart in one window; what comes beyond is written. */
const MAX_KEYS = 4096;

export class Sampler {
  readonly #now: () => number;
  readonly #counts = new Map<string, number>();
  #windowEnds = 0;

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether a line of this level and message is to be written. */
  admits(level: string, message: string): boolean {
    const now = this.#now();
    if (now >= this.#windowEnds) {
      this.#counts.clear();
      this.#windowEnds = now + WINDOW_MS;
    }
    const key = `${level} ${message}`;
    const count = (this.#counts.get(key) ?? 0) + 1;
    if (count === 1 && this.#counts.size >= MAX_KEYS) {
      return true;
    }
    this.#counts.set(key, count);
    return count <= FIRST || (count - FIRST) % THEN_EACH === 0;
  }
}
