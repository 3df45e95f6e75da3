// Watch streams between transports and the native sequencer, which alone decides what is sent and
// in which order. This side only carries bytes: requests in, messages out, and credit for what a
// transport has taken, so that a slow client holds up nothing but itself.

import { bytesOf } from '../../base/bytes.js';
import type { ServerStream } from '../../base/call.js';
import { type ErrorTable, MetaStoreError } from '../../base/errors.js';
import type { MemberCore } from '../../storage/native.js';
import { type Caller, nobody } from './caller.js';

type WatchCore = Pick<MemberCore, 'watchOpen' | 'watchRequest' | 'watchCredit' | 'watchClose'>;

/** Who asks; found anew for every create request, since tokens come and go. */
export type ResolveCaller = () => Promise<Caller>;

/** First byte of a WatchRequest that creates: field 1, a message. */
const CREATE_TAG = 0x0a;

interface Open {
  readonly stream: ServerStream;
  readonly abort: (error: MetaStoreError) => void;
}

export class WatchStreams {
  readonly #core: WatchCore;
  readonly #errors: ErrorTable;
  readonly #open = new Map<number, Open>();
  #lastId = 0;
  #closed = false;

  constructor(core: WatchCore, errors: ErrorTable) {
    this.#core = core;
    this.#errors = errors;
  }

  get size(): number {
    return this.#open.size;
  }

  /**
   * Serves one stream until the client is gone or the member stops. The client's half-close does
   * not end it: events go on. Rejects with what ends the call otherwise. `resolveCaller` never
   * rejects: a refusal is part of the caller.
   */
  async serve(
    stream: ServerStream,
    signal: AbortSignal,
    resolveCaller: ResolveCaller,
  ): Promise<void> {
    if (this.#closed) {
      throw MetaStoreError.of('Stopped');
    }
    const id = ++this.#lastId;
    const ended = new Promise<void>((resolve, reject) => {
      this.#open.set(id, { stream, abort: reject });
      signal.addEventListener('abort', () => resolve(), { once: true });
      if (signal.aborted) {
        resolve();
      }
    });
    this.#core.watchOpen(id);
    try {
      await Promise.race([ended, this.#forward(id, stream, resolveCaller).then(() => ended)]);
    } finally {
      this.#open.delete(id);
      if (!this.#closed) {
        this.#core.watchClose(id);
      }
    }
  }

  /** Completion: one message for a stream, which may have ended meanwhile. */
  deliver(id: number, message: Buffer): void {
    const bytes = message.length;
    this.#open.get(id)?.stream.send(message, () => {
      if (this.#open.has(id) && !this.#closed) {
        this.#core.watchCredit(id, bytes);
      }
    });
  }

  /** Ends every stream: the member stops. */
  close(): void {
    this.#closed = true;
    for (const { abort } of this.#open.values()) {
      abort(MetaStoreError.of('Stopped'));
    }
  }

  async #forward(id: number, stream: ServerStream, resolveCaller: ResolveCaller): Promise<void> {
    for (;;) {
      const request = await stream.receive();
      if (request === null || !this.#open.has(id)) {
        return;
      }
      const caller = request[0] === CREATE_TAG ? await resolveCaller() : nobody;
      if (!this.#open.has(id)) {
        return;
      }
      const { userName, authRevision } = caller;
      const refusal = this.#errors.refusalCode(caller.refusal);
      const bytes = bytesOf(request);
      const code = this.#core.watchRequest(id, bytes, userName, authRevision, refusal);
      if (code !== 0) {
        throw this.#errors.fromCode(code);
      }
    }
  }
}
