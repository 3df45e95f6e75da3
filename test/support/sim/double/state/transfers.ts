// Exports and imports of the simulator's core: a state pinned and read in chunks behind checksums,
// and one that is received so. The contract is that of src/storage/native.ts.

import { assert } from '../../../../../src/base/assert.js';
import { bytesOf } from '../../../../../src/base/bytes.js';
import type { SnapshotExport } from '../../../../../src/storage/native.js';
import { crc32c } from '../log/runs.js';
import { StateMachine } from './state-machine.js';

const CRC_BYTES = 4;

interface Import {
  readonly sizeBytes: number;
  readonly chunks: Buffer[];
  received: number;
}

/** An error as native code rejects with. */
export function nativeError(code: string): Error {
  return Object.assign(new Error(`the simulated core says ${code}`), { code });
}

export class Transfers {
  readonly #exports = new Map<number, Buffer>();
  readonly #imports = new Map<number, Import>();
  #lastId = 0;

  /** Entries of the log behind an open export must stay. */
  get exporting(): boolean {
    return this.#exports.size > 0;
  }

  open(state: StateMachine): SnapshotExport {
    const bytes = state.encode();
    const id = ++this.#lastId;
    this.#exports.set(id, bytes);
    const { index, term } = state;
    const confState = state.meta.get('conf_state') ?? null;
    return { id, kind: 'image', index, term, sizeBytes: bytes.length, confState };
  }

  read(id: number, offset: number, maxBytes: number): Buffer {
    const bytes = this.#exports.get(id);
    if (bytes === undefined) {
      throw nativeError('Stopped');
    }
    const body = bytes.subarray(offset, offset + maxBytes);
    const chunk = Buffer.alloc(CRC_BYTES + body.length);
    body.copy(bytesOf(chunk), CRC_BYTES);
    chunk.writeUInt32LE(crc32c(bytesOf(body), 0), 0);
    return chunk;
  }

  close(id: number): void {
    this.#exports.delete(id);
  }

  openImport(sizeBytes: number): number {
    const id = ++this.#lastId;
    this.#imports.set(id, { sizeBytes, chunks: [], received: 0 });
    return id;
  }

  write(id: number, offset: number, chunk: Uint8Array): void {
    const target = this.#imports.get(id);
    if (target === undefined) {
      throw nativeError('Stopped');
    }
    assert(offset === target.received, 'an import is written from its start to its end');
    const bytes = Buffer.from(chunk);
    const body = bytes.subarray(CRC_BYTES);
    if (bytes.readUInt32LE(0) !== crc32c(bytesOf(body), 0)) {
      throw nativeError('Damaged');
    }
    target.chunks.push(body);
    target.received += body.length;
  }

  closeImport(id: number): void {
    this.#imports.delete(id);
  }

  /** The state of a complete import, which is closed; throws Damaged for any other. */
  take(id: number, index: number, term: number): StateMachine {
    const from = this.#imports.get(id);
    if (from === undefined || from.received !== from.sizeBytes) {
      throw nativeError('Damaged');
    }
    const state = StateMachine.decode(Buffer.concat(from.chunks.map((chunk) => bytesOf(chunk))));
    if (state === null || state.index !== index || state.term !== term) {
      throw nativeError('Damaged');
    }
    this.#imports.delete(id);
    return state;
  }
}
