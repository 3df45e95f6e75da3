// The state machine as the log says, run once for the whole cluster beside the members: what it
// answers at an index, every member must have answered. Requests are recognised by their number, so
// that one that is applied twice is noticed.

import { EntryType } from '../../../../src/raft/index.js';
import type { LogEntry } from '../double/log/runs.js';
import { decodePayload, PayloadKind } from '../double/requests/proposal-queue.js';
import { decodeCommand, Operation, StateMachine } from '../double/state/state-machine.js';
import type { History } from './history.js';
import { violated } from './violation.js';

export class Model {
  readonly #state = new StateMachine();
  readonly #history: History;
  readonly #requests = new Map<number, number>();
  // Values of each register by version, in their order: what a read may have seen.
  readonly #versions = new Map<number, Map<number, number>>();
  #index = 0;

  constructor(history: History) {
    this.#history = history;
  }

  /** Index of the newest entry that some member applied. */
  get index(): number {
    return this.#index;
  }

  /** The first member has applied an entry. Entries come in order. */
  apply({ index, type, data }: LogEntry): void {
    if (index !== this.#index + 1) {
      violated('apply order', `entry ${index} was applied behind ${this.#index}`);
    }
    this.#index = index;
    if (type !== EntryType.Normal || data === null) {
      return;
    }
    const { kind, request, body } = decodePayload(data);
    const before = this.#requests.get(request);
    if (before !== undefined) {
      violated('applied once', `request ${request} is in the log at ${before} and ${index}`);
    }
    this.#requests.set(request, index);
    const command = kind === PayloadKind.Command ? decodeCommand(body) : null;
    if (command === null || command.operation === Operation.Read) {
      return;
    }
    const { succeeded, value, version } = this.#state.execute(index, command);
    if (succeeded) {
      this.#history.wrote(command.key, value, version);
      const versions = this.#versions.get(command.key);
      if (versions === undefined) {
        this.#versions.set(command.key, new Map([[version, value]]));
      } else {
        versions.set(version, value);
      }
    }
  }

  /** Whether a register held the value in this version. */
  knows(key: number, version: number, value: number): boolean {
    return version === 0 ? value === 0 : this.#versions.get(key)?.get(version) === value;
  }
}
