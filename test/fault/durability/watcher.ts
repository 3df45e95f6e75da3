// Watches the whole store and collects its changes by revision. One watches during the load and is
// resumed after each restart from where it was; another reads the history again from its oldest
// revision on. Checks that no revision comes twice, out of order, or torn over two messages.

import { calls, type Message } from '../../conformance/support/calls.js';
import type { Client, Stream } from '../../conformance/support/client.js';
import { type Change, changeOf, Violation } from './history.js';

const everything = { key: Buffer.from([0]), range_end: Buffer.from([0]) };

export class StoreWatcher {
  readonly changes = new Map<number, Change[]>();
  /** The newest revision of which all changes were seen. */
  newest: number;
  /** Set when the start was compacted: the oldest revision that can be watched. */
  compactRevision = 0;
  violation: Violation | null = null;
  readonly #stream: Stream;
  readonly #onRevision: (revision: number, changes: readonly Change[]) => void;

  /** Starts to watch from `from` on. */
  constructor(
    client: Client,
    from: number,
    onRevision: (revision: number, changes: readonly Change[]) => void = () => {},
  ) {
    this.newest = from - 1;
    this.#onRevision = onRevision;
    this.#stream = client.stream(calls.watch.path, (bytes) => this.#take(bytes));
    const create = { ...everything, start_revision: BigInt(from) };
    this.#stream.send(calls.watch.encode({ create_request: create }));
  }

  #take(bytes: Buffer): void {
    const response = calls.watch.reply.decode(bytes);
    if (response.canceled === true) {
      this.compactRevision = Number(response.compact_revision as bigint);
      return;
    }
    try {
      this.#takeEvents(response.events as Message[]);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.violation ??= error;
    }
  }

  #takeEvents(events: readonly Message[]): void {
    const arrived = new Map<number, Change[]>();
    for (const event of events) {
      const { revision, change } = changeOf(event);
      const changes = arrived.get(revision) ?? [];
      changes.push(change);
      arrived.set(revision, changes);
    }
    for (const [revision, changes] of arrived) {
      if (revision <= this.newest) throw new Violation(`revision ${revision} was seen before`);
      if (revision !== this.newest + 1 && this.newest >= 1) {
        throw new Violation(`revision ${revision} came after ${this.newest}`);
      }
      this.newest = revision;
      this.changes.set(revision, changes);
      this.#onRevision(revision, changes);
    }
  }

  /** Waits until everything up to a revision was seen, or the start turned out to be compacted. */
  async seen(revision: number, timeoutMs: number): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (this.newest < revision && this.compactRevision === 0) {
      if (this.violation) throw this.violation;
      if (this.#stream.over || Date.now() > deadline) {
        throw new Violation(`a watcher saw revision ${this.newest} and nothing up to ${revision}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (this.violation) throw this.violation;
  }

  close(): void {
    this.#stream.cancel();
  }
}
