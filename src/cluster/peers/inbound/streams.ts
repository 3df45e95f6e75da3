// What other members send: one stream of each kind from each of them. Every frame is decoded and
// every message checked before anybody sees it; whoever breaks the rules loses the stream. Called
// by server.ts with streams whose handshake was accepted.

import { hexId } from '../../../base/bytes.js';
import type { SharedErrorCode } from '../../../base/errors.js';
import { checkPeerMessage, type Message, MessageType } from '../../../raft/index.js';
import { decodeRun } from '../../../storage/entry-run.js';
import type { LogLimit } from '../log-limit.js';
import { SILENT_TICKS, type Timing, timingOf } from '../options.js';
import type { PeerCore } from '../types.js';
import { decodeFrame, type Inbound, isTravelling } from '../wire/frame.js';
import {
  type Greeting,
  greet,
  type Identity,
  type RefusalName,
  refusalStatus,
} from '../wire/handshake.js';
import type { Forward } from '../wire/raw.js';
import type { InboundStream, StreamKind } from './stream.js';

export interface StreamsContext {
  readonly self: Identity;
  readonly core: Pick<PeerCore, 'inspectEntries'>;
  readonly log: LogLimit;
  readonly timing: Timing;
  receive(message: Message): void;
  /** Proposals of the member; null when they have been queued. */
  forwarded(term: number, forwards: Uint8Array): SharedErrorCode | null;
  /** A stream of the member was opened or ended. */
  changed(from: bigint): void;
}

interface OpenStream {
  readonly from: bigint;
  readonly kind: StreamKind;
  readonly carrier: InboundStream;
  /** Ticks of this member without a frame after which the stream counts as dead. */
  readonly silentTicksMax: number;
  idleTicks: number;
}

/** Pongs and answers that may wait for a member that does not read them; more are left out. */
const PONG_BYTES_MAX = 64 << 10;

const keyOf = (from: bigint, kind: StreamKind): string => `${kind} ${from}`;

export class InboundStreams {
  readonly #context: StreamsContext;
  // At most one of each kind for each member.
  readonly #open = new Map<string, OpenStream>();
  #receivedBytes = new Map<bigint, number>();
  readonly #violations = new Map<bigint, number>();

  constructor(context: StreamsContext) {
    this.#context = context;
  }

  /** Whether the member has both kinds of stream open to this one. */
  isOpen(from: bigint): boolean {
    return this.#open.has(keyOf(from, 'control')) && this.#open.has(keyOf(from, 'bulk'));
  }

  receivedBytes(from: bigint): number {
    return this.#receivedBytes.get(from) ?? 0;
  }

  /** Streams of the member that were closed because of what they carried. */
  failures(from: bigint): number {
    return this.#violations.get(from) ?? 0;
  }

  /** Serves a stream until it ends; an older one of the same kind and member ends now. */
  serve(carrier: InboundStream, kind: StreamKind, greeting: Greeting): void {
    const from = greeting.identity.memberId;
    const silentTicksMax = this.#silentTicks(kind, greeting);
    const stream: OpenStream = { from, kind, carrier, silentTicksMax, idleTicks: 0 };
    const key = keyOf(from, kind);
    const older = this.#open.get(key);
    this.#open.set(key, stream);
    if (older !== undefined) {
      this.#refuse(older, 'replaced');
    }
    carrier.open(greet(this.#context.self, from), {
      frame: (bytes) => this.#frame(stream, bytes),
      forward: (forward) => this.#forward(stream, forward),
      broken: (error) => this.#violation(stream, error),
      ended: () => this.#ended(stream),
    });
    this.#context.changed(from);
  }

  /** To be called at a steady interval: ends streams that have died without a word. */
  tick(): void {
    for (const stream of [...this.#open.values()]) {
      stream.carrier.answerOwed();
      stream.idleTicks++;
      if (stream.idleTicks > stream.silentTicksMax) {
        this.#close(stream, 'silent');
      }
    }
  }

  /** Ends the member's streams, as when it is a member no more. */
  end(from: bigint, reason: RefusalName): void {
    for (const kind of ['control', 'bulk'] as const) {
      const stream = this.#open.get(keyOf(from, kind));
      if (stream !== undefined) {
        this.#close(stream, reason);
      }
    }
    this.#receivedBytes.delete(from);
    this.#violations.delete(from);
  }

  endAll(reason: RefusalName): void {
    for (const stream of [...this.#open.values()]) {
      this.#close(stream, reason);
    }
  }

  /** Signs of life come at the sender's pace, which may be another than ours. */
  #silentTicks(kind: StreamKind, greeting: Greeting): number {
    const own = this.#context.timing;
    const theirs = timingOf(Math.max(own.electionMs, greeting.identity.electionMs));
    const ticks = kind === 'control' ? SILENT_TICKS : theirs.bulkSilentTicks;
    return Math.ceil((ticks * theirs.tickMs) / own.tickMs);
  }

  #frame(stream: OpenStream, bytes: Buffer): void {
    if (!this.#heard(stream, bytes.length)) {
      return;
    }
    const messages: Message[] = [];
    let ping = 0;
    try {
      const frame = decodeFrame(bytes);
      ping = frame.ping;
      for (const one of frame.messages) {
        messages.push(this.#checked(stream, one));
      }
    } catch (error) {
      this.#violation(stream, error);
      return;
    }
    if (ping !== 0 && stream.carrier.pendingBytes < PONG_BYTES_MAX) {
      stream.carrier.pong(ping);
    }
    for (const message of messages) {
      this.#context.receive(message);
    }
  }

  /** A sign of life; false when the stream is over. */
  #heard(stream: OpenStream, bytes: number): boolean {
    if (this.#open.get(keyOf(stream.from, stream.kind)) !== stream) {
      return false;
    }
    stream.idleTicks = 0;
    this.#receivedBytes.set(stream.from, this.receivedBytes(stream.from) + bytes);
    return true;
  }

  #forward(stream: OpenStream, { number, term, forwards }: Forward): void {
    if (!this.#heard(stream, forwards.length)) {
      return;
    }
    const error = this.#context.forwarded(term, forwards);
    // Without an answer the sender knows nothing, which it bears.
    if (stream.carrier.pendingBytes < PONG_BYTES_MAX) {
      stream.carrier.answer(number, error ?? '');
    }
  }

  /** @throws when the message is not one that this member may send to us */
  #checked(stream: OpenStream, one: Inbound): Message {
    const { self, core } = this.#context;
    const { type, from } = one.message;
    if (!isTravelling(type)) {
      throw new Error(`messages of type ${type} do not travel`);
    }
    // A transfer of leadership is forwarded under the name of its target.
    if (from !== stream.from && type !== MessageType.TransferLeader) {
      throw new Error(`a message from ${hexId(from)}`);
    }
    if (one.message.entries.length > 0 && type === MessageType.App) {
      throw new Error('entries outside of a run');
    }
    const message = withEntries(core, one);
    checkPeerMessage(message, self.memberId);
    if (type === MessageType.ReadIndex || type === MessageType.ReadIndexResp) {
      if (message.entries.length !== 1 || message.entries[0]?.data == null) {
        throw new Error('a read without its context');
      }
    }
    return message;
  }

  #violation(stream: OpenStream, error: unknown): void {
    this.#violations.set(stream.from, this.failures(stream.from) + 1);
    const reason = error instanceof Error ? error.message : String(error);
    this.#context.log.warn(hexId(stream.from), 'closed a stream with an invalid message', {
      'local-member-id': hexId(this.#context.self.memberId),
      'remote-peer-id': hexId(stream.from),
      stream: stream.kind,
      error: reason,
    });
    this.#close(stream, 'invalid-message', reason);
  }

  #close(stream: OpenStream, reason: RefusalName, detail = ''): void {
    this.#ended(stream);
    this.#refuse(stream, reason, detail);
  }

  #refuse(stream: OpenStream, reason: RefusalName, detail = ''): void {
    stream.carrier.refuse(refusalStatus(this.#context.self, stream.from, reason, detail));
  }

  #ended(stream: OpenStream): void {
    const key = keyOf(stream.from, stream.kind);
    if (this.#open.get(key) === stream) {
      this.#open.delete(key);
      this.#context.changed(stream.from);
    }
  }
}

/** The message with the entries of its run. @throws when the run is not in order */
function withEntries(core: Pick<PeerCore, 'inspectEntries'>, one: Inbound): Message {
  const { message, run } = one;
  if (run === null) {
    return message;
  }
  if (message.type !== MessageType.App) {
    throw new Error('a run in a message that appends nothing');
  }
  const entries = decodeRun(core, message.index + 1, run);
  if (entries === null) {
    throw new Error('a damaged run of entries');
  }
  return { ...message, entries };
}
