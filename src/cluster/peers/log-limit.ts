// Log lines about the network without floods: the same matter is logged more and more rarely,
// however often it happens, until things have been in order again. Used by every part of the peer
// transport.

import type { Clock } from '../../base/clock.js';
import type { LogFields, Logger } from '../../base/log/logger.js';

/** How long the same matter stays silent after its first line; twice as long after each further. */
const SILENCE_MIN_MS = 10_000;
const SILENCE_MAX_MS = 600_000;
/** Matters that are remembered; past them the oldest is forgotten. */
const MATTERS_MAX = 256;

export class LogLimit {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #isOver: () => boolean;
  // In the order of the last line; at most MATTERS_MAX.
  readonly #lines = new Map<string, { readonly atMs: number; readonly silenceMs: number }>();

  /** @param isOver whether nothing of the network is news any more */
  constructor(log: Logger, clock: Clock, isOver: () => boolean = () => false) {
    this.#log = log;
    this.#clock = clock;
    this.#isOver = isOver;
  }

  /** Logs a warning unless the same matter has been logged shortly before. */
  warn(matter: string, message: string, fields: LogFields): void {
    if (!this.#isOver() && this.#isDue(`${matter} ${message}`)) {
      this.#log.warn(message, fields);
    }
  }

  /** The matter is in order again: what happens next is news. */
  settled(matter: string): void {
    for (const key of [...this.#lines.keys()]) {
      if (key.startsWith(`${matter} `)) {
        this.#lines.delete(key);
      }
    }
  }

  #isDue(key: string): boolean {
    const atMs = this.#clock.nowMs();
    const last = this.#lines.get(key);
    if (last !== undefined && atMs - last.atMs < last.silenceMs) {
      return false;
    }
    const silenceMs = last === undefined ? SILENCE_MIN_MS : 2 * last.silenceMs;
    this.#lines.delete(key);
    this.#lines.set(key, { atMs, silenceMs: Math.min(silenceMs, SILENCE_MAX_MS) });
    if (this.#lines.size > MATTERS_MAX) {
      const [oldest] = this.#lines.keys();
      this.#lines.delete(oldest as string);
    }
    return true;
  }
}
