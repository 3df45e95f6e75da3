// The replicated state of the simulator's core: a few registers with puts and compare-and-puts, the
// rows that TypeScript stores, and a hash over everything applied. Deterministic; copied whole for
// checkpoints and snapshots, being small.

import { createHash } from 'node:crypto';
import { bytesOf } from '../../../../../src/base/bytes.js';
import type { MetaRow } from '../../../../../src/storage/native.js';

export const Operation = { Put: 1, CompareAndPut: 2, Read: 3 } as const;

/** A client's request: what is to be done with a register. Values are never 0. */
export interface Command {
  readonly operation: number;
  readonly key: number;
  readonly value: number;
  /** What the register must hold for a compare-and-put; 0 for nothing. */
  readonly expected: number;
}

/** What a register holds: a value, and the index of the entry that put it there. 0: nothing. */
export interface Register {
  readonly value: number;
  readonly version: number;
}

export interface Reply extends Register {
  readonly succeeded: boolean;
}

const COMMAND_BYTES = 10;
const REPLY_BYTES = 13;

export function encodeCommand({ operation, key, value, expected }: Command): Buffer {
  const bytes = Buffer.alloc(COMMAND_BYTES);
  bytes.writeUInt8(operation, 0);
  bytes.writeUInt8(key, 1);
  bytes.writeUInt32LE(value, 2);
  bytes.writeUInt32LE(expected, 6);
  return bytes;
}

/** Null for bytes that are no command. */
export function decodeCommand(bytes: Buffer): Command | null {
  if (bytes.length !== COMMAND_BYTES) {
    return null;
  }
  return {
    operation: bytes.readUInt8(0),
    key: bytes.readUInt8(1),
    value: bytes.readUInt32LE(2),
    expected: bytes.readUInt32LE(6),
  };
}

export function encodeReply({ succeeded, value, version }: Reply): Buffer {
  const bytes = Buffer.alloc(REPLY_BYTES);
  bytes.writeUInt8(succeeded ? 1 : 0, 0);
  bytes.writeUInt32LE(value, 1);
  bytes.writeDoubleLE(version, 5);
  return bytes;
}

export function decodeReply(bytes: Buffer): Reply {
  const succeeded = bytes.readUInt8(0) === 1;
  return { succeeded, value: bytes.readUInt32LE(1), version: bytes.readDoubleLE(5) };
}

const nothing: Register = { value: 0, version: 0 };

/** Mixes an entry into the hash of everything before it. */
export function chain(before: number, index: number, term: number, data: Buffer | null): number {
  let hash = Math.imul(before ^ index, 0x01000193) ^ Math.imul(term + 1, 0x85ebca6b);
  for (let at = 0; at < (data?.length ?? 0); at++) {
    hash = Math.imul(hash ^ (data?.[at] ?? 0), 0x01000193);
  }
  return (hash ^ (hash >>> 15)) >>> 0;
}

interface ImageJson {
  readonly index: number;
  readonly term: number;
  readonly hash: number;
  readonly registers: readonly (readonly [number, Register])[];
  readonly meta: readonly (readonly [string, string])[];
}

export class StateMachine {
  index = 0;
  term = 0;
  hash = 0;
  readonly registers = new Map<number, Register>();
  readonly meta = new Map<string, Buffer>();

  read(key: number): Register {
    return this.registers.get(key) ?? nothing;
  }

  /** Does a command as entry `index`; the caller moves on with `advance`. */
  execute(index: number, { operation, key, value, expected }: Command): Reply {
    const held = this.read(key);
    if (operation === Operation.CompareAndPut && held.value !== expected) {
      return { succeeded: false, ...held };
    }
    const register = { value, version: index };
    this.registers.set(key, register);
    return { succeeded: true, ...register };
  }

  storeMeta(rows: readonly MetaRow[]): void {
    for (const { key, value } of rows) {
      if (value === null) {
        this.meta.delete(key);
      } else {
        this.meta.set(key, Buffer.from(value));
      }
    }
  }

  advance(index: number, term: number, data: Buffer | null): void {
    this.hash = chain(this.hash, index, term, data);
    this.index = index;
    this.term = term;
  }

  clone(): StateMachine {
    const copy = new StateMachine();
    copy.index = this.index;
    copy.term = this.term;
    copy.hash = this.hash;
    for (const [key, register] of this.registers) {
      copy.registers.set(key, register);
    }
    for (const [key, value] of this.meta) {
      copy.meta.set(key, value);
    }
    return copy;
  }

  encode(): Buffer {
    const { index, term, hash } = this;
    const meta = [...this.meta].map(([key, value]) => [key, value.toString('base64')]);
    const text = JSON.stringify({ index, term, hash, registers: [...this.registers], meta });
    const body = Buffer.from(text);
    const checksum = createHash('sha1').update(bytesOf(body)).digest();
    return Buffer.concat([bytesOf(checksum), bytesOf(body)]);
  }

  /** Null for bytes that are damaged. */
  static decode(bytes: Buffer): StateMachine | null {
    const body = bytes.subarray(20);
    const checksum = createHash('sha1').update(bytesOf(body)).digest();
    if (!checksum.equals(bytesOf(bytes.subarray(0, 20)))) {
      return null;
    }
    const json = JSON.parse(body.toString()) as ImageJson;
    const state = new StateMachine();
    state.index = json.index;
    state.term = json.term;
    state.hash = json.hash;
    for (const [key, register] of json.registers) {
      state.registers.set(key, register);
    }
    for (const [key, value] of json.meta) {
      state.meta.set(key, Buffer.from(value, 'base64'));
    }
    return state;
  }
}
