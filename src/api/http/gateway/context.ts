// A call that comes over HTTP as the handlers see it: metadata of its headers, and a signal that
// aborts when the client has gone, when its time is over, or when the call is done.

import { type CallContext, CallEnding } from '../../../base/call.js';
import { MetaStoreError } from '../../../base/errors.js';
import type { CallHeaders } from './metadata.js';

/** What a timer takes at most; a later deadline never comes in practice. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export class GatewayCall extends CallEnding implements CallContext {
  readonly peer: string;
  /** A certificate never speaks for a call through the gateway: tokens alone do. */
  readonly commonName = null;
  readonly #headers: CallHeaders;
  /** Rejects when the time is over or the client has gone; never settles otherwise. */
  readonly expired: Promise<never>;
  #timer: NodeJS.Timeout | null = null;
  readonly #gone: AbortSignal;
  readonly #onGone: () => void;

  /** @param gone aborts when nobody waits for the answer any more */
  constructor(headers: CallHeaders, peer: string, gone: AbortSignal) {
    super();
    this.#headers = headers;
    this.peer = peer;
    this.#gone = gone;
    let reject: (error: MetaStoreError) => void = () => undefined;
    this.expired = new Promise((_resolve, rejected) => {
      reject = rejected;
    });
    this.expired.catch(() => undefined);
    this.#onGone = () => {
      reject(MetaStoreError.of('ContextCanceled'));
      this.end();
    };
    gone.addEventListener('abort', this.#onGone, { once: true });
    if (gone.aborted) {
      this.#onGone();
    }
    const { timeoutMs } = headers;
    if (timeoutMs === null) {
      return;
    }
    const expire = () => {
      reject(MetaStoreError.of('DeadlineExceeded'));
      this.end();
    };
    if (timeoutMs < 1) {
      expire();
    } else {
      this.#timer = setTimeout(expire, Math.min(timeoutMs, TIMER_MAX_MS));
    }
  }

  metadata(name: string): string | undefined {
    return this.#headers.metadata.get(name);
  }

  /** The call is done, however it ended. */
  finish(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
    }
    this.#gone.removeEventListener('abort', this.#onGone);
    this.end();
  }
}
