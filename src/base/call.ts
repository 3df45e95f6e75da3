// What a call is to the handlers of the API, whoever carries it: bytes in, bytes out. Transports
// make these objects and the services of src/api consume them; neither knows the other.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** What came with a call besides its messages. */
export interface CallContext {
  /** The first value of a request header, lower-case name; undefined when absent. */
  metadata(name: string): string | undefined;
  /** The address of the client, for logs. */
  readonly peer: string;
  /** Common name of the certificate that the client was verified by; null without one. */
  readonly commonName: string | null;
  /** Aborts when nobody waits for the answer any more: cancelled, connection lost, deadline. */
  readonly signal: AbortSignal;
}

/** One reason for all: making an exception for each call would cost more than the call. */
const callOver = new Error('the call is over');

/** How a call ends, for the contexts that transports make: what `CallContext.signal` says. */
export abstract class CallEnding {
  // Made when somebody asks for it: most handlers never do.
  #ending: AbortController | null = null;
  #over = false;

  get signal(): AbortSignal {
    if (this.#ending === null) {
      this.#ending = new AbortController();
      if (this.#over) {
        this.#ending.abort(callOver);
      }
    }
    return this.#ending.signal;
  }

  /** Whether nobody waits for the answer any more: the same as the signal says. */
  get over(): boolean {
    return this.#over;
  }

  protected end(): void {
    this.#over = true;
    this.#ending?.abort(callOver);
  }
}

/** One request, one answer. Rejections become the call's status. */
export type UnaryHandler = (context: CallContext, request: Buffer) => Promise<Buffer>;

/** The server's end of a call that carries any number of messages in either direction. */
export interface ServerStream {
  /**
   * The next request, or null once the client has ended its side. Rejects when the call is over.
   */
  receive(): Promise<Buffer | null>;
  /**
   * Sends a message. `taken` runs once the transport has handed it on, or the call is over, so
   * that senders can bound what they have under way.
   */
  send(message: Buffer, taken?: () => void): void;
}

/** A call of streams: ends in order when the promise resolves, with its error when it rejects. */
export type StreamHandler = (context: CallContext, stream: ServerStream) => Promise<void>;

export type Handler =
  | { readonly kind: 'unary'; readonly handle: UnaryHandler }
  | { readonly kind: 'stream'; readonly handle: StreamHandler };

/** Every method served, by path (`/package.Service/Method`). */
export type HandlerTable = ReadonlyMap<string, Handler>;

/** A plain HTTP request, for the endpoints that share a port with gRPC. */
export interface HttpRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The address of the client, for logs. */
  readonly peer: string;
  /** Whether the request came over TLS. */
  readonly secure: boolean;
  /** Common name of the certificate that the client was verified by; null without one. */
  readonly commonName: string | null;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /**
   * Reads the body, once; null when it is larger than the limit, which is all that is kept of it.
   * Rejects when the client goes away before its end.
   */
  body(limitBytes: number): Promise<Buffer | null>;
  /** The body as it arrives, instead of `body`; once. Throws when the client goes away. */
  chunks(): AsyncIterable<Buffer>;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** What comes in pieces is sent as it comes, and left when the client goes away. */
  readonly body: string | Buffer | AsyncIterable<string | Buffer>;
}

export type HttpHandler = (request: HttpRequest) => Promise<HttpResponse>;

/**
 * Takes over a connection whose client asks for another protocol (`Upgrade`), such as WebSocket.
 * False when the request is to be served as if it had not asked. Node's own types, since the
 * library that speaks it wants them.
 */
export type HttpUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;
