// Runs calls of the gateway: one request and one answer, or lines of JSON for as long as the call
// goes on. HTTP bodies and WebSockets are both carried by what is here.

import type { HandlerTable, ServerStream, StreamHandler } from '../../../base/call.js';
import { type ErrorTable, MetaStoreError, type WireStatus } from '../../../base/errors.js';
import type { GatewayCall } from './context.js';
import { escaped } from './json/lines.js';
import { JsonProblem } from './json/scanner.js';
import type { Route } from './routes.js';
import { Code, statusJson } from './status.js';

/** What the gateway reaches the services by. */
export interface Backend {
  readonly handlers: HandlerTable;
  readonly errors: ErrorTable;
}

/** Messages that wait for a client, at most; senders are told when theirs has gone. */
const WAITING_MAX_BYTES = 64 << 20;

/** The status of anything thrown on the way of a call. */
export function statusOf(errors: ErrorTable, error: unknown): WireStatus {
  return error instanceof JsonProblem
    ? { code: Code.InvalidArgument, text: error.message }
    : errors.status(error);
}

/** Runs a call with one request and one answer. @throws what the call ends with */
export async function callUnary(
  backend: Backend,
  route: Route,
  call: GatewayCall,
  message: Buffer,
): Promise<Buffer> {
  const handler = backend.handlers.get(route.method);
  if (handler?.kind !== 'unary') {
    throw MetaStoreError.of('NotImplemented');
  }
  if (call.over) {
    return call.expired;
  }
  return Promise.race([handler.handle(call, message), call.expired]);
}

export function errorLine(status: WireStatus): string {
  return `{"error":${escaped(statusJson(status))}}`;
}

interface Waiting {
  readonly message: Buffer;
  /** To be called once it has been handed on, or the call is over. */
  taken: (() => void) | null;
}

/** How a stream ended; null in order. */
export interface StreamOutcome {
  readonly error: WireStatus | null;
}

/**
 * The server's end of a streaming call: messages wait here until they are pulled. Requests come
 * from `receive`, which is asked for one at a time.
 */
export class GatewayStream implements ServerStream {
  readonly #receive: () => Promise<Buffer | null>;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #outcome: StreamOutcome | null = null;
  #wake: (() => void) | null = null;

  constructor(receive: () => Promise<Buffer | null>) {
    this.#receive = receive;
  }

  receive(): Promise<Buffer | null> {
    return this.#receive();
  }

  send(message: Buffer, taken?: () => void): void {
    if (this.#outcome !== null) {
      taken?.();
      return;
    }
    this.#waiting.push({ message, taken: taken ?? null });
    this.#waitingBytes += message.length;
    if (this.#waitingBytes > WAITING_MAX_BYTES) {
      // Who sends without waiting is held to this; those who wait never come near.
      this.#end(MetaStoreError.of('TooManyRequests'));
    }
    this.#wake?.();
  }

  /** Runs the call; resolves when it is over. Never rejects. */
  async run(backend: Backend, handle: StreamHandler, call: GatewayCall): Promise<void> {
    const release = () => this.#release();
    call.signal.addEventListener('abort', release, { once: true });
    try {
      if (call.over) {
        await call.expired;
      }
      await Promise.race([handle(call, this), call.expired, this.#broken]);
      this.#outcome ??= { error: null };
    } catch (error) {
      this.#outcome ??= { error: statusOf(backend.errors, error) };
    }
    call.signal.removeEventListener('abort', release);
    call.finish();
    this.#wake?.();
  }

  /** Waits for a message, or for the end with everything pulled. */
  async ready(): Promise<void> {
    while (this.#waiting.length === 0 && this.#outcome === null) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = null;
  }

  /** How the stream ended, once all its messages have been pulled. */
  get outcome(): StreamOutcome | null {
    return this.#waiting.length === 0 ? this.#outcome : null;
  }

  /** Takes the next message; call `taken` of it when it has been handed on. */
  pull(): Waiting | null {
    const next = this.#waiting.shift();
    if (next === undefined) {
      return null;
    }
    this.#waitingBytes -= next.message.length;
    return next;
  }

  /** Nobody pulls any more: lets go of who waits. */
  abandon(): void {
    this.#outcome ??= { error: null };
    this.#release();
    this.#waiting.length = 0;
  }

  /** Nobody will take what waits: senders need not wait for it. */
  #release(): void {
    for (const waiting of this.#waiting) {
      waiting.taken?.();
      waiting.taken = null;
    }
  }

  #breakOff: (error: MetaStoreError) => void = () => undefined;
  readonly #broken = new Promise<never>((_resolve, reject) => {
    this.#breakOff = reject;
  });

  #end(error: MetaStoreError): void {
    this.#broken.catch(() => undefined);
    this.#breakOff(error);
  }
}
