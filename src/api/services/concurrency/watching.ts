// One watcher of a caller inside this process: the client's end of a stream of the Watch service.
// Messages that were not taken yet wait here, and the sequencer's credit for them is withheld, so
// that a slow taker holds up nothing but itself. Made by Store.

import { bytesOf } from '../../../base/bytes.js';
import type { CallContext, ServerStream, StreamHandler } from '../../../base/call.js';
import { MetaStoreError } from '../../../base/errors.js';
import type { Partially } from '../../../base/proto/codec.js';
import {
  type WatchCreateRequest,
  type WatchResponse,
  watchRequest,
  watchResponse,
} from '../../../base/proto/kv-messages.js';

interface Arrived {
  readonly message: Buffer;
  readonly taken: () => void;
}

/** One reason for all. */
const closed = new Error('the watcher is closed');

export class Watching {
  readonly #ending = new AbortController();
  readonly #arrived: Arrived[] = [];
  #wake: () => void = () => undefined;
  #failure: unknown = null;

  constructor(handle: StreamHandler, context: CallContext, request: Partially<WatchCreateRequest>) {
    const inner: CallContext = {
      // Whether there is a leader is asked of the call itself, not of what it does inside.
      metadata: (name) => (name === 'hasleader' ? undefined : context.metadata(name)),
      peer: context.peer,
      commonName: context.commonName,
      signal: AbortSignal.any([context.signal, this.#ending.signal]),
    };
    const over = () => this.#end(MetaStoreError.of('ContextCanceled'));
    inner.signal.addEventListener('abort', over, { once: true });
    handle(inner, this.#stream(watchRequest.encode({ create_request: request }))).then(
      over,
      (error: unknown) => this.#end(error),
    );
    if (inner.signal.aborted) {
      over();
    }
  }

  /**
   * The next response.
   *
   * @throws MetaStoreError what ended the stream; ContextCanceled when the call is over
   */
  async next(): Promise<WatchResponse> {
    for (;;) {
      const first = this.#arrived.shift();
      if (first !== undefined) {
        first.taken();
        return watchResponse.decode(bytesOf(first.message));
      }
      if (this.#failure !== null) {
        throw this.#failure;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#ending.abort(closed);
  }

  /** The server's end: one request, and an open end for what it sends. */
  #stream(request: Buffer): ServerStream {
    let isAsked = false;
    return {
      receive: () => {
        if (isAsked) {
          return new Promise(() => undefined);
        }
        isAsked = true;
        return Promise.resolve(request);
      },
      send: (message, taken = () => undefined) => {
        this.#arrived.push({ message, taken });
        this.#wake();
      },
    };
  }

  #end(error: unknown): void {
    this.#failure ??= error;
    this.#wake();
  }
}
