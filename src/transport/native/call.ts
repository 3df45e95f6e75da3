// Calls of the plane as the handlers of the API see them: context and streams. NativeServer makes
// them and tells them what the plane tells.

import { bytesOf } from '../../base/bytes.js';
import {
  type CallContext,
  CallEnding,
  type Handler,
  type ServerStream,
  type StreamHandler,
  type UnaryHandler,
} from '../../base/call.js';
import { type ErrorTable, MetaStoreError } from '../../base/errors.js';
import type { NativePlane } from '../../storage/native-plane.js';

/** What this transport uses of the plane. */
export type Plane = Pick<
  NativePlane,
  | 'adopt'
  | 'attach'
  | 'feed'
  | 'ended'
  | 'outputTaken'
  | 'reply'
  | 'send'
  | 'finish'
  | 'ask'
  | 'httpRespond'
  | 'httpSend'
  | 'httpEnd'
  | 'httpReset'
  | 'drain'
  | 'drainConnections'
  | 'stop'
>;

/** Who is at the other end of a connection. */
export interface PeerName {
  /** The address, for logs. */
  readonly peer: string;
  /** Of a verified certificate; null without one. */
  readonly commonName: string | null;
}

/** What came with a call. */
export interface CallHead {
  readonly id: number;
  readonly from: PeerName;
  /** Names, in lower case, and values by turns. */
  readonly metadata: readonly string[];
}

/** What calls need of the server. */
export interface CallHost {
  readonly plane: Plane;
  readonly errors: ErrorTable;
  /** The call has ended itself: nothing comes for it any more. */
  forget(call: number): void;
}

/** A call on the plane, to whoever delivers its events. */
export interface PlaneCall {
  onMessage(message: Buffer): void;
  onHalfClose(): void;
  onTaken(messages: number): void;
  onEnded(): void;
}

class NativeContext extends CallEnding implements CallContext {
  readonly #head: CallHead;

  constructor(head: CallHead) {
    super();
    this.#head = head;
  }

  get peer(): string {
    return this.#head.from.peer;
  }

  get commonName(): string | null {
    return this.#head.from.commonName;
  }

  metadata(name: string): string | undefined {
    const { metadata } = this.#head;
    for (let at = 0; at < metadata.length; at += 2) {
      if (metadata[at] === name) {
        return metadata[at + 1];
      }
    }
    return undefined;
  }

  finish(): void {
    this.end();
  }
}

/** What unary calls and streams have in common: their end, which comes once, from either side. */
abstract class ForeignCall implements PlaneCall {
  protected readonly host: CallHost;
  protected readonly id: number;
  protected readonly context: NativeContext;

  constructor(host: CallHost, head: CallHead) {
    this.host = host;
    this.id = head.id;
    this.context = new NativeContext(head);
  }

  abstract onMessage(message: Buffer): void;
  abstract onHalfClose(): void;

  onTaken(_messages: number): void {}

  onEnded(): void {
    this.context.finish();
  }

  /** Ends the call with an error, unless it is over. */
  protected fail(error: unknown): void {
    const { code, text } = this.host.errors.status(error);
    this.end(() => this.host.plane.finish(this.id, code, text));
  }

  protected end(say: () => void): void {
    if (!this.context.over) {
      say();
      this.host.forget(this.id);
      this.onEnded();
    }
  }
}

/** One request, one answer: runs its handler at the first message. */
class UnaryCall extends ForeignCall {
  readonly #handle: UnaryHandler;
  #isRunning = false;

  constructor(host: CallHost, head: CallHead, handle: UnaryHandler) {
    super(host, head);
    this.#handle = handle;
  }

  override onMessage(message: Buffer): void {
    if (this.#isRunning) {
      return;
    }
    this.#isRunning = true;
    this.#handle(this.context, message).then(
      (reply) => this.end(() => this.host.plane.reply(this.id, bytesOf(reply))),
      (error: unknown) => this.fail(error),
    );
  }

  override onHalfClose(): void {
    if (!this.#isRunning) {
      this.fail(MetaStoreError.of('MissingMessage'));
    }
  }
}

interface Receiver {
  readonly resolve: (message: Buffer | null) => void;
  readonly reject: (error: MetaStoreError) => void;
}

/** Any number of messages either way. The plane holds back what nobody has asked for. */
class StreamCall extends ForeignCall implements ServerStream {
  readonly #arrived: Buffer[] = [];
  // Of the messages under way, in order: who is told that they have been handed on.
  #untaken: ((() => void) | undefined)[] = [];
  #receiver: Receiver | null = null;
  #halfClosed = false;

  run(handle: StreamHandler): void {
    handle(this.context, this).then(
      () => this.end(() => this.host.plane.finish(this.id, 0, '')),
      (error: unknown) => this.fail(error),
    );
  }

  receive(): Promise<Buffer | null> {
    return new Promise((resolve, reject) => {
      this.#receiver = { resolve, reject };
      this.#serve();
    });
  }

  send(message: Buffer, taken?: () => void): void {
    if (this.context.over) {
      taken?.();
      return;
    }
    this.#untaken.push(taken);
    this.host.plane.send(this.id, bytesOf(message));
  }

  override onMessage(message: Buffer): void {
    this.#arrived.push(message);
    this.#serve();
  }

  override onHalfClose(): void {
    this.#halfClosed = true;
    this.#serve();
  }

  override onTaken(messages: number): void {
    for (const taken of this.#untaken.splice(0, messages)) {
      taken?.();
    }
  }

  override onEnded(): void {
    super.onEnded();
    this.#serve();
    const untaken = this.#untaken;
    this.#untaken = [];
    for (const taken of untaken) {
      taken?.();
    }
  }

  #serve(): void {
    const receiver = this.#receiver;
    if (receiver === null) {
      return;
    }
    if (this.context.over) {
      this.#receiver = null;
      receiver.reject(MetaStoreError.of('ContextCanceled'));
      return;
    }
    const message = this.#arrived.shift();
    if (message !== undefined) {
      this.#receiver = null;
      this.host.plane.ask(this.id);
      receiver.resolve(message);
    } else if (this.#halfClosed) {
      this.#receiver = null;
      receiver.resolve(null);
    }
  }
}

/** The call; its handler runs as soon as it has what it needs. */
export function openCall(host: CallHost, head: CallHead, handler: Handler): PlaneCall {
  if (handler.kind === 'unary') {
    return new UnaryCall(host, head, handler.handle);
  }
  const stream = new StreamCall(host, head);
  stream.run(handler.handle);
  return stream;
}
