// The way to one other member: finds a peer URL of it that answers, keeps the two streams open, and
// dials again when they break. Says what was lost, never waits. Made by Peers for every member but
// this one; the reasons why a member cannot be reached are logged here.

import { hexId } from '../../../base/bytes.js';
import type { Cancel, Clock } from '../../../base/clock.js';
import { type Message, MessageType } from '../../../raft/index.js';
import type { SecureDialler } from '../../http/secure.js';
import { PeerChannel, type Place, placeOf, probe } from '../channel.js';
import type { LogLimit } from '../log-limit.js';
import { type PeerLimits, SILENT_TICKS, type Timing } from '../options.js';
import type { PeerAddress } from '../types.js';
import { outbound } from '../wire/frame.js';
import { type Greeting, greet, type Identity } from '../wire/handshake.js';
import { GrpcStream } from './grpc-stream.js';
import { Link, type LinkEnd } from './link.js';
import { LossReport } from './loss-report.js';
import { NegotiatedStream } from './negotiated.js';
import type { LinkPath, StreamEvents } from './stream.js';

export interface RemoteEvents {
  /** The streams to the member came up or broke. */
  changed(): void;
  /** Messages got lost (LossReport). */
  unreachable(): void;
  /** The member says that this one has been removed. */
  removed(): void;
  /** Something waits: flush() when this turn ends, or, unless urgent, a turn later with more. */
  waiting(urgent: boolean): void;
  roundTrip(milliseconds: number): void;
}

export interface RemoteContext {
  readonly self: Identity;
  readonly limits: PeerLimits;
  readonly timing: Timing;
  readonly clock: Clock;
  readonly log: LogLimit;
  readonly dialler: SecureDialler | null;
  /** Whether raw streams are asked for, or gRPC calls at once. */
  readonly rawStreams: boolean;
}

const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 1000;
/** A connection that held so long begins anew with the shortest backoff. */
const STEADY_MS = 1000;
const CONTROL_BYTES_PER_PING = Number.POSITIVE_INFINITY;
const BULK_BYTES_PER_PING = 256 << 10;

export class Remote {
  readonly id: bigint;
  readonly #context: RemoteContext;
  readonly #events: RemoteEvents;
  readonly #losses: LossReport;
  #urls: readonly string[];
  #urlAt = 0;
  // The URL that the control stream uses or tries.
  #place: Place | null = null;
  #greeting: Greeting | null = null;
  #control: Link | null = null;
  #bulk: Link | null = null;
  // At most one of: a probe under way, a wait before the next one, a control stream.
  #cancelProbe: Cancel | null = null;
  #cancelWait: Cancel | null = null;
  #cancelBulkWait: Cancel | null = null;
  #attempts = 0;
  #bulkAttempts = 0;
  #upSinceMs = 0;
  #sentBytesBefore = 0;
  #failures = 0;
  #stopped = false;

  constructor(address: PeerAddress, context: RemoteContext, events: RemoteEvents) {
    this.id = address.id;
    this.#urls = address.peerUrls;
    this.#context = context;
    this.#events = events;
    this.#losses = new LossReport(context.clock, () => events.unreachable());
    this.#dial();
  }

  /** Whether both streams are accepted by the member. */
  get isUp(): boolean {
    return this.#control?.isUp === true && this.#bulk?.isUp === true;
  }

  /** Where the member has answered, for calls on connections of their own; null when down. */
  get place(): Place | null {
    return this.#control?.isUp === true ? this.#place : null;
  }

  /** What the member said of itself last. */
  get greeting(): Greeting | null {
    return this.#greeting;
  }

  /** The connection for calls that may take long; null when it is not up. */
  get bulkChannel(): PeerChannel | null {
    return this.#bulk?.isUp === true ? this.#bulk.channel : null;
  }

  get sentBytes(): number {
    return this.#sentBytesBefore + (this.#control?.sentBytes ?? 0) + (this.#bulk?.sentBytes ?? 0);
  }

  /** Messages that were dropped, and connections that broke. */
  get failures(): number {
    return this.#failures;
  }

  /** Follows a change of the member's URLs. */
  setUrls(urls: readonly string[]): void {
    const isSame =
      urls.length === this.#urls.length && urls.every((url, i) => url === this.#urls[i]);
    if (isSame) {
      return;
    }
    this.#urls = urls;
    this.#urlAt = 0;
    this.#attempts = 0;
    this.#abandon();
    this.#events.changed();
    this.#dial();
  }

  /** Dials at once if it waits to dial: the member has just been seen. */
  retryNow(): void {
    if (this.#cancelWait !== null) {
      this.#cancelWait();
      this.#cancelWait = null;
      this.#dial();
    }
  }

  /** Takes a message for flush(), or drops it. Appends go behind each other, all else as well. */
  send(message: Message, run: Uint8Array | null): void {
    const link = message.type === MessageType.App ? this.#bulk : this.#control;
    if (link?.enqueue(outbound(message, run)) === true) {
      this.#events.waiting(isUrgent(message));
    } else {
      this.#lost();
    }
  }

  /** Hands proposals over where the stream of entries takes them; null where it does not. */
  forward(term: number, forwards: Uint8Array, timeoutMs: number): Promise<string> | null {
    return this.#bulk?.forward(term, forwards, timeoutMs) ?? null;
  }

  flush(): void {
    this.#control?.flush();
    this.#bulk?.flush();
  }

  tick(): void {
    this.#control?.tick();
    this.#bulk?.tick();
  }

  stop(): void {
    this.#stopped = true;
    this.#abandon();
    this.#losses.stop();
  }

  #abandon(): void {
    this.#cancelProbe?.();
    this.#cancelWait?.();
    this.#cancelBulkWait?.();
    this.#cancelProbe = null;
    this.#cancelWait = null;
    this.#cancelBulkWait = null;
    for (const link of [this.#control, this.#bulk]) {
      this.#sentBytesBefore += link?.sentBytes ?? 0;
      link?.close();
    }
    this.#control = null;
    this.#bulk = null;
  }

  #dial(): void {
    if (this.#stopped || this.#urls.length === 0) {
      return;
    }
    const url = this.#urls[this.#urlAt % this.#urls.length] as string;
    this.#urlAt++;
    const place = placeOf(url, this.#context.dialler);
    if (typeof place === 'string') {
      this.#failed(place, url);
      return;
    }
    const { timing, clock } = this.#context;
    this.#cancelProbe = probe(place, timing.connectMs, clock, (result) => {
      this.#cancelProbe = null;
      if (result.kind === 'http2') {
        this.#open(place, url);
      } else if (result.kind === 'foreign') {
        this.#foreign(url, result.answer);
      } else {
        this.#failed(result.error, url);
      }
    });
  }

  #open(place: Place, url: string): void {
    this.#place = place;
    this.#control = this.#link(place, '/metastore.peer.v1.Peer/Control', {
      up: (greeting) => this.#controlUp(greeting, url),
      down: (end) => this.#controlDown(end, url),
    });
  }

  #openBulk(): void {
    const place = this.#place;
    if (place === null || this.#control?.isUp !== true || this.#bulk !== null) {
      return;
    }
    this.#bulk = this.#link(place, '/metastore.peer.v1.Peer/Bulk', {
      up: () => {
        this.#bulkAttempts = 0;
        this.#events.changed();
      },
      down: (end) => this.#bulkDown(end),
    });
  }

  #link(
    place: Place,
    path: LinkPath,
    events: { up(greeting: Greeting): void; down(end: LinkEnd): void },
  ): Link {
    const { limits, timing, clock, self } = this.#context;
    const isControl = path.endsWith('Control');
    const linkLimits = {
      queuedBytesMax: isControl ? limits.controlQueueBytes : limits.bulkQueueBytes,
      connectTicksMax: timing.connectTicks,
      silentTicksMax: isControl ? SILENT_TICKS : timing.bulkSilentTicks,
      bytesPerPing: isControl ? CONTROL_BYTES_PER_PING : BULK_BYTES_PER_PING,
    };
    const channel = new PeerChannel(place);
    const greeting = greet(self, this.id);
    const open = (told: StreamEvents) =>
      this.#context.rawStreams
        ? new NegotiatedStream(place, channel, path, greeting, told)
        : new GrpcStream(channel, path, greeting, told);
    return new Link(channel, open, linkLimits, clock, {
      ...events,
      roundTrip: (milliseconds) => {
        if (isControl) {
          this.#events.roundTrip(milliseconds);
        }
      },
    });
  }

  #controlUp(greeting: Greeting, url: string): void {
    const { self, clock } = this.#context;
    const { clusterId, memberId } = greeting.identity;
    if (clusterId !== self.clusterId || memberId !== this.id) {
      this.#abandon();
      this.#failed(`member ${hexId(memberId)} of cluster ${hexId(clusterId)} answers there`, url);
      return;
    }
    this.#greeting = greeting;
    this.#upSinceMs = clock.nowMs();
    this.#openBulk();
  }

  #controlDown(end: LinkEnd, url: string): void {
    const wasUp = this.#upSinceMs > 0;
    if (wasUp && this.#context.clock.nowMs() - this.#upSinceMs >= STEADY_MS) {
      this.#attempts = 0;
    }
    this.#upSinceMs = 0;
    this.#abandon();
    this.#refused(end, url);
    this.#events.changed();
    if (wasUp) {
      this.#failures++;
      this.#lost();
    }
    this.#wait();
  }

  #bulkDown(end: LinkEnd): void {
    const { clock, log } = this.#context;
    this.#sentBytesBefore += this.#bulk?.sentBytes ?? 0;
    this.#bulk = null;
    this.#failures++;
    log.warn(hexId(this.id), 'lost the stream of entries to remote peer', {
      ...this.#fields(),
      error: end.details,
    });
    this.#events.changed();
    this.#lost();
    this.#cancelBulkWait = clock.after(backoffMs(this.#bulkAttempts++), () => {
      this.#cancelBulkWait = null;
      this.#openBulk();
    });
  }

  #fields(): Record<string, string> {
    return {
      'local-member-id': hexId(this.#context.self.memberId),
      'remote-peer-id': hexId(this.id),
    };
  }

  #foreign(url: string, answer: string): void {
    const message = 'what answers at the peer URL is not a MetaStore member';
    this.#context.log.warn(hexId(this.id), message, {
      ...this.#fields(),
      url,
      answer,
      hint: 'members of other kinds, such as etcd, cannot be in one cluster with this one',
    });
    this.#wait();
  }

  /** Logs what a member that refuses says, and takes the consequence. */
  #refused(end: LinkEnd, url: string): void {
    const { log, self } = this.#context;
    const { refusal, greeting, details } = end;
    const matter = hexId(this.id);
    const fields = { ...this.#fields(), url, error: details };
    const theirs = greeting?.identity ?? null;
    switch (refusal) {
      case 'cluster-id': {
        const message = 'request sent was ignored by remote peer due to cluster ID mismatch';
        log.warn(matter, message, {
          ...fields,
          'remote-peer-cluster-id': hexId(theirs?.clusterId ?? 0n),
          'local-member-cluster-id': hexId(self.clusterId),
        });
        return;
      }
      case 'version': {
        const message = 'request sent was ignored by remote peer due to version incompatibility';
        log.warn(matter, message, {
          ...fields,
          'remote-peer-version': theirs?.version ?? '',
          'local-member-version': self.version,
        });
        return;
      }
      case 'removed':
        log.warn(matter, 'remote peer says that this member has been removed', fields);
        if (theirs?.clusterId === self.clusterId && theirs.memberId === this.id) {
          this.#context.clock.soon(() => this.#events.removed());
        }
        return;
      case 'unknown-sender':
        log.warn(matter, 'remote peer does not know this member yet', fields);
        return;
      default:
        log.warn(matter, 'lost or could not open the stream to remote peer', fields);
    }
  }

  #failed(error: string, url: string): void {
    const message = 'cannot reach remote peer';
    // Another reason is another matter: what refuses now is news, though it was silent before.
    const matter = `${hexId(this.id)} ${error}`;
    this.#context.log.warn(matter, message, { ...this.#fields(), url, error });
    this.#wait();
  }

  #wait(): void {
    if (this.#stopped) {
      return;
    }
    this.#cancelWait?.();
    this.#cancelWait = this.#context.clock.after(backoffMs(this.#attempts++), () => {
      this.#cancelWait = null;
      this.#dial();
    });
  }

  #lost(): void {
    this.#failures++;
    this.#losses.note();
  }
}

/**
 * Whether a write waits for the message, or an election timeout runs while it lies here. Rounds of
 * reads gain more from going together.
 */
function isUrgent({ type, context }: Message): boolean {
  const isAppend = type === MessageType.App || type === MessageType.AppResp;
  return isAppend || (type === MessageType.Heartbeat && (context?.byteLength ?? 0) === 0);
}

function backoffMs(attempts: number): number {
  return Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(attempts, 10));
}
