// What clients asked for and were told, and whether it is linearizable. The registers' versions,
// which replies carry, are places in the log: they order all writes, so that it is enough to see
// that this order respects real time. An operation must come behind everything that had ended
// before it began (Herlihy and Wing, "Linearizability", 1990), must have been told what a register
// held at its place, and what was refused as never proposed must never come up.

import { type Command, Operation, type Reply } from '../double/state/state-machine.js';
import { violated } from './violation.js';

/** How an operation ended for its client. */
export type Outcome = 'acknowledged' | 'unknown' | 'never-proposed';

export interface ClientOperation {
  readonly number: number;
  readonly client: number;
  readonly member: string;
  readonly command: Command;
  readonly startedMs: number;
  /** The newest version of the register that anybody had been told of before this began. */
  readonly floor: number;
  outcome: Outcome | null;
}

interface Write {
  readonly key: number;
  readonly version: number;
}

export class History {
  readonly pending = new Set<ClientOperation>();
  // Where each written value stands, as replies and the log say. Values are unique.
  readonly #writes = new Map<number, Write>();
  // Versions of each register in the order of the log, as far as known, and the value of each.
  readonly #values = new Map<number, number>();
  readonly #floors = new Map<number, number>();
  readonly #neverProposed = new Set<number>();
  #count = 0;
  /** Writes that clients were told of, in the order of their answers. */
  readonly acknowledgedWrites: { readonly key: number; readonly value: number; version: number }[] =
    [];
  reads = 0;
  unknown = 0;

  get acknowledged(): number {
    return this.acknowledgedWrites.length;
  }

  begin(client: number, member: string, command: Command, nowMs: number): ClientOperation {
    const operation: ClientOperation = {
      number: ++this.#count,
      client,
      member,
      command,
      startedMs: nowMs,
      floor: this.#floors.get(command.key) ?? 0,
      outcome: null,
    };
    this.pending.add(operation);
    return operation;
  }

  /** The operation ended without an answer, or with one that leaves open what became of it. */
  unanswered(operation: ClientOperation, outcome: 'unknown' | 'never-proposed'): void {
    this.pending.delete(operation);
    operation.outcome = outcome;
    this.unknown++;
    const { value, operation: kind } = operation.command;
    if (outcome === 'never-proposed' && kind !== Operation.Read) {
      this.#neverProposed.add(value);
      if (this.#writes.has(value)) {
        violated('honest errors', `value ${value} was refused as never proposed, but written`);
      }
    }
  }

  answered(operation: ClientOperation, { succeeded, value, version }: Reply): void {
    this.pending.delete(operation);
    operation.outcome = 'acknowledged';
    const { command, floor, number } = operation;
    const { key } = command;
    const wrote = command.operation !== Operation.Read && succeeded;
    if (wrote) {
      this.acknowledgedWrites.push({ key, value, version });
    } else {
      this.reads++;
    }
    const told = `operation ${number} on register ${key} was told version ${version}`;
    if (wrote && value !== command.value) {
      violated('answers', `${told} of another write`);
    }
    if (wrote ? version <= floor : version < floor) {
      violated('linearizable', `${told}, but ${floor} had been told before it began`);
    }
    if (version !== 0) {
      this.wrote(key, value, version);
    } else if (value !== 0) {
      violated('answers', `${told} with value ${value}`);
    }
    this.#floors.set(key, Math.max(version, this.#floors.get(key) ?? 0));
  }

  /** A value is in the log, or was read: it has one place. */
  wrote(key: number, value: number, version: number): void {
    const known = this.#writes.get(value);
    if (known === undefined) {
      const other = this.#values.get(version);
      if (other !== undefined && other !== value) {
        violated('answers', `version ${version} is of values ${other} and ${value}`);
      }
      this.#writes.set(value, { key, version });
      this.#values.set(version, value);
    } else if (known.version !== version || known.key !== key) {
      const { version: first } = known;
      violated('written once', `value ${value} has the versions ${first} and ${version}`);
    }
    if (this.#neverProposed.has(value)) {
      violated('honest errors', `value ${value} was refused as never proposed, but written`);
    }
  }
}
