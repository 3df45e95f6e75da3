// Calls of @grpc/grpc-js as the handlers of the API see them: context and streams. The library's
// streams hand over one message at a time and tell when one was written; that is all that is used.

import type grpc from '@grpc/grpc-js';

import { type CallContext, CallEnding, type ServerStream } from '../../base/call.js';
import { MetaStoreError } from '../../base/errors.js';
import { lastName } from '../tls/certificates.js';

/** What all four kinds of calls of the library have in common. */
type AnyCall = grpc.ServerUnaryCall<Buffer, Buffer> | grpc.ServerDuplexStream<Buffer, Buffer>;

/**
 * How much earlier than the library this server answers a call whose deadline has come, so that the
 * answer has this server's text.
 */
const DEADLINE_LEAD_MS = 2;

/** A call's context, whose signal aborts when the call is over for whatever reason. */
export class GrpcContext extends CallEnding implements CallContext {
  readonly #call: AnyCall;
  #timer: NodeJS.Timeout | null = null;
  #onDeadline: ((error: MetaStoreError) => void) | null = null;

  constructor(call: AnyCall) {
    super();
    this.#call = call;
    call.on('cancelled', () => this.finish());
    const deadline = call.getDeadline();
    const atMs = deadline instanceof Date ? deadline.getTime() : deadline;
    if (atMs !== Number.POSITIVE_INFINITY) {
      // Beyond this the timer would fire at once; such a deadline never comes in practice.
      const delayMs = Math.min(Math.max(0, atMs - Date.now() - DEADLINE_LEAD_MS), 2 ** 31 - 1);
      this.#timer = setTimeout(() => {
        this.#onDeadline?.(MetaStoreError.of('DeadlineExceeded'));
        this.finish();
      }, delayMs);
    }
  }

  get peer(): string {
    return this.#call.getPeer();
  }

  get commonName(): string | null {
    const subject: unknown = this.#call.getAuthContext().sslPeerCertificate?.subject?.CN;
    return lastName(subject);
  }

  metadata(name: string): string | undefined {
    const value = this.#call.metadata.get(name)[0];
    return value === undefined ? undefined : String(value);
  }

  /** Called when the deadline comes before the call is over. */
  onDeadline(callback: (error: MetaStoreError) => void): void {
    this.#onDeadline = callback;
  }

  finish(): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    this.#onDeadline = null;
    this.end();
  }
}

interface Receiver {
  readonly resolve: (message: Buffer | null) => void;
  readonly reject: (error: MetaStoreError) => void;
}

/** A stream of messages over the library's duplex stream. */
export class GrpcStream implements ServerStream {
  readonly #call: grpc.ServerDuplexStream<Buffer, Buffer>;
  readonly #check: (message: Buffer) => MetaStoreError | null;
  readonly #arrived: Buffer[] = [];
  // Senders that wait for their message to be handed on.
  readonly #untaken = new Set<() => void>();
  #receiver: Receiver | null = null;
  #halfClosed = false;
  #over = false;

  /** @param check refuses a message, such as one that is too large */
  constructor(
    call: grpc.ServerDuplexStream<Buffer, Buffer>,
    signal: AbortSignal,
    check: (message: Buffer) => MetaStoreError | null,
  ) {
    this.#call = call;
    this.#check = check;
    call.on('data', (message: Buffer) => {
      this.#arrived.push(message);
      // One at a time: the next is read when this one has been taken.
      call.pause();
      this.#serve();
    });
    call.on('end', () => {
      this.#halfClosed = true;
      this.#serve();
    });
    signal.addEventListener('abort', () => {
      this.#over = true;
      this.#serve();
      for (const taken of this.#untaken) {
        taken();
      }
      this.#untaken.clear();
    });
  }

  receive(): Promise<Buffer | null> {
    return new Promise((resolve, reject) => {
      this.#receiver = { resolve, reject };
      this.#serve();
    });
  }

  send(message: Buffer, taken?: () => void): void {
    if (this.#over) {
      taken?.();
    } else if (taken === undefined) {
      this.#call.write(message);
    } else {
      this.#untaken.add(taken);
      this.#call.write(message, () => {
        if (this.#untaken.delete(taken)) {
          taken();
        }
      });
    }
  }

  #serve(): void {
    const receiver = this.#receiver;
    if (receiver === null) {
      return;
    }
    if (this.#over) {
      this.#receiver = null;
      receiver.reject(MetaStoreError.of('ContextCanceled'));
      return;
    }
    const message = this.#arrived.shift();
    if (message !== undefined) {
      this.#receiver = null;
      this.#call.resume();
      const refusal = this.#check(message);
      if (refusal === null) {
        receiver.resolve(message);
      } else {
        receiver.reject(refusal);
      }
    } else if (this.#halfClosed) {
      this.#receiver = null;
      receiver.resolve(null);
    }
  }
}
