// Clients of a simulated cluster: each does one operation after the other on a few registers
// through any member, gives up after a while, and notes in the history what it asked and was told.
// Where the member died, or the client gave up, nobody knows what became of the operation.

import { MetaStoreError } from '../../../../src/base/errors.js';
import type { ClientOperation } from '../checks/history.js';
import { violated } from '../checks/violation.js';
import { type Command, Operation } from '../double/state/state-machine.js';
import type { Cluster } from './cluster.js';
import type { Dialect } from './dialect.js';
import type { Process, SimNode } from './node.js';

export interface ClientOptions {
  readonly clients: number;
  readonly registers: number;
  /** Until a client does the next operation, milliseconds. */
  readonly think: readonly [number, number];
  /** Until a client gives up; longer than the member's own limit, or shorter. */
  readonly patienceMs: number;
}

/** Errors that promise that a proposal is in no log. */
const neverProposed: ReadonlySet<string> = new Set([
  'ProposalDropped',
  'TooManyRequests',
  'DeadlineExceeded',
]);
/** Errors that leave it open, or with which reads end. */
const unknown: ReadonlySet<string> = new Set([
  'Timeout',
  'TimeoutLeaderFailure',
  'TimeoutConnectionLost',
  'LeaderChanged',
  'NoLeader',
  'Stopped',
]);
/** Pause after an operation that failed. */
const RETRY_MS = 50;

interface Pending {
  readonly operation: ClientOperation;
  readonly process: Process;
  readonly done: (delayMs: number) => void;
}

export class Clients {
  readonly #cluster: Cluster;
  readonly #options: ClientOptions;
  readonly #dialect: Dialect;
  readonly #pending = new Set<Pending>();
  // What was last seen in a register, for compare-and-put to have a chance.
  readonly #seen = new Map<number, number>();
  #lastValue = 0;
  #stopped = false;

  constructor(cluster: Cluster, dialect: Dialect, options: ClientOptions) {
    this.#cluster = cluster;
    this.#dialect = dialect;
    this.#options = options;
    for (let client = 1; client <= options.clients; client++) {
      this.#soon(client, cluster.random.range(...options.think));
    }
  }

  /** Operations that wait for their end, with the process that has them. */
  get pending(): ReadonlySet<Pending> {
    return this.#pending;
  }

  /** No new operations. */
  stop(): void {
    this.#stopped = true;
  }

  /** A process died: what it was asked for has no answer. */
  processEnded(process: Process): void {
    for (const pending of this.#pending) {
      if (pending.process === process) {
        this.#end(pending, () => this.#cluster.history.unanswered(pending.operation, 'unknown'));
      }
    }
  }

  /** One operation outside of any client; false unless it was acknowledged. */
  async probe(node: SimNode, key: number, kind: 'put' | 'read'): Promise<boolean> {
    const { process } = node;
    if (process === null || process.member === null) {
      return false;
    }
    const value = kind === 'put' ? ++this.#lastValue : 0;
    const operation = kind === 'put' ? Operation.Put : Operation.Read;
    const command = { operation, key, value, expected: 0 };
    return new Promise((resolve) => {
      const pending = this.#begin(0, node, process, command, () => {
        resolve(pending.operation.outcome === 'acknowledged');
      });
    });
  }

  #soon(client: number, delayMs: number): void {
    this.#cluster.scheduler.after(delayMs, null, () => {
      if (!this.#stopped) {
        this.#operate(client);
      }
    });
  }

  #operate(client: number): void {
    const { random, nodes } = this.#cluster;
    const node = random.pick(nodes);
    const { process } = node;
    if (process === null || process.member === null) {
      this.#soon(client, RETRY_MS);
      return;
    }
    const pending = this.#begin(client, node, process, this.#choose(), (delayMs) =>
      this.#soon(client, delayMs),
    );
    this.#cluster.scheduler.after(this.#options.patienceMs, null, () => {
      this.#end(pending, () => this.#cluster.history.unanswered(pending.operation, 'unknown'));
    });
  }

  #choose(): Command {
    const { random } = this.#cluster;
    const key = random.below(this.#options.registers);
    const kind = random.below(10);
    if (kind < 4) {
      return { operation: Operation.Read, key, value: 0, expected: 0 };
    }
    const value = ++this.#lastValue;
    if (kind < 7) {
      const expected = this.#seen.get(key) ?? 0;
      return { operation: Operation.CompareAndPut, key, value, expected };
    }
    return { operation: Operation.Put, key, value, expected: 0 };
  }

  #begin(
    client: number,
    node: SimNode,
    process: Process,
    command: Command,
    done: (delayMs: number) => void,
  ): Pending {
    const { history, scheduler, random } = this.#cluster;
    const operation = history.begin(client, node.name, command, scheduler.nowMs);
    const pending = { operation, process, done };
    this.#pending.add(pending);
    const { member } = process;
    const { method, bytes } = this.#dialect.request(command);
    // A stopped process takes the request in when it goes on.
    scheduler.after(random.range(0, 0.5), process, () => {
      member?.execute(method, bytes).then(
        (reply) => this.#end(pending, () => this.#answered(operation, reply)),
        (error: unknown) => this.#end(pending, () => this.#refused(operation, error)),
      );
    });
    return pending;
  }

  /** Ends an operation once; what comes later is nobody's business any more. */
  #end(pending: Pending, note: () => void): void {
    if (!this.#pending.delete(pending)) {
      return;
    }
    // Within a promise's reaction, where nobody would see an exception.
    this.#cluster.guard(note);
    const { random } = this.#cluster;
    const served = pending.operation.outcome === 'acknowledged';
    pending.done(served ? random.range(...this.#options.think) : RETRY_MS);
  }

  #answered(operation: ClientOperation, bytes: Buffer): void {
    const { history } = this.#cluster;
    const reply = this.#dialect.reply(operation.command, bytes);
    const { key } = operation.command;
    history.answered(operation, reply);
    this.#seen.set(key, reply.value);
    if (!this.#dialect.knows(key, reply.version, reply.value)) {
      violated('answers', `register ${key} never held ${reply.value} in ${reply.version}`);
    }
  }

  #refused(operation: ClientOperation, error: unknown): void {
    const code = error instanceof MetaStoreError ? error.code : String(error);
    if (neverProposed.has(code)) {
      this.#cluster.history.unanswered(operation, 'never-proposed');
    } else if (unknown.has(code)) {
      this.#cluster.history.unanswered(operation, 'unknown');
    } else {
      violated('errors', `operation ${operation.number} ended with ${code}`);
    }
  }
}
