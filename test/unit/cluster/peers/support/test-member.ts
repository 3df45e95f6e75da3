// One end of the peer transport in a test: real sockets on 127.0.0.1, a core in memory, and events
// and log lines that are kept to be looked at. Several of them make a cluster without Raft.

import type { Socket } from 'node:net';
import { systemClock } from '../../../../../src/base/clock.js';
import type { SharedErrorCode } from '../../../../../src/base/errors.js';
import type { LogFields, Logger } from '../../../../../src/base/log/logger.js';
import type { PeersOptions } from '../../../../../src/cluster/peers/options.js';
import { Peers } from '../../../../../src/cluster/peers/peers.js';
import type { PeerAddress, PeerEvents } from '../../../../../src/cluster/peers/types.js';
import type { Message } from '../../../../../src/raft/index.js';
import { SharedPort } from '../../../../../src/transport/port.js';
import { freePorts } from '../../../../support/ports.js';
import { FakePeerCore } from './fake-peer-core.js';

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

export class CollectedLog implements Logger {
  readonly lines: LogLine[] = [];

  debug(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'debug', message, fields });
  }
  info(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'info', message, fields });
  }
  warn(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'warn', message, fields });
  }
  error(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'error', message, fields });
  }
  fatal(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: 'fatal', message, fields });
  }
  child(): Logger {
    return this;
  }
  enabled(): boolean {
    return true;
  }
  /** Lines with the text. */
  with(message: string): LogLine[] {
    return this.lines.filter((line) => line.message === message);
  }
}

export class TestEvents implements PeerEvents {
  readonly received: Message[] = [];
  readonly forwards: { readonly term: number; readonly bytes: Buffer }[] = [];
  forwardAnswer: SharedErrorCode | null = null;
  readonly unreachableAtMs: { readonly id: bigint; readonly ms: number }[] = [];
  readonly done: { readonly to: bigint; readonly ok: boolean }[] = [];
  readonly snapshots: { readonly message: Message; readonly importId: number }[] = [];
  removedCount = 0;
  readonly removedIds = new Set<bigint>();
  readonly roundTrips: number[] = [];

  receive(message: Message): void {
    this.received.push(message);
  }
  forwarded(term: number, forwards: Uint8Array): SharedErrorCode | null {
    this.forwards.push({ term, bytes: Buffer.from(forwards) });
    return this.forwardAnswer;
  }
  unreachable(id: bigint): void {
    this.unreachableAtMs.push({ id, ms: performance.now() });
  }
  snapshotDone(to: bigint, ok: boolean): void {
    this.done.push({ to, ok });
  }
  snapshotReceived(message: Message, importId: number): void {
    this.snapshots.push({ message, importId });
  }
  removed(): void {
    this.removedCount++;
  }
  isRemoved(id: bigint): boolean {
    return this.removedIds.has(id);
  }
  roundTrip(_id: bigint, milliseconds: number): void {
    this.roundTrips.push(milliseconds);
  }
}

export const CLUSTER_ID = 0xcdf818194e3a8c32n;

export class TestMember {
  readonly id: bigint;
  readonly port: number;
  readonly core = new FakePeerCore();
  readonly events = new TestEvents();
  readonly log = new CollectedLog();
  readonly peers: Peers;
  /** Where connections have come from. */
  readonly remoteAddresses: string[] = [];
  readonly #server: SharedPort;
  readonly #sockets = new Set<Socket>();

  private constructor(id: bigint, port: number, options: Partial<PeersOptions>) {
    this.id = id;
    this.port = port;
    this.peers = new Peers(
      {
        clusterId: CLUSTER_ID,
        memberId: id,
        version: '3.7.1',
        minClusterVersion: '3.0.0',
        engine: 'memory',
        peerUrls: [this.url],
        electionMs: 300,
        requestTimeoutMs: 2000,
        snapshotBytesPerSecond: 0,
        rawStreams: process.env.METASTORE_PEER_STREAMS !== 'grpc',
        ...options,
      },
      this.core,
      this.events,
      systemClock,
      this.log,
    );
    const note = (socket: Socket) => {
      this.#sockets.add(socket);
      this.remoteAddresses.push(socket.remoteAddress ?? '');
      socket.once('close', () => this.#sockets.delete(socket));
    };
    this.#server = new SharedPort(
      {
        http2: (socket) => {
          note(socket);
          this.peers.grpcServer.accept(socket);
        },
        http1: async () => ({ status: 404, headers: {}, body: '' }),
        upgrade: (request, socket, head) => {
          note(socket as Socket);
          return this.peers.grpcServer.upgrade(request, socket, head);
        },
      },
      this.log,
    );
  }

  static async start(
    id: bigint,
    options: Partial<PeersOptions> = {},
    port?: number,
  ): Promise<TestMember> {
    const [free] = await freePorts(1);
    const member = new TestMember(id, port ?? (free as number), options);
    await member.#server.listen({ host: '127.0.0.1', port: member.port });
    member.#server.serve();
    return member;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get address(): PeerAddress {
    return { id: this.id, peerUrls: [this.url] };
  }

  /** Whether both know each other to be connected. */
  isConnected(other: TestMember): boolean {
    return (
      this.peers.connectedSinceMs(other.id) !== null &&
      other.peers.connectedSinceMs(this.id) !== null
    );
  }

  async stop(): Promise<void> {
    await this.peers.stop();
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    await this.#server.close();
  }
}

/** Starts members that all know each other. */
export async function cluster(
  count: number,
  options: Partial<PeersOptions> = {},
): Promise<TestMember[]> {
  const members: TestMember[] = [];
  for (let i = 1; i <= count; i++) {
    members.push(await TestMember.start(BigInt(i), options));
  }
  for (const member of members) {
    const others = members.filter((other) => other !== member);
    member.peers.update(others.map((other) => other.address));
  }
  return members;
}
