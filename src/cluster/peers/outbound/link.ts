// One stream of messages to another member, on a TCP connection of its own. What is given to it in
// one turn leaves as few frames; what does not fit into its bounds is refused. It notices by pings
// within the stream that nobody reads any more. Made by Remote for each try; used once.

import type grpc from '@grpc/grpc-js';

import type { Cancel, Clock } from '../../../base/clock.js';
import type { PeerChannel } from '../channel.js';
import type { Outbound } from '../wire/frame.js';
import { type Greeting, type RefusalName, readGreeting, refusalNameOf } from '../wire/handshake.js';
import type { MessageStream, StreamEvents } from './stream.js';

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

/** Proposals that were handed over and are not answered yet. */
interface Asked {
  readonly resolve: (error: string) => void;
  readonly reject: (error: Error) => void;
  readonly cancelTimer: Cancel;
}

export class Link {
  readonly channel: PeerChannel;
  readonly #limits: LinkLimits;
  readonly #clock: Clock;
  readonly #events: LinkEvents;
  readonly #stream: MessageStream;
  readonly #asked = new Map<number, Asked>();
  #lastAsked = 0;
  #state: 'opening' | 'up' | 'closed' = 'opening';
  #waiting: Outbound[] = [];
  // Invariant: the sizes of what waits.
  #waitingBytes = 0;
  #sentBytes = 0;
  #bytesSincePing = 0;
  #pingDue = false;
  #pingsOwed = 0;
  #idleTicks = 0;

  /**
   * @param channel for calls beside the stream; ends with it
   * @param open begins the stream; @throws as it does
   */
  constructor(
    channel: PeerChannel,
    open: (events: StreamEvents) => MessageStream,
    limits: LinkLimits,
    clock: Clock,
    events: LinkEvents,
  ) {
    this.channel = channel;
    this.#limits = limits;
    this.#clock = clock;
    this.#events = events;
    this.#stream = open({
      accepted: (answer) => this.#accepted(answer),
      pong: (value) => this.#replied(value),
      answered: (number, error) => this.#answered(number, error),
      ended: (details, metadata) => this.#end(details, metadata),
    });
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
    if (!this.#hasRoom(one.size)) {
      return false;
    }
    this.#waitingBytes += one.size;
    this.#waiting.push(one);
    return true;
  }

  /** Whether proposals may be handed over within the stream. */
  get takesForwards(): boolean {
    return this.#state === 'up' && this.#stream.takesForwards;
  }

  /**
   * Hands proposals over, behind all that was flushed: '' when they are queued there, or the name
   * of an error. Null when they were not sent; rejects when nobody knows.
   */
  forward(term: number, forwards: Uint8Array, timeoutMs: number): Promise<string> | null {
    if (!this.takesForwards || !this.#hasRoom(forwards.length)) {
      return null;
    }
    const number = ++this.#lastAsked % 2 ** 32;
    this.#sentBytes += this.#stream.forward(number, term, forwards);
    return new Promise((resolve, reject) => {
      const cancelTimer = this.#clock.after(timeoutMs, () => {
        this.#asked.delete(number);
        reject(new Error('no answer in time'));
      });
      this.#asked.set(number, { resolve, reject, cancelTimer });
    });
  }

  #hasRoom(bytes: number): boolean {
    const queued = this.#waitingBytes + this.#stream.pendingBytes;
    // A message that exceeds the bound alone could otherwise never leave.
    return queued === 0 || queued + bytes <= this.#limits.queuedBytesMax;
  }

  /** Hands what waits to the connection. */
  flush(): void {
    if (this.#state !== 'up') {
      return;
    }
    const waiting = this.#waiting;
    if (waiting.length > 0) {
      this.#waiting = [];
      this.#waitingBytes = 0;
    }
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
      this.#stream.close();
      this.channel.close();
      for (const { reject, cancelTimer } of this.#asked.values()) {
        cancelTimer();
        reject(new Error('the stream has ended'));
      }
      this.#asked.clear();
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
    this.#sentBytes += this.#stream.write(messages, ping);
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

  #replied(pong: number): void {
    if (this.#state !== 'up') {
      return;
    }
    if (pong === 0 || this.#pingsOwed === 0) {
      return;
    }
    this.#pingsOwed--;
    this.#idleTicks = 0;
    this.#events.roundTrip(Math.max(0, this.#clock.nowMs() - (pong - 1) / 1000));
  }

  #answered(number: number, error: string): void {
    const asked = this.#asked.get(number);
    this.#asked.delete(number);
    asked?.cancelTimer();
    asked?.resolve(error);
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
