// Moves bytes from one socket to another as the link's rule says: at once, late, slowly or not at
// all. Holds at most a few hundred kilobytes, then lets the sender feel it. Used by PeerProxy.

import type { Socket } from 'node:net';

import type { LinkRule } from './links.js';

const queueLimitBytes = 512 * 1024;
const pieceBytesMax = 16 * 1024;

interface Piece {
  readonly bytes: Uint8Array;
  readonly dueMs: number;
}

export class Pump {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #rule: () => LinkRule;
  readonly #onBytes: (count: number) => void;
  readonly #queue: Piece[] = [];
  #queuedBytes = 0;
  /** When the link is free for the next piece. */
  #freeMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #isFull = false;
  #hasEnded = false;

  constructor(
    source: Socket,
    sink: Socket,
    rule: () => LinkRule,
    onBytes: (count: number) => void,
  ) {
    this.#source = source;
    this.#sink = sink;
    this.#rule = rule;
    this.#onBytes = onBytes;
    source.on('data', (bytes: Buffer) => this.#take(bytes));
    source.on('end', () => {
      this.#hasEnded = true;
      this.flush();
    });
    sink.on('drain', () => {
      this.#isFull = false;
      this.flush();
    });
  }

  #take(bytes: Buffer): void {
    const { delayMs, bytesPerSecond } = this.#rule();
    const dueMs = delayMs === 0 ? 0 : performance.now() + delayMs;
    const size = Number.isFinite(bytesPerSecond) ? pieceBytesMax : bytes.length;
    for (let at = 0; at < bytes.length; at += size) {
      this.#queue.push({ bytes: new Uint8Array(bytes.subarray(at, at + size)), dueMs });
    }
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes > queueLimitBytes) this.#source.pause();
    this.flush();
  }

  /** Passes on what may pass now. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const { mode, bytesPerSecond } = this.#rule();
    if (mode !== 'open' || this.#sink.destroyed) return;
    for (let piece = this.#queue[0]; piece && !this.#isFull; piece = this.#queue[0]) {
      const now = performance.now();
      const waitMs = Math.max(piece.dueMs, this.#freeMs) - now;
      if (waitMs > 0.5) {
        this.#timer = setTimeout(() => this.flush(), waitMs);
        return;
      }
      this.#queue.shift();
      this.#queuedBytes -= piece.bytes.length;
      this.#freeMs = Math.max(now, this.#freeMs) + (piece.bytes.length / bytesPerSecond) * 1000;
      this.#onBytes(piece.bytes.length);
      this.#isFull = !this.#sink.write(piece.bytes);
    }
    if (this.#source.isPaused() && this.#queuedBytes <= queueLimitBytes) this.#source.resume();
    if (this.#hasEnded && this.#queue.length === 0) this.#sink.end();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#queue.length = 0;
  }
}
