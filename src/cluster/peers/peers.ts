// Everything between this member and the others: who they are, the ways to them, what they send.
// The member hands messages over and hears what comes in through PeerEvents; the app hands
// connections of the peer port over. Made once by src/server; the membership decides whom it knows.

import type grpc from '@grpc/grpc-js';

import { assert } from '../../base/assert.js';
import { bytesOf, hexId } from '../../base/bytes.js';
import type { Cancel, Clock } from '../../base/clock.js';
import type { SharedErrorCode } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import { type Message, MessageType } from '../../raft/index.js';
import { PeerServer } from './inbound/server.js';
import { InboundStreams } from './inbound/streams.js';
import { LogLimit } from './log-limit.js';
import { defaultLimits, type PeersOptions, timingOf } from './options.js';
import { Remote } from './outbound/remote.js';
import { Incoming } from './snapshots/incoming.js';
import { Outgoing } from './snapshots/outgoing.js';
import { Pace } from './snapshots/progress.js';
import type { PeerAddress, PeerCore, PeerEvents, PeerTraffic, PeerTransport } from './types.js';
import { greet, type Identity, refusalNameOf } from './wire/handshake.js';
import {
  forwardError,
  forwardOutcome,
  forwardRequest,
  forwardResponse,
  safeNumber,
} from './wire/payloads.js';

const FORWARD_PATH = '/metastore.peer.v1.Peer/Forward';

/** How long native code may take to give up an export when the member stops. */
const STOP_GRACE_MS = 150;

const asIs = (bytes: Buffer): Buffer => bytes;

/** Members that may be let in without being named by the log. */
const GUESTS_MAX = 16;

/** One other member as this one sees it. */
interface Peer {
  readonly remote: Remote;
  // Since when both directions have worked, or null.
  connectedSinceMs: number | null;
  disconnections: number;
}

export class Peers implements PeerTransport {
  /** Takes the HTTP/2 connections of the peer port. */
  readonly grpcServer: Pick<PeerServer, 'accept' | 'customize' | 'upgrade'>;
  readonly #options: PeersOptions;
  readonly #events: PeerEvents;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #quiet: LogLimit;
  readonly #server: PeerServer;
  readonly #inbound: InboundStreams;
  readonly #outgoing: Outgoing;
  readonly #incoming: Incoming;
  readonly #peers = new Map<bigint, Peer>();
  // Those of them that update() did not name: members that this one's log is too old to know.
  readonly #guests = new Set<bigint>();
  readonly #cancelTicks: Cancel;
  #flushNow = false; // when the present turn ends
  #flushDue = false; // a turn later
  #saidRemoved = false;
  #stopped = false;

  constructor(
    options: PeersOptions,
    core: PeerCore,
    events: PeerEvents,
    clock: Clock,
    log: Logger,
  ) {
    this.#options = options;
    this.#events = events;
    this.#clock = clock;
    this.#log = log;
    this.#quiet = new LogLimit(log, clock, () => this.#isLeaving());
    const timing = timingOf(options.electionMs);
    this.#inbound = new InboundStreams({
      self: options,
      core,
      log: this.#quiet,
      timing,
      receive: (message) => events.receive(message),
      forwarded: (term, forwards) => events.forwarded(term, forwards),
      changed: (from) => this.#inboundChanged(from),
    });
    const limits = { ...defaultLimits, ...options.limits };
    const pace = new Pace(clock, options.snapshotBytesPerSecond);
    const uncounted = () => () => undefined;
    const { transfers = { sending: uncounted, receiving: uncounted } } = options;
    this.#outgoing = new Outgoing(
      { self: options, core, limits, clock, log, pace, transfers },
      (to, ok) => events.snapshotDone(to, ok),
    );
    this.#incoming = new Incoming({
      self: options,
      core,
      limits,
      clock,
      log,
      transfers,
      received: (message, importId) => events.snapshotReceived(message, importId),
    });
    this.#server = this.#newServer();
    this.grpcServer = this.#server;
    this.#cancelTicks = clock.every(timing.tickMs, () => this.#tick());
  }

  /**
   * Who the other members are: they are dialled and listened to. Members that are newer than this
   * one's log make themselves known, and are let in until they are named here or go away.
   */
  update(members: readonly PeerAddress[]): void {
    if (this.#stopped) {
      return;
    }
    const wanted = new Map(members.map((member) => [member.id, member]));
    assert(!wanted.has(this.#options.memberId), 'a member is not its own peer');
    for (const [id, peer] of this.#peers) {
      const isGuest = this.#guests.has(id) && peer.connectedSinceMs !== null;
      if (!wanted.has(id) && (!isGuest || this.#events.isRemoved(id))) {
        this.#forget(id, peer);
      }
    }
    for (const [id, address] of wanted) {
      this.#guests.delete(id);
      const known = this.#peers.get(id);
      if (known === undefined) {
        this.#meet(address);
      } else {
        known.remote.setUrls(address.peerUrls);
      }
    }
  }

  send(message: Message, run: Uint8Array | null): void {
    assert(message.type !== MessageType.Snap, 'snapshots are sent by sendSnapshot');
    // A member that has just been removed may still be written to.
    this.#peers.get(message.to)?.remote.send(message, run);
  }

  sendSnapshot(message: Message): void {
    assert(message.type === MessageType.Snap, 'only snapshots are sent so');
    const remote = this.#peers.get(message.to)?.remote;
    if (remote === undefined || this.#stopped) {
      this.#clock.soon(() => this.#events.snapshotDone(message.to, false));
    } else {
      this.#outgoing.send(message, remote);
    }
  }

  forward(to: bigint, term: number, forwards: Uint8Array): Promise<SharedErrorCode | null> {
    const remote = this.#peers.get(to)?.remote;
    const asked = remote?.forward(term, forwards, this.#options.requestTimeoutMs) ?? null;
    if (asked !== null) {
      return asked.then(forwardOutcome);
    }
    const channel = remote?.bulkChannel ?? null;
    if (channel === null || this.#stopped) {
      return Promise.resolve('ProposalDropped');
    }
    const request = forwardRequest.encode({ term: BigInt(term), forwards: bufferOf(forwards) });
    const metadata = greet(this.#options, to);
    // The library's deadlines are of the wall clock.
    const deadline = Date.now() + this.#options.requestTimeoutMs;
    return new Promise((resolve, reject) => {
      channel.client.makeUnaryRequest(
        FORWARD_PATH,
        asIs,
        asIs,
        request,
        metadata,
        { deadline },
        (error: grpc.ServiceError | null, reply?: Buffer) => {
          if (error === null && reply !== undefined) {
            // What does not decode is thrown, and rejects.
            resolve(Promise.resolve(reply).then(forwardError).then(forwardOutcome));
          } else if (refusalNameOf(error?.metadata) !== null) {
            resolve('ProposalDropped');
          } else {
            reject(new Error(error?.details ?? 'no reply'));
          }
        },
      );
    });
  }

  connectedSinceMs(id: bigint): number | null {
    return this.#peers.get(id)?.connectedSinceMs ?? null;
  }

  /** Snapshots that are being sent, or wait for their turn. */
  activeTransfers(): number {
    return this.#outgoing.active;
  }

  /** Counters of every known member, for metrics. */
  traffic(): PeerTraffic[] {
    return [...this.#peers].map(([id, { remote, connectedSinceMs, disconnections }]) => ({
      id,
      connected: connectedSinceMs !== null,
      sentBytes: remote.sentBytes,
      receivedBytes: this.#inbound.receivedBytes(id),
      sendFailures: remote.failures,
      receiveFailures: this.#inbound.failures(id),
      disconnections,
    }));
  }

  /**
   * Ends every connection at once. Transfers under way are reported as failed before it returns,
   * and no event follows; resolves when their exports are closed.
   */
  async stop(): Promise<void> {
    if (this.#stopped) {
      return;
    }
    this.#stopped = true;
    this.#cancelTicks();
    for (const { remote } of this.#peers.values()) {
      remote.stop();
    }
    const exportsClosed = this.#outgoing.stop(STOP_GRACE_MS);
    this.#incoming.stop();
    this.#inbound.endAll('stopped');
    this.#server.stop();
    await exportsClosed;
  }

  get #rawStreams(): boolean {
    return this.#options.rawStreams ?? true;
  }

  #newServer(): PeerServer {
    const known = {
      isMember: (id: bigint) => this.#peers.has(id),
      admit: (newer: Identity) => this.#admit(newer),
      isRemoved: (id: bigint) => this.#events.isRemoved(id),
    };
    const service = {
      stream: this.#inbound.serve.bind(this.#inbound),
      chunks: this.#incoming.serve.bind(this.#incoming),
      forward: async (_greeting: unknown, request: Buffer) => this.#forwarded(request),
      offer: this.#incoming.offer.bind(this.#incoming),
    };
    return new PeerServer(this.#options, known, service, this.#quiet, this.#rawStreams);
  }

  #dial(address: PeerAddress): Remote {
    const { id } = address;
    const context = {
      self: this.#options,
      limits: { ...defaultLimits, ...this.#options.limits },
      timing: timingOf(this.#options.electionMs),
      clock: this.#clock,
      log: this.#quiet,
      dialler: this.#options.dialler ?? null,
      rawStreams: this.#rawStreams,
    };
    return new Remote(address, context, {
      changed: () => this.#refresh(id),
      unreachable: () => this.#events.unreachable(id),
      removed: () => this.#removed(),
      waiting: (urgent) => this.#flushSoon(urgent),
      roundTrip: (milliseconds) => this.#events.roundTrip?.(id, milliseconds),
    });
  }

  #meet(address: PeerAddress): void {
    const remote = this.#dial(address);
    this.#peers.set(address.id, { remote, connectedSinceMs: null, disconnections: 0 });
  }

  /** A member that was added since this one's log ends, and may be its leader now. */
  #admit({ memberId: id, peerUrls }: Identity): boolean {
    const { memberId: self } = this.#options;
    if (id === self || peerUrls.length === 0 || this.#guests.size >= GUESTS_MAX) {
      return false;
    }
    this.#log.info('talking to a member that the log does not name yet', {
      ...this.#fields(id),
      'remote-peer-urls': peerUrls,
    });
    this.#guests.add(id);
    this.#meet({ id, peerUrls });
    return true;
  }

  #forget(id: bigint, peer: Peer): void {
    this.#peers.delete(id);
    this.#guests.delete(id);
    peer.remote.stop();
    this.#outgoing.forget(id);
    this.#incoming.forget(id);
    this.#inbound.end(id, this.#events.isRemoved(id) ? 'removed' : 'unknown-sender');
    this.#log.info('stopped talking to remote peer', this.#fields(id));
  }

  #tick(): void {
    this.#inbound.tick();
    this.#incoming.tick();
    for (const { remote } of this.#peers.values()) {
      remote.tick();
    }
  }

  #flushSoon(urgent: boolean): void {
    if (urgent && !this.#flushNow) {
      this.#flushNow = true;
      queueMicrotask(() => this.#flush());
    } else if (!urgent && !this.#flushDue) {
      this.#flushDue = true;
      this.#clock.soon(() => this.#flush());
    }
  }

  #flush(): void {
    this.#flushNow = false;
    this.#flushDue = false;
    for (const { remote } of this.#peers.values()) {
      remote.flush();
    }
  }

  #inboundChanged(from: bigint): void {
    const peer = this.#peers.get(from);
    if (peer !== undefined && !this.#stopped) {
      if (this.#inbound.isOpen(from)) {
        peer.remote.retryNow();
      }
      this.#refresh(from);
    }
  }

  /** Whether both directions work may have changed. */
  #refresh(id: bigint): void {
    const peer = this.#peers.get(id);
    if (peer === undefined || this.#stopped) {
      return;
    }
    const works = peer.remote.isUp && this.#inbound.isOpen(id);
    if (works && peer.connectedSinceMs === null) {
      peer.connectedSinceMs = this.#clock.nowMs();
      this.#quiet.settled(hexId(id));
      this.#log.info('established connections with remote peer', this.#fields(id));
    } else if (!works && peer.connectedSinceMs !== null) {
      peer.connectedSinceMs = null;
      peer.disconnections++;
      if (!this.#isLeaving()) {
        this.#log.warn('lost connections with remote peer', this.#fields(id));
      }
    }
  }

  /**
   * Whether this member has been removed and ends: that the others refuse it is no news then, and
   * must not come behind the lines that tell the operator what to do.
   */
  #isLeaving(): boolean {
    return this.#saidRemoved || this.#events.isRemoved(this.#options.memberId);
  }

  #removed(): void {
    if (!this.#saidRemoved && !this.#stopped) {
      this.#saidRemoved = true;
      this.#events.removed();
    }
  }

  #forwarded(bytes: Buffer): Buffer {
    if (this.#stopped) {
      throw new Error('member is stopping');
    }
    const request = forwardRequest.decode(bytesOf(bytes));
    const term = safeNumber(request.term);
    if (term === null) {
      throw new Error('term out of range');
    }
    const error = this.#events.forwarded(term, bytesOf(request.forwards));
    return forwardResponse.encode({ error: error ?? '' });
  }

  #fields(id: bigint): Record<string, string> {
    return { 'local-member-id': hexId(this.#options.memberId), 'remote-peer-id': hexId(id) };
  }
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
