// The client's end of a stream of raw messages, with a queue of what has come.
// Used through EtcdClient and by tests of streams.

import type grpc from '@grpc/grpc-js';

import { within } from '../wait.js';

/** What a call ended with when not with an answer. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly code: number;
  readonly details: string;

  constructor(code: number, details: string) {
    super(`${code}: ${details}`);
    this.code = code;
    this.details = details;
  }
}

/** How a stream ended: code 0 when in order. */
export interface StreamEnd {
  readonly code: number;
  readonly details: string;
}

export class ClientStream {
  readonly ended: Promise<StreamEnd>;
  readonly #call: grpc.ClientDuplexStream<Buffer, Buffer>;
  readonly #received: Buffer[] = [];
  readonly #waiting: (() => void)[] = [];
  #end: StreamEnd | null = null;

  constructor(call: grpc.ClientDuplexStream<Buffer, Buffer>) {
    this.#call = call;
    call.on('data', (message: Buffer) => {
      this.#received.push(message);
      this.#wake();
    });
    call.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      call.on('status', (status) => {
        this.#end = { code: status.code, details: status.details };
        this.#wake();
        resolve(this.#end);
      });
    });
  }

  send(message: Buffer): void {
    this.#call.write(message);
  }

  /** Ends this side; the server may go on sending. */
  end(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }

  /** Stops reading, so that the server sees back-pressure; next() resumes. */
  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  /** Messages that have come and were not taken. */
  get buffered(): number {
    return this.#received.length;
  }

  /** The next message. Rejects with CallError when the stream has ended, or after the timeout. */
  async next(timeoutMs = 10_000): Promise<Buffer> {
    const message = this.#received.shift();
    if (message !== undefined) {
      return message;
    }
    if (this.#end !== null) {
      throw new CallError(this.#end.code, this.#end.details);
    }
    await within(
      'a message',
      new Promise<void>((resolve) => this.#waiting.push(resolve)),
      timeoutMs,
    );
    return this.next(timeoutMs);
  }

  #wake(): void {
    for (const resume of this.#waiting.splice(0)) {
      resume();
    }
  }
}
