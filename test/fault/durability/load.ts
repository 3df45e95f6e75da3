// The writers of the durability test. Each writes its own keys, one request at a time, and knows
// for each key what was acknowledged last; when the server is killed, its last request may have
// happened or not. Several writers share a client's connection.

import type { Random } from '../../conformance/differential/values.js';
import { ask, calls, headerRevision, type Message } from '../../conformance/support/calls.js';
import type { Client } from '../../conformance/support/client.js';
import { type Change, type History, Violation } from './history.js';

const keysPerWriter = 12;
const requestTimeoutMs = 20_000;

export type State = Map<string, string>;

export class Writer {
  readonly name: string;
  /** Acknowledged values by key; a deleted key is absent. */
  readonly acknowledged: State = new Map();
  /** Changes whose answer never came. */
  pending: readonly Change[] | null = null;
  acknowledgedCount = 0;
  readonly #random: Random;
  #sequence = 0;

  constructor(name: string, random: Random) {
    this.name = name;
    this.#random = random;
  }

  #key(): string {
    return `${this.name}/${this.#random.below(keysPerWriter)}`;
  }

  #value(): string {
    this.#sequence += 1;
    const size = this.#random.chance(2) ? 20_000 : this.#random.below(300);
    return `${this.name}:${this.#sequence}:${'x'.repeat(size)}`;
  }

  #distinctKeys(count: number): string[] {
    const keys = new Set<string>();
    while (keys.size < count) keys.add(this.#key());
    return [...keys];
  }

  /** A put, a deletion of a key that exists, or a transaction over several keys. */
  #nextChanges(): Change[] {
    const existing = [...this.acknowledged.keys()];
    const form = this.#random.below(100);
    if (form < 8 && existing.length > 0) return [[this.#random.pick(existing), null]];
    if (form < 40)
      return this.#distinctKeys(2 + this.#random.below(3)).map((key) => [key, this.#value()]);
    return [[this.#key(), this.#value()]];
  }

  /** Writes until `stopped` says so or the server is gone. @throws Error on any other failure */
  async run(client: Client, history: History, stopped: () => boolean): Promise<void> {
    while (!stopped()) {
      const changes = this.#nextChanges();
      this.pending = changes;
      const { call, request } = requestFor(changes);
      const reply = await ask(client, call, request, { timeoutMs: requestTimeoutMs });
      if (reply.message === null) {
        if (stopped()) return;
        throw new Error(`${this.name}: error ${reply.code} ${reply.text} while the server ran`);
      }
      history.promise(Number(headerRevision(reply.message)), changes, `${this.name}'s answer`);
      apply(this.acknowledged, changes);
      this.acknowledgedCount += 1;
      this.pending = null;
    }
  }

  /**
   * Settles with what the restarted server holds.
   * @throws Violation unless that is what was acknowledged, with or without the pending request
   */
  settle(stored: State): void {
    const candidates: State[] = [this.acknowledged];
    if (this.pending !== null) {
      const happened = new Map(this.acknowledged);
      apply(happened, this.pending);
      candidates.push(happened);
    }
    if (!candidates.some((state) => sameState(state, stored))) {
      throw new Violation(
        `${this.name}: lost or changed: ${difference(this.acknowledged, stored)}`,
      );
    }
    this.acknowledged.clear();
    for (const [key, value] of stored) this.acknowledged.set(key, value);
    this.pending = null;
  }
}

function apply(state: State, changes: readonly Change[]): void {
  for (const [key, value] of changes) {
    if (value === null) state.delete(key);
    else state.set(key, value);
  }
}

function requestFor(changes: readonly Change[]) {
  const [first, ...rest] = changes;
  if (first === undefined) throw new Error('no changes');
  const [key, value] = first;
  const name = Buffer.from(key);
  if (rest.length > 0) {
    const success: Message[] = changes.map(([each, text]) => ({
      request_put: { key: Buffer.from(each), value: Buffer.from(text ?? '') },
    }));
    return { call: calls.txn, request: { success } };
  }
  if (value === null) return { call: calls.deleteRange, request: { key: name } };
  return { call: calls.put, request: { key: name, value: Buffer.from(value) } };
}

function sameState(a: State, b: State): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value);
}

function difference(expected: State, stored: State): string {
  const shown = (value: string | undefined): string => value?.slice(0, 40) ?? '(none)';
  const keys = [...new Set([...expected.keys(), ...stored.keys()])];
  return keys
    .filter((key) => expected.get(key) !== stored.get(key))
    .map(
      (key) => `${key}: ${shown(expected.get(key))} acknowledged, ${shown(stored.get(key))} there`,
    )
    .join('; ');
}
