// How clients speak to the members of a variant: commands as requests, replies as what they say of
// a register. The double has bytes of its own; the native core speaks the real protocol.

import type { Methods } from '../../../../src/storage/native.js';
import type { Model } from '../checks/model.js';
import {
  type Command,
  decodeReply,
  encodeCommand,
  Operation,
  type Reply,
} from '../double/state/state-machine.js';
import type { Cluster } from './cluster.js';

export interface Request {
  readonly method: keyof Methods;
  readonly bytes: Buffer;
}

export interface Dialect {
  request(command: Command): Request;
  reply(command: Command, bytes: Buffer): Reply;
  /** Whether a register may have held the value in this version. */
  knows(key: number, version: number, value: number): boolean;
  /** Looks at a cluster that agrees. Throws a Violation. */
  compare(cluster: Cluster): Promise<void>;
}

export class DoubleDialect implements Dialect {
  readonly #model: Model;

  constructor(model: Model) {
    this.#model = model;
  }

  request(command: Command): Request {
    const method = command.operation === Operation.Read ? 'Range' : 'Put';
    return { method, bytes: encodeCommand(command) };
  }

  reply(_command: Command, bytes: Buffer): Reply {
    return decodeReply(bytes);
  }

  knows(key: number, version: number, value: number): boolean {
    return this.#model.knows(key, version, value);
  }

  /** Every state was compared as it was reached. */
  async compare(): Promise<void> {}
}
