// Log lines about the network without floods: the same matter is logged once in a while, however
// often it happens. Used by every part of the peer transport.

import type { Clock } from '../../base/clock.js';
import type { LogFields, Logger } from '../../base/logger.js';

/** How long the same matter stays silent after a line. */
const SILENCE_MS = 10_000;
/** Matters that are remembered; past them the oldest is forgotten. */
const MATTERS_MAX = 256;

export class LogLimit {
  readonly #log: Logger;
  readonly #clock: Clock;
  // In the order of the last line; at most MATTERS_MAX.
  readonly #loggedMs = new Map<string, number>();

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Logs a warning unless the same matter has been logged shortly before. */
  warn(matter: string, message: string, fields: LogFields): void {
    if (this.#isDue(`${matter} ${message}`)) {
      this.#log.warn(message, fields);
    }
  }

  /** The same at the info level. */
  info(matter: string, message: string, fields: LogFields): void {
    if (this.#isDue(`${matter} ${message}`)) {
      this.#log.info(message, fields);
    }
  }

  #isDue(key: string): boolean {
    const nowMs = this.#clock.nowMs();
    const last = this.#loggedMs.get(key);
    if (last !== undefined && nowMs - last < SILENCE_MS) {
      return false;
    }
    this.#loggedMs.delete(key);
    this.#loggedMs.set(key, nowMs);
    if (this.#loggedMs.size > MATTERS_MAX) {
      const [oldest] = this.#loggedMs.keys();
      this.#loggedMs.delete(oldest as string);
    }
    return true;
  }
}
