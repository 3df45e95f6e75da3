// The border, third part: the plane, native threads that serve gRPC (native/plane/loop/plane.h).
//
// JavaScript keeps the listeners and hands connections over; calls that the plane does not serve by
// itself come here as events (plane-events.ts) and are answered by the commands below. Commands for
// calls and connections that are over are passed by, so nobody has to look first.

/** What a plane is opened with; times in milliseconds, 0 for never. */
export interface PlaneOptions {
  /** Threads, 1 to 8. */
  readonly lanes: number;
  /** Largest message of a client. */
  readonly maxReceiveBytes: number;
  /** Largest message to a client; 0 for no limit. */
  readonly maxSendBytes: number;
  /** Calls that one connection may have under way; 2^32 - 1 for no limit. */
  readonly maxConcurrentStreams: number;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** Idle time after which a client is pinged, and how long its answer may take. */
  readonly keepAliveIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
  /** Clients that ping more often are sent away. */
  readonly minPingMs: number;
  /** A connection without calls is drained after this time. */
  readonly idleMs: number;
  /** Bytes of clients' messages that may wait to be served, over all connections. */
  readonly heldBytesMost: number;
  /** Calls of KV under way natively above which further ones come to TypeScript. */
  readonly maxRequests: number;
  /** Calls that take longer are told of by a `slow` event. */
  readonly slowCallMs: number;
}

/** Calls by the version of the API that their clients name; `unknown` for none. */
export interface VersionCount {
  readonly version: string;
  readonly calls: number;
}

/** Kinds of event records (layouts: plane-events.ts); values are exported by the addon. */
export interface PlaneEventKinds {
  readonly call: number;
  readonly message: number;
  readonly halfClose: number;
  readonly ended: number;
  readonly taken: number;
  readonly http: number;
  readonly output: number;
  readonly closed: number;
  readonly keepAlives: number;
  readonly caller: number;
  readonly slow: number;
  readonly log: number;
}

/** Bits of what the plane may serve by itself (native/plane/gate.h). */
export interface GateFlags {
  readonly open: number;
  readonly leader: number;
  readonly solo: number;
  readonly auth: number;
  readonly growth: number;
  readonly lessor: number;
}

/** Marks in records of streams and their answers (native/plane/streams/streams.h). */
export interface StreamMarks {
  readonly watcher: number;
  readonly renewal: number;
  readonly opened: number;
  readonly askAgain: number;
}

/**
 * The plane of one core; its methods do nothing once it has been stopped, or its core closed.
 * Arguments of the wrong kind throw a TypeError. Nothing here waits.
 */
export interface NativePlane {
  /**
   * Serves a connected socket by a descriptor of the plane's own; destroy the socket afterwards,
   * without ending it. `firstBytes` have been read from it before. Returns the connection's number,
   * or a negative errno when there is none. One `closed` event follows, after all others.
   *
   * @param peer the client's address, for logs
   * @param shared requests that are not gRPC become `http` events instead of being refused
   */
  adopt(descriptor: number, firstBytes: Uint8Array, peer: string, shared: boolean): number;
  /**
   * A connection whose bytes JavaScript carries (TLS): feed() in, `output` events out. After
   * `closed` it is to be ended, once all output has been written.
   *
   * @param commonName of the client's verified certificate; empty without one
   */
  attach(peer: string, commonName: string, shared: boolean): number;
  /** What the client of an attached connection has sent. Stop reading while its output waits. */
  feed(connection: number, bytes: Uint8Array): void;
  /** The client of an attached connection is gone. */
  ended(connection: number): void;
  /** So many bytes of `output` have been written: of those at most 1 MiB is under way. */
  outputTaken(connection: number, bytes: number): void;

  /** Ends a call with one message and status OK. */
  reply(call: number, message: Uint8Array): void;
  /** Sends one message; a `taken` event counts those that have left. */
  send(call: number, message: Uint8Array): void;
  /** Ends a call with a gRPC status, behind all messages sent. */
  finish(call: number, code: number, text: string): void;
  /**
   * One more message (of http: piece of the body) is wanted. A call may deliver its first unasked;
   * asking says that the last one delivered has been dealt with, and gives its window back.
   */
  ask(call: number): void;
  /** `headers`: name, value, name, value ... with names in lower case. Once, before the rest. */
  httpRespond(call: number, status: number, headers: readonly string[]): void;
  /** A piece of the answer's body; a `taken` event counts those that have left. */
  httpSend(call: number, bytes: Uint8Array): void;
  httpEnd(call: number): void;
  /** Ends it without an end: something failed on the way. */
  httpReset(call: number): void;

  /** What may be served natively from now on: an OR of GateFlags. */
  gate(flags: number): void;
  /** Who creates a watch, as an event has asked; `refusal` a code of Addon.errors, 0 for none. */
  watchCaller(call: number, userName: string, authRevision: number, refusal: number): void;
  /** Renewals that `keepAlives` or `caller` events have asked for (src/api/services/streams). */
  keepAlivesDone(answers: Uint8Array): void;
  /** Ends native streams with a code of Addon.errors: all, or those that require a leader. */
  endStreams(code: number, requiringLeaderOnly: boolean): void;
  /** Counts of Watch, then of LeaseKeepAlive (native/plane/streams/counts.h). */
  streamCounts(): Float64Array;
  /**
   * The token of a call stands for the user, by that revision of users and roles, for so long at
   * most; calls with it may be served natively while authentication is on.
   */
  learnToken(token: string, userName: string, authRevision: number, validMs: number): void;
  /** Before users, roles, tokens, or whether they are asked for, change. */
  forgetTokens(): void;
  /**
   * Ends requests of KV that are older than `ageMs`. One that was never proposed is told
   * DeadlineExceeded; a proposal that began between the ages of failureFromMs and failureToMs that
   * a leader had failed, one older than connectedMs that a connection was lost; others Timeout.
   */
  expire(ageMs: number, failureFromMs: number, failureToMs: number, connectedMs: number): void;
  /** What has been counted of KV's calls (native/plane/hot/counts.h); also after stop(). */
  hotCounts(): Float64Array;
  hotVersions(): readonly VersionCount[];
  /** Calls of KV that are under way natively. */
  hotInFlight(): number;

  /** Everything that happened since the last call, as records, or null. Also after stop(). */
  drain(): Buffer | null;
  /** Connections that are open, attached ones too. */
  openConnections(): number;
  /** Numbers in the order of Addon.planeNumbers. */
  metrics(): Float64Array;
  /** Tells every client to go elsewhere with new calls; those under way go on. */
  drainConnections(): void;
  /**
   * Ends every call and connection, writing what sockets take at once, and joins the threads. Last
   * events wait in drain() when it resolves.
   */
  stop(): Promise<void>;
}
