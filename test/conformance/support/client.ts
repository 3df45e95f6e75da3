// Calls whose every end is a value: an error is an answer with its code, since the comparing and
// the fault tests hold errors against each other like replies. Bytes go out and come in as they
// are, malformed ones too. Over the thin client of test/support.

import { CallError, type CallOptions, EtcdClient } from '../../support/etcd/client.js';
import type { ClientStream, StreamEnd } from '../../support/etcd/stream.js';

export type { CallOptions } from '../../support/etcd/client.js';

export interface Answer {
  /** gRPC status code; 0 with `bytes` set. */
  readonly code: number;
  /** The status text, '' on success. */
  readonly text: string;
  readonly bytes: Buffer;
}

/** Longer than any pause of a loaded machine: no test's meaning hangs on it. */
const timeoutMsDefault = 30_000;

/** One connection to one server. */
export class Client {
  readonly #client: EtcdClient;

  constructor(address: string) {
    this.#client = new EtcdClient(address);
  }

  /** Calls `/package.Service/Method`; never throws. */
  async unary(path: string, request: Uint8Array, options: CallOptions = {}): Promise<Answer> {
    try {
      const limited = { timeoutMs: timeoutMsDefault, ...options };
      return { code: 0, text: '', bytes: await this.#client.raw(path, request, limited) };
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      return { code: error.code, text: error.details, bytes: Buffer.alloc(0) };
    }
  }

  /** Opens a stream in both directions and hands over each message as it comes. */
  stream(path: string, onMessage: (bytes: Buffer) => void, options: CallOptions = {}): Stream {
    return new Stream(this.#client.stream(path, options), onMessage);
  }

  close(): void {
    this.#client.close();
  }
}

/** A stream of raw messages that is read without end. */
export class Stream {
  readonly #stream: ClientStream;
  /** Settles with the status once the stream is over. */
  readonly ended: Promise<StreamEnd>;
  /** Settles once the stream is over and all that came before its end was handed over. */
  readonly drained: Promise<void>;
  over = false;

  constructor(stream: ClientStream, onMessage: (bytes: Buffer) => void) {
    this.#stream = stream;
    this.ended = stream.ended.then((end) => {
      this.over = true;
      return end;
    });
    this.drained = this.#read(onMessage);
  }

  async #read(onMessage: (bytes: Buffer) => void): Promise<void> {
    while (!this.over || this.#stream.buffered > 0) {
      try {
        onMessage(await this.#stream.next(2 ** 31 - 1));
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        return;
      }
    }
  }

  send(bytes: Buffer): void {
    this.#stream.send(bytes);
  }

  /** Half-closes: nothing more will be sent. */
  end(): void {
    this.#stream.end();
  }

  cancel(): void {
    this.#stream.cancel();
  }
}
