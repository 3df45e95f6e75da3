// A stream of messages that another member has opened, as InboundStreams sees it: a call of the
// gRPC service, or a connection that was upgraded to raw frames.

import type grpc from '@grpc/grpc-js';
import { encodeReply } from '../wire/frame.js';
import type { Forward } from '../wire/raw.js';

export type StreamKind = 'control' | 'bulk';

/** Told what a stream brings; nothing after `ended`. */
export interface InboundListener {
  /** A Frame of messages. */
  frame(bytes: Buffer): void;
  forward(forward: Forward): void;
  /** What came is no frame. */
  broken(error: unknown): void;
  /** The sender has ended it, or it is lost. Said once or more often. */
  ended(): void;
}

export interface InboundStream {
  /** Bytes that were written and that the connection has not taken yet. */
  readonly pendingBytes: number;
  /** Accepts the stream, saying who this member is, and reads from now on. */
  open(greeting: grpc.Metadata, listener: InboundListener): void;
  pong(value: number): void;
  /**
   * Answers a forward: '' when it is queued, or the name of an error. Nobody waits for the former,
   * which goes with others, or when answerOwed() is called.
   */
  answer(number: number, error: string): void;
  answerOwed(): void;
  /** Ends it with the reason. */
  refuse(status: grpc.ServiceError): void;
}

export type InboundCall = grpc.ServerDuplexStream<Buffer, Buffer>;

/** A call of the gRPC service as a stream. */
export class CallStream implements InboundStream {
  readonly #call: InboundCall;

  constructor(call: InboundCall) {
    this.#call = call;
  }

  get pendingBytes(): number {
    return this.#call.writableLength;
  }

  open(greeting: grpc.Metadata, listener: InboundListener): void {
    const call = this.#call;
    const ended = () => listener.ended();
    call.on('cancelled', ended);
    call.on('error', ended);
    call.on('close', ended);
    call.on('end', () => {
      ended();
      call.end();
    });
    call.on('data', (bytes: Buffer) => listener.frame(bytes));
    call.sendMetadata(greeting);
  }

  pong(value: number): void {
    this.#call.write(encodeReply(value));
  }

  answer(): void {
    throw new Error('proposals have a call of their own');
  }

  /** Nothing is ever owed. */
  answerOwed(): void {}

  refuse(status: grpc.ServiceError): void {
    this.#call.emit('error', status);
  }
}
