// The bytes of a snapshot on one stream, a few chunks ahead of what the receiver has confirmed. It
// ends when all is confirmed, or fails with the stream or a receiver that confirms nothing. Made by
// Transfer for each connection.

import type grpc from '@grpc/grpc-js';

import { bytesOf } from '../../../base/bytes.js';
import type { Clock } from '../../../base/clock.js';
import { safeNumber, snapshotChunk, snapshotProgress } from '../wire/payloads.js';

export interface ChunkJob {
  readonly transferId: bigint;
  readonly sizeBytes: number;
  /** Where the receiver wants to go on. */
  readonly fromBytes: number;
  readonly chunkBytes: number;
  readonly chunksInFlight: number;
  /** How long the receiver may take to confirm something. */
  readonly silenceMs: number;
  readonly clock: Clock;
  /** The bytes at an offset behind their checksum. */
  read(offset: number, maxBytes: number): Promise<Buffer>;
  /** Resolves when so many bytes may be sent. */
  granted(bytes: number): Promise<void>;
  confirmed(offset: number): void;
}

/** A checksum stands before the bytes of a chunk. */
const CHECKSUM_BYTES = 4;

export class ChunkStream {
  readonly #call: grpc.ClientDuplexStream<Buffer, Buffer>;
  readonly #job: ChunkJob;
  #confirmed: number;
  // When something was last sent or confirmed.
  #activeMs: number;
  #error: Error | null = null;
  // Ends the wait for an event, if there is one.
  #wake: () => void = () => undefined;

  constructor(call: grpc.ClientDuplexStream<Buffer, Buffer>, job: ChunkJob) {
    this.#call = call;
    this.#job = job;
    this.#confirmed = job.fromBytes;
    this.#activeMs = job.clock.nowMs();
    call.on('data', (reply: Buffer) => this.#replied(reply));
    call.on('error', (error: grpc.ServiceError) => this.#fail(error.details || error.message));
    call.on('status', (status) => this.#fail(status.details || 'the stream ended'));
  }

  /** Resolves when everything is confirmed. */
  async run(): Promise<void> {
    const { sizeBytes, fromBytes, chunkBytes, chunksInFlight, transferId } = this.#job;
    let at = fromBytes;
    while (this.#confirmed < sizeBytes) {
      const isFull = at - this.#confirmed >= chunksInFlight * chunkBytes;
      if (isFull || at === sizeBytes) {
        await this.#event();
        continue;
      }
      await this.#job.granted(Math.min(chunkBytes, sizeBytes - at));
      const data = await this.#job.read(at, chunkBytes);
      this.#throwFailure();
      const length = data.length - CHECKSUM_BYTES;
      if (length <= 0 || length > sizeBytes - at) {
        throw new Error(`the export has ${length} bytes at ${at}`);
      }
      const offset = BigInt(at);
      this.#call.write(snapshotChunk.encode({ transfer_id: transferId, offset, data }));
      this.#activeMs = this.#job.clock.nowMs();
      at += length;
    }
    this.#call.end();
  }

  /** Waits until something has been confirmed or has failed; not for ever. */
  async #event(): Promise<void> {
    this.#throwFailure();
    const { clock, silenceMs } = this.#job;
    const before = this.#confirmed;
    const untilMs = this.#activeMs + silenceMs;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(Math.max(1, untilMs - clock.nowMs()), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = () => undefined;
    if (this.#confirmed === before && clock.nowMs() >= untilMs) {
      this.#fail('the receiver confirms nothing');
    }
    this.#throwFailure();
  }

  #replied(reply: Buffer): void {
    try {
      const offset = safeNumber(snapshotProgress.decode(bytesOf(reply)).offset);
      if (offset === null || offset > this.#job.sizeBytes) {
        this.#fail('the receiver confirms bytes that there are not');
      } else if (offset > this.#confirmed) {
        this.#confirmed = offset;
        this.#activeMs = this.#job.clock.nowMs();
        this.#job.confirmed(offset);
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
    this.#wake();
  }

  #fail(reason: string): void {
    this.#error ??= new Error(reason);
    this.#wake();
  }

  #throwFailure(): void {
    if (this.#error !== null && this.#confirmed < this.#job.sizeBytes) {
      throw this.#error;
    }
  }
}
