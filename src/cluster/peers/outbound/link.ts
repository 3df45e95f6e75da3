// One stream of messages to another member, on a TCP connection of its own. What is given to it in
// one turn leaves as few frames; what does not fit into its bounds is refused. It notices by pings
// within the stream that nobody reads any more. Made by Remote for each try; used once.

import type grpc from '@grpc/grpc-js';

import type { Clock } from '../../../base/clock.js';
import type { PeerChannel } from '../channel.js';
import { decodeReply, encodeFrame, type Outbound } from '../wire/frame.js';
import { type Greeting, type RefusalName, readGreeting, refusalNameOf } from '../wire/handshake.js';

export interface LinkLimits {
  /** Bytes that may wait, or be written and not yet taken by the connection. */
  readonly queuedBytesMax: number;
  /** Ticks until the stream must be accepted. */
  readonly connectTicksMax: number;
  /** Ticks that may pass without an answer while one is owed. */
  readonly silentTicksMax: number;
  /** Written bytes after which an answer is asked for. */
  readonly bytesPerPing: number;
}

/** Why a link ended. */
export interface LinkEnd {
  readonly details: string;
  /** The receiver's reason, where it refused. */
  readonly refusal: RefusalName | null;
  /** Who refused. */
  readonly greeting: Greeting | null;
}

export interface LinkEvents {
  /** The receiver has accepted the stream. */
  up(greeting: Greeting): void;
  /** The stream is over; said once, and not after close(). */
  down(end: LinkEnd): void;
  /** A ping came back. */
  roundTrip(milliseconds: number): void;
}

/** A frame is closed once it has this size; a single message may be larger. */
const FRAME_BYTES = 1 << 20;

/** In gRPC's path form. */
export type LinkPath = '/metastore.peer.v1.Peer/Control' | '/metastore.peer.v1.Peer/Bulk';

const asIs = (bytes: Buffer): Buffer => bytes;

export class Link {
  readonly channel: PeerChannel;
  readonly #limits: LinkLimits;
  readonly #clock: Clock;
  readonly #events: LinkEvents;
  readonly #call: grpc.ClientDuplexStream<Buffer, Buffer>;
  #state: 'opening' | 'up' | 'closed' = 'opening';
  #waiting: Outbound[] = [];
  // Invariant: the sizes of what waits and of what is written but not yet taken.
  #queuedBytes = 0;
  #sentBytes = 0;
  #bytesSincePing = 0;
  #pingDue = false;
  #pingsOwed = 0;
  #idleTicks = 0;

  constructor(
    channel: PeerChannel,
    path: LinkPath,
    metadata: grpc.Metadata,
    limits: LinkLimits,
    clock: Clock,
    events: LinkEvents,
  ) {
    this.channel = channel;
    this.#limits = limits;
    this.#clock = clock;
    this.#events = events;
    this.#call = channel.client.makeBidiStreamRequest(path, asIs, asIs, metadata);
    this.#call.on('metadata', (answer) => this.#accepted(answer));
    this.#call.on('data', (reply: Buffer) => this.#replied(reply));
    this.#call.on('error', (error: grpc.ServiceError) => {
      this.#end(error.details || error.message, error.metadata);
    });
    this.#call.on('status', (status) => this.#end(status.details || 'closed', status.metadata));
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  /** Bytes given to the connection so far. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Takes a message for the next flush(); false when it is not up or too much waits. */
  enqueue(one: Outbound): boolean {
    if (this.#state !== 'up') {
      return false;
    }
    const after = this.#queuedBytes + one.size;
    // A message that exceeds the bound alone could otherwise never leave.
    if (after > this.#limits.queuedBytesMax && this.#queuedBytes > 0) {
      return false;
    }
    this.#queuedBytes = after;
    this.#waiting.push(one);
    return true;
  }

  /** Hands what waits to the connection. */
  flush(): void {
    if (this.#state !== 'up') {
      return;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    let from = 0;
    let bytes = 0;
    for (let i = 0; i < waiting.length; i++) {
      bytes += (waiting[i] as Outbound).size;
      if (bytes >= FRAME_BYTES || i === waiting.length - 1) {
        const part = from === 0 && i === waiting.length - 1 ? waiting : waiting.slice(from, i + 1);
        this.#write(part, bytes);
        from = i + 1;
        bytes = 0;
      }
    }
    if (this.#pingDue) {
      this.#write([], 0);
    }
  }

  /** At a steady interval: asks for a sign of life, and ends a link that gives none. */
  tick(): void {
    if (this.#state === 'closed') {
      return;
    }
    this.#idleTicks++;
    if (this.#state === 'opening') {
      if (this.#idleTicks > this.#limits.connectTicksMax) {
        this.#end('the stream was not accepted in time');
      }
      return;
    }
    if (this.#pingsOwed === 0) {
      this.#idleTicks = 0;
      this.#pingDue = true;
      this.flush();
    } else if (this.#idleTicks > this.#limits.silentTicksMax) {
      this.#end('no answer from the remote peer');
    }
  }

  /** Ends the stream and its connection without a word to anyone. */
  close(): void {
    if (this.#state !== 'closed') {
      this.#state = 'closed';
      this.#waiting = [];
      this.#call.cancel();
      this.channel.close();
    }
  }

  #write(messages: readonly Outbound[], bytes: number): void {
    this.#bytesSincePing += bytes;
    let ping = 0;
    if (this.#pingDue || this.#bytesSincePing >= this.#limits.bytesPerPing) {
      ping = Math.floor(this.#clock.nowMs() * 1000) + 1;
      this.#pingDue = false;
      this.#bytesSincePing = 0;
      this.#pingsOwed++;
    }
    const frame = encodeFrame(messages, ping);
    this.#sentBytes += frame.length;
    this.#call.write(frame, () => {
      this.#queuedBytes -= bytes;
    });
  }

  #accepted(answer: grpc.Metadata): void {
    if (this.#state !== 'opening') {
      return;
    }
    const greeting = readGreeting(answer);
    if (greeting === null) {
      this.#end('the remote peer answers without saying who it is');
      return;
    }
    this.#state = 'up';
    this.#idleTicks = 0;
    this.#events.up(greeting);
  }

  #replied(reply: Buffer): void {
    if (this.#state !== 'up') {
      return;
    }
    let pong: number;
    try {
      pong = decodeReply(reply);
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
      return;
    }
    if (pong === 0 || this.#pingsOwed === 0) {
      return;
    }
    this.#pingsOwed--;
    this.#idleTicks = 0;
    this.#events.roundTrip(Math.max(0, this.#clock.nowMs() - (pong - 1) / 1000));
  }

  #end(details: string, metadata?: grpc.Metadata): void {
    if (this.#state === 'closed') {
      return;
    }
    this.close();
    const refusal = refusalNameOf(metadata);
    const greeting = refusal === null || metadata === undefined ? null : readGreeting(metadata);
    this.#events.down({ details, refusal, greeting });
  }
}
