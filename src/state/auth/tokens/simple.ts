// Tokens of the simple kind: random letters, a dot, and the index of the log entry that made them.
// Each member keeps them in memory, as the log makes and drops them, so one that was given by any
// member is valid on all. A token lives as long as it is used at least once within its time.

import { randomInt } from 'node:crypto';

import type { Clock } from '../../../base/clock.js';
import { AppliedWaits } from './applied-waits.js';
import type { Identity, TokenKeeper, TokenProvider } from './types.js';

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const PREFIX_LETTERS = 16;
const UINT64_MAX = 2n ** 64n - 1n;

/** How often tokens that nobody has used are looked for. */
const SWEEP_MS = 1000;
/** When the flag says nothing that makes sense. */
const DEFAULT_TTL_SECONDS = 300;

interface Held {
  readonly userName: string;
  readonly deadlineMs: number;
}

/** The index in a token, or null for a text that cannot be one. */
function indexOf(token: string): bigint | null {
  const match = /^[^.]*\.(\d{1,20})$/.exec(token);
  const index = match === null ? UINT64_MAX + 1n : BigInt(match[1] ?? '');
  return index <= UINT64_MAX ? index : null;
}

export class SimpleTokens implements TokenKeeper, TokenProvider {
  readonly keeper: TokenKeeper = this;
  readonly #clock: Clock;
  readonly #ttlMs: number;
  // Invariant: ordered by deadline, since every use moves a token to the end.
  readonly #tokens = new Map<string, Held>();
  readonly #waits = new AppliedWaits();
  readonly #stopSweeping: () => void;

  /** @param ttlSeconds how long a token lives without being used */
  constructor(clock: Clock, ttlSeconds: number) {
    this.#clock = clock;
    this.#ttlMs = (ttlSeconds > 0 ? ttlSeconds : DEFAULT_TTL_SECONDS) * 1000;
    this.#stopSweeping = clock.every(SWEEP_MS, () => this.#sweep());
  }

  get size(): number {
    return this.#tokens.size;
  }

  /** Ends the sweeping. */
  stop(): void {
    this.#stopSweeping();
  }

  noteApplied(index: number): void {
    this.#waits.noteApplied(index);
  }

  assign(token: string, userName: string): void {
    this.#hold(token, userName);
  }

  dropUser(userName: string): void {
    this.retain((held) => held !== userName);
  }

  dropAll(): void {
    this.#tokens.clear();
  }

  retain(isUser: (userName: string) => boolean): void {
    for (const [token, { userName }] of this.#tokens) {
      if (!isUser(userName)) {
        this.#tokens.delete(token);
      }
    }
  }

  newPrefix(): string {
    const letter = () => LETTERS[randomInt(LETTERS.length)];
    return Array.from({ length: PREFIX_LETTERS }, letter).join('');
  }

  async issue(_userName: string, assigned: string): Promise<string> {
    return assigned;
  }

  async identify(token: string, signal: AbortSignal): Promise<Identity | null> {
    const index = indexOf(token);
    if (index === null || !(await this.#waits.applied(index, signal))) {
      return null;
    }
    const held = this.#tokens.get(token);
    if (held === undefined || held.deadlineMs < this.#clock.nowMs()) {
      return null;
    }
    this.#hold(token, held.userName);
    return { userName: held.userName, revision: null };
  }

  #hold(token: string, userName: string): void {
    this.#tokens.delete(token);
    this.#tokens.set(token, { userName, deadlineMs: this.#clock.nowMs() + this.#ttlMs });
  }

  #sweep(): void {
    const nowMs = this.#clock.nowMs();
    for (const [token, { deadlineMs }] of this.#tokens) {
      if (deadlineMs >= nowMs) {
        return;
      }
      this.#tokens.delete(token);
    }
  }
}
