// The receiving side of the peer port's gRPC service: takes connections from the shared port,
// checks the handshake of every call, and hands on what passes. Made by Peers; decides nothing
// about what is said.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import grpc from '@grpc/grpc-js';

import { hexId } from '../../../base/bytes.js';
import { FLOW_WINDOW_BYTES, messageLimits, serverCredentials } from '../channel.js';
import type { LogLimit } from '../log-limit.js';
import {
  type Acquaintance,
  type Greeting,
  greet,
  type Identity,
  type RefusalName,
  readGreeting,
  refusalOf,
  refusalStatus,
} from '../wire/handshake.js';
import { metadataOf, RAW_PROTOCOL } from '../wire/raw.js';
import { RawInbound, refuseUpgrade } from './raw-stream.js';
import { CallStream, type InboundCall, type InboundStream, type StreamKind } from './stream.js';

/** A request whose sender is known, answered with bytes; a rejection ends the call. */
export type UnaryHandler = (greeting: Greeting, request: Buffer) => Promise<Buffer>;

export interface PeerService {
  stream(stream: InboundStream, kind: StreamKind, greeting: Greeting): void;
  chunks(call: InboundCall, greeting: Greeting): void;
  readonly forward: UnaryHandler;
  readonly offer: UnaryHandler;
}

const PATH = '/metastore.peer.v1.Peer/';
/** Pings find connections whose other end has vanished, where no stream would notice. */
const KEEPALIVE_MS = 10_000;
/** A member has a handful of calls at a time on each of its connections. */
const CALLS_PER_CONNECTION_MAX = 128;

const streamNames: readonly (readonly [name: string, kind: StreamKind])[] = [
  ['Control', 'control'],
  ['Bulk', 'bulk'],
];

const asIs = (bytes: Buffer): Buffer => bytes;

/** Texts of the receiver's log for the refusals that operators look for. */
const logTexts: Partial<Record<RefusalName, string>> = {
  'cluster-id': 'request cluster ID mismatch',
  version: 'request version incompatibility',
  removed: 'rejected a request of a removed member',
  'unknown-sender': 'rejected a request of an unknown member',
  'wrong-receiver': 'rejected a request that is meant for another member',
};

export class PeerServer {
  readonly #self: Identity;
  readonly #known: Acquaintance;
  readonly #log: LogLimit;
  readonly #service: PeerService;
  readonly #rawStreams: boolean;
  readonly #server: grpc.Server;
  readonly #injector: ReturnType<grpc.Server['createConnectionInjector']>;
  readonly #sockets = new Set<Socket>();
  #stopped = false;

  /** @param rawStreams whether requests for raw streams are known */
  constructor(
    self: Identity,
    known: Acquaintance,
    service: PeerService,
    log: LogLimit,
    rawStreams: boolean,
  ) {
    this.#self = self;
    this.#known = known;
    this.#log = log;
    this.#service = service;
    this.#rawStreams = rawStreams;
    this.#server = new grpc.Server({
      ...messageLimits,
      'grpc.max_concurrent_streams': CALLS_PER_CONNECTION_MAX,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_MS,
    });
    for (const [name, kind] of streamNames) {
      this.#bidi(name, (call, greeting) => service.stream(new CallStream(call), kind, greeting));
    }
    this.#bidi('SendSnapshot', (call, greeting) => service.chunks(call, greeting));
    this.#unary('Forward', service.forward);
    this.#unary('OfferSnapshot', service.offer);
    this.#injector = this.#server.createConnectionInjector(serverCredentials());
    widenWindows(this.#server);
  }

  /** Gives what serves requests of other kinds access to the library's server. */
  customize(apply: (server: grpc.Server) => void): void {
    apply(this.#server);
  }

  /** Takes over a connection that speaks HTTP/2. */
  accept(socket: Socket): void {
    if (this.#stopped) {
      socket.destroy();
      return;
    }
    this.#note(socket);
    this.#injector.injectConnection(socket);
  }

  /**
   * Takes over a connection that asks, by HTTP/1.1, to become a raw stream. False when it asks for
   * something else: it is to be answered as if it had not asked.
   */
  upgrade(request: IncomingMessage, duplex: Duplex, head: Buffer): boolean {
    const name = (request.url ?? '').startsWith(PATH) ? request.url?.slice(PATH.length) : '';
    const kind = streamNames.find(([known]) => known === name)?.[1];
    const isAsked = request.headers.upgrade === RAW_PROTOCOL && request.method === 'GET';
    if (!this.#rawStreams || !isAsked || kind === undefined) {
      return false;
    }
    // What the ports hand on are sockets, encrypted or not.
    const socket = duplex as Socket;
    this.#note(socket);
    socket.setTimeout(0);
    socket.setNoDelay(true);
    const address = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? ''}`;
    const [greeting, refusal] = this.#check(metadataOf(request.headers), address);
    if (greeting === null) {
      refuseUpgrade(socket, refusal);
    } else {
      this.#service.stream(new RawInbound(socket, head), kind, greeting);
    }
    return true;
  }

  /** Ends every connection at once. */
  stop(): void {
    if (this.#stopped) {
      return;
    }
    this.#stopped = true;
    this.#server.forceShutdown();
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    this.#sockets.clear();
  }

  #note(socket: Socket): void {
    this.#sockets.add(socket);
    // Whoever sends garbage or goes away mid-frame must not end the process.
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #bidi(name: string, serve: (call: InboundCall, greeting: Greeting) => void): void {
    const handler: grpc.handleBidiStreamingCall<Buffer, Buffer> = (call) => {
      const [greeting, refusal] = this.#check(call.metadata, call.getPeer());
      if (greeting === null) {
        call.emit('error', refusal);
        // The library ends the call, but reads on: nobody must wait for that.
        call.resume();
        return;
      }
      serve(call, greeting);
    };
    this.#server.register(PATH + name, handler, asIs, asIs, 'bidi');
  }

  #unary(name: string, handle: UnaryHandler): void {
    const handler: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => {
      const [greeting, refusal] = this.#check(call.metadata, call.getPeer());
      if (greeting === null) {
        callback(refusal);
        return;
      }
      const from = greeting.identity.memberId;
      handle(greeting, call.request).then(
        (reply) => callback(null, reply, greet(this.#self, from)),
        (error: unknown) => {
          const detail = error instanceof Error ? error.message : String(error);
          callback(refusalStatus(this.#self, from, 'invalid-message', detail));
        },
      );
    };
    this.#server.register(PATH + name, handler, asIs, asIs, 'unary');
  }

  /** The greeting of a call that is served, or the status that refuses it. */
  #check(
    metadata: grpc.Metadata,
    address: string,
  ): readonly [Greeting, null] | readonly [null, grpc.ServiceError] {
    const greeting = readGreeting(metadata);
    const name = this.#stopped ? 'stopped' : refusalOf(this.#self, greeting, this.#known);
    if (name === null && greeting !== null) {
      return [greeting, null];
    }
    const refusal = name ?? 'malformed';
    const from = greeting?.identity.memberId ?? 0n;
    if (refusal !== 'stopped') {
      this.#log.warn(hexId(from), logTexts[refusal] ?? 'rejected a malformed request', {
        'local-member-id': hexId(this.#self.memberId),
        'local-member-cluster-id': hexId(this.#self.clusterId),
        'local-member-version': this.#self.version,
        'remote-peer-id': hexId(from),
        'remote-peer-cluster-id': hexId(greeting?.identity.clusterId ?? 0n),
        'remote-peer-version': greeting?.identity.version ?? '',
        'remote-peer-urls': greeting?.identity.peerUrls ?? [],
        'remote-addr': address,
      });
    }
    return [null, refusalStatus(this.#self, from, refusal)];
  }
}

/**
 * Lets more bytes be under way on each connection than the protocol's 64 KiB, which would bound the
 * speed by the round-trip time. The library has no option for it on the server; should a later
 * version keep its servers elsewhere, only that speed is lost.
 */
function widenWindows(server: grpc.Server): void {
  const internals = server as unknown as { http2Servers?: unknown };
  if (!(internals.http2Servers instanceof Map)) {
    return;
  }
  for (const http2 of internals.http2Servers.keys() as Iterable<WindowedServer>) {
    http2.updateSettings({ initialWindowSize: FLOW_WINDOW_BYTES });
    http2.on('session', (session) => session.setLocalWindowSize(FLOW_WINDOW_BYTES));
  }
}

interface WindowedServer {
  updateSettings(settings: { initialWindowSize: number }): void;
  on(
    event: 'session',
    listener: (session: { setLocalWindowSize(bytes: number): void }) => void,
  ): void;
}
