// How a transfer gets on: lines in the log while it lasts and at its end, and the pace that the
// operator allows. Used by both sides of snapshot transfers.

import type { Clock } from '../../../base/clock.js';
import type { LogFields, Logger } from '../../../base/log/logger.js';

const LINE_MS = 2000;
/** A step of a tenth is worth a line as well, but not many in a row. */
const STEP_LINE_MS = 500;
const STEPS = 10;

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e4) / 100;
}

/** The lines about one transfer. */
export class ProgressLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #text: string;
  readonly #fields: LogFields;
  readonly #sizeBytes: number;
  readonly #startMs: number;
  #lineMs: number;
  #lineBytes: number;

  /** @param text what is being done, as the lines under way say it */
  constructor(log: Logger, clock: Clock, text: string, fields: LogFields, sizeBytes: number) {
    this.#log = log;
    this.#clock = clock;
    this.#text = text;
    this.#fields = { ...fields, 'size-mb': megabytes(sizeBytes) };
    this.#sizeBytes = sizeBytes;
    this.#startMs = clock.nowMs();
    this.#lineMs = this.#startMs;
    this.#lineBytes = 0;
    log.info(text, this.#fields);
  }

  /** Says how far it is, if that is due; the rate is that since the last line. */
  at(doneBytes: number): void {
    const nowMs = this.#clock.nowMs();
    const passedMs = nowMs - this.#lineMs;
    const isStep = doneBytes - this.#lineBytes >= this.#sizeBytes / STEPS;
    if (passedMs >= LINE_MS || (isStep && passedMs >= STEP_LINE_MS)) {
      this.#log.info(this.#text, {
        ...this.#fields,
        'done-mb': megabytes(doneBytes),
        'mb-per-second': megabytes(((doneBytes - this.#lineBytes) * 1000) / passedMs),
      });
      this.#lineMs = nowMs;
      this.#lineBytes = doneBytes;
    }
  }

  /** The line at the end. */
  done(text: string): void {
    const tookMs = this.#clock.nowMs() - this.#startMs;
    this.#log.info(text, {
      ...this.#fields,
      took: `${Math.round(tookMs)}ms`,
      'mb-per-second': megabytes((this.#sizeBytes * 1000) / Math.max(1, tookMs)),
    });
  }

  failed(text: string, error: string): void {
    const tookMs = this.#clock.nowMs() - this.#startMs;
    this.#log.warn(text, { ...this.#fields, took: `${Math.round(tookMs)}ms`, error });
  }
}

/** Shares a rate among everybody who sends. */
export class Pace {
  readonly #clock: Clock;
  readonly #bytesPerSecond: number;
  // When what has been granted so far is paid off.
  #paidMs = 0;

  /** @param bytesPerSecond 0 for no limit */
  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Grants the bytes; they may be sent after so many milliseconds. */
  grant(bytes: number): number {
    if (this.#bytesPerSecond === 0) {
      return 0;
    }
    const nowMs = this.#clock.nowMs();
    const startMs = Math.max(this.#paidMs, nowMs);
    this.#paidMs = startMs + (bytes * 1000) / this.#bytesPerSecond;
    return startMs - nowMs;
  }

  /** A chunk size no larger than asked for that does not stop the line for long. */
  chunkBytes(wanted: number): number {
    if (this.#bytesPerSecond === 0) {
      return wanted;
    }
    const quarterSecond = Math.floor(this.#bytesPerSecond / 4);
    return Math.min(wanted, Math.max(CHUNK_BYTES_MIN, quarterSecond));
  }
}

const CHUNK_BYTES_MIN = 16 << 10;
