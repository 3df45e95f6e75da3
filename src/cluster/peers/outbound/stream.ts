// What a link sends its messages over: a call of the gRPC service, or a connection that has been
// upgraded to raw frames. Declared for Link; the two kinds are grpc-stream.ts and raw-stream.ts.

import type grpc from '@grpc/grpc-js';

import type { Outbound } from '../wire/frame.js';

/** In gRPC's path form; raw streams are asked for under the same names. */
export type LinkPath = '/metastore.peer.v1.Peer/Control' | '/metastore.peer.v1.Peer/Bulk';

/** What happens to a stream; nothing after `ended`, and nothing within the constructor. */
export interface StreamEvents {
  /** The receiver takes it, and says who it is. */
  accepted(answer: grpc.Metadata): void;
  pong(value: number): void;
  /** Proposals that were handed over: '' when they are queued, otherwise the error's name. */
  answered(number: number, error: string): void;
  /** It is over; the metadata names the receiver's reason, where it had one. */
  ended(details: string, metadata: grpc.Metadata | undefined): void;
}

export interface MessageStream {
  /** Whether proposals are handed over within it. */
  readonly takesForwards: boolean;
  /** Bytes that were written and that the connection has not taken yet. */
  readonly pendingBytes: number;
  /** Writes messages and a ping (0 for none) as one frame; its bytes. */
  write(messages: readonly Outbound[], ping: number): number;
  /** Only with `takesForwards`. */
  forward(number: number, term: number, forwards: Uint8Array): number;
  /** Ends it without a word. */
  close(): void;
}
