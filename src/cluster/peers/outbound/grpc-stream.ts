// A stream of messages as a call of the gRPC service: what members speak with those that do not
// know raw streams. Made by negotiated.ts.

import type grpc from '@grpc/grpc-js';

import type { PeerChannel } from '../channel.js';
import { decodeReply, encodeFrame, type Outbound } from '../wire/frame.js';
import type { LinkPath, MessageStream, StreamEvents } from './stream.js';

const asIs = (bytes: Buffer): Buffer => bytes;

export class GrpcStream implements MessageStream {
  readonly takesForwards = false;
  readonly #call: grpc.ClientDuplexStream<Buffer, Buffer>;
  #pendingBytes = 0;

  constructor(channel: PeerChannel, path: LinkPath, greeting: grpc.Metadata, events: StreamEvents) {
    this.#call = channel.client.makeBidiStreamRequest(path, asIs, asIs, greeting);
    this.#call.on('metadata', (answer) => events.accepted(answer));
    this.#call.on('data', (reply: Buffer) => {
      let pong: number;
      try {
        pong = decodeReply(reply);
      } catch (error) {
        events.ended(error instanceof Error ? error.message : String(error), undefined);
        return;
      }
      events.pong(pong);
    });
    this.#call.on('error', (error: grpc.ServiceError) => {
      events.ended(error.details || error.message, error.metadata);
    });
    this.#call.on('status', (status) => {
      events.ended(status.details || 'closed', status.metadata);
    });
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  write(messages: readonly Outbound[], ping: number): number {
    const { length } = this.#written(encodeFrame(messages, ping));
    return length;
  }

  forward(): number {
    throw new Error('proposals have a call of their own');
  }

  close(): void {
    this.#call.cancel();
  }

  #written(frame: Buffer): Buffer {
    this.#pendingBytes += frame.length;
    this.#call.write(frame, () => {
      this.#pendingBytes -= frame.length;
    });
    return frame;
  }
}
