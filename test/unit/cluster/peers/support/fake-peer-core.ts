// A double of what native code does for the peer transport: entry runs and snapshots in memory.
// Runs have the real layout with another checksum; exports are whatever bytes a test gives. Faults
// can be injected: chunks that arrive damaged, imports that cannot be opened.

import { crc32 } from 'node:zlib';
import type { PeerCore } from '../../../../../src/cluster/peers/types.js';
import { ENTRY_HEADER_BYTES } from '../../../../../src/storage/entry-run.js';
import type { SnapshotExport, SnapshotKind } from '../../../../../src/storage/native.js';

export interface RunEntry {
  readonly term: number;
  readonly type: number;
  readonly data: Buffer | null;
}

function sum(bytes: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32LE(crc32(bytes as unknown as Uint8Array));
  return head;
}

function joined(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts as unknown as Uint8Array[]);
}

/** Entries as a run that FakePeerCore takes. */
export function makeRun(entries: readonly RunEntry[]): Buffer {
  const records = entries.map(({ term, type, data }) => {
    const head = Buffer.alloc(ENTRY_HEADER_BYTES);
    head.writeBigUInt64LE(BigInt(term), 0);
    head.writeUInt8(type, 8);
    head.writeUInt8(data === null ? 0 : 1, 9);
    head.writeUInt32LE(data?.length ?? 0, 10);
    return joined([head, data ?? Buffer.alloc(0)]);
  });
  const body = joined(records);
  return joined([sum(body), body]);
}

export interface FakeImport {
  readonly kind: SnapshotKind;
  readonly bytes: Buffer;
  written: number;
  closed: boolean;
}

export class FakePeerCore implements PeerCore {
  /** What an export holds. */
  state: Buffer = Buffer.alloc(0);
  index = 10;
  term = 3;
  confState: Buffer | null = null;
  canCheckpoint = false;
  /** How many chunks that are read next come out damaged. */
  damageChunks = 0;
  /** What openImport fails with. */
  importError: Error | null = null;
  exportError: Error | null = null;
  readonly acceptedCheckpoint: boolean[] = [];
  readonly exports = new Map<number, Buffer>();
  readonly imports = new Map<number, FakeImport>();
  readChunks = 0;
  #lastId = 0;

  inspectEntries(run: Uint8Array): Float64Array | null {
    const bytes = Buffer.from(run.buffer, run.byteOffset, run.byteLength);
    if (bytes.length < 4 || !sum(bytes.subarray(4)).equals(run.subarray(0, 4))) {
      return null;
    }
    const infos: number[] = [];
    for (let at = 4; at < bytes.length; ) {
      const hasData = bytes.readUInt8(at + 9) === 1;
      const size = bytes.readUInt32LE(at + 10);
      const term = Number(bytes.readBigUInt64LE(at));
      infos.push(term, bytes.readUInt8(at + 8), hasData ? size : -1, at);
      at += ENTRY_HEADER_BYTES + size;
    }
    return Float64Array.from(infos);
  }

  async exportSnapshot(acceptCheckpoint: boolean): Promise<SnapshotExport> {
    this.acceptedCheckpoint.push(acceptCheckpoint);
    if (this.exportError !== null) {
      throw this.exportError;
    }
    const id = ++this.#lastId;
    this.exports.set(id, this.state);
    const kind = acceptCheckpoint && this.canCheckpoint ? 'checkpoint' : 'image';
    const { index, term, confState } = this;
    return { id, kind, index, term, sizeBytes: this.state.length, confState };
  }

  async readExport(id: number, offset: number, maxBytes: number): Promise<Buffer> {
    const bytes = this.exports.get(id);
    if (bytes === undefined) {
      throw new Error('no such export');
    }
    this.readChunks++;
    const part = bytes.subarray(offset, offset + maxBytes);
    const chunk = joined([sum(part), part]);
    if (this.damageChunks > 0) {
      this.damageChunks--;
      chunk[chunk.length - 1] = (chunk[chunk.length - 1] ?? 0) ^ 1;
    }
    return chunk;
  }

  closeExport(id: number): void {
    if (!this.exports.delete(id)) {
      throw new Error('no such export');
    }
  }

  async openImport(kind: SnapshotKind, sizeBytes: number): Promise<number> {
    if (this.importError !== null) {
      throw this.importError;
    }
    const id = ++this.#lastId;
    this.imports.set(id, { kind, bytes: Buffer.alloc(sizeBytes), written: 0, closed: false });
    return id;
  }

  async writeImport(id: number, offset: number, chunk: Uint8Array): Promise<void> {
    const open = this.imports.get(id);
    if (open === undefined || open.closed || open.written !== offset) {
      throw new Error('not where the last bytes ended');
    }
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const part = bytes.subarray(4);
    if (!sum(part).equals(chunk.subarray(0, 4))) {
      throw Object.assign(new Error('checksum'), { code: 'Damaged' });
    }
    part.copy(open.bytes as unknown as Uint8Array, offset);
    open.written += part.length;
  }

  closeImport(id: number): void {
    const open = this.imports.get(id);
    if (open === undefined || open.closed) {
      throw new Error('no such import');
    }
    open.closed = true;
  }
}
