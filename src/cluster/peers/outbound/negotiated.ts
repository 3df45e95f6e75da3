// Opens a stream to a member the best way that both know: raw frames, and a gRPC call where it
// answers that it does not know them, as members of an earlier version do. Called by Remote.

import type grpc from '@grpc/grpc-js';

import type { PeerChannel, Place } from '../channel.js';
import type { Outbound } from '../wire/frame.js';
import { GrpcStream } from './grpc-stream.js';
import { RawStream } from './raw-stream.js';
import type { LinkPath, MessageStream, StreamEvents } from './stream.js';

export class NegotiatedStream implements MessageStream {
  #stream: MessageStream;

  /** @throws as the dialler does, when certificates cannot be read */
  constructor(
    place: Place,
    channel: PeerChannel,
    path: LinkPath,
    greeting: grpc.Metadata,
    events: StreamEvents,
  ) {
    this.#stream = new RawStream(place, path, greeting, {
      accepted: (answer) => events.accepted(answer),
      pong: (value) => events.pong(value),
      answered: (number, error) => events.answered(number, error),
      ended: (details, metadata) => events.ended(details, metadata),
      unknown: () => {
        this.#stream = new GrpcStream(channel, path, greeting, events);
      },
    });
  }

  get takesForwards(): boolean {
    return this.#stream.takesForwards;
  }

  get pendingBytes(): number {
    return this.#stream.pendingBytes;
  }

  write(messages: readonly Outbound[], ping: number): number {
    return this.#stream.write(messages, ping);
  }

  forward(number: number, term: number, forwards: Uint8Array): number {
    return this.#stream.forward(number, term, forwards);
  }

  close(): void {
    this.#stream.close();
  }
}
