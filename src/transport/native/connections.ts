// How connections get to the plane: those in clear text with their descriptor, those of TLS by the
// bytes that Node's TLS gives and takes. Made by NativeServer, which tells what the plane tells.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import { bytesOf } from '../../base/bytes.js';
import type { Place } from '../limits.js';
import { commonNameOf } from '../tls/certificates.js';
import type { PeerName, Plane } from './call.js';

/** A connection that the plane has. */
interface Connection extends PeerName {
  /** Null for those in clear text, whose socket object is gone. */
  readonly socket: Socket | null;
  /** Gives the place of the connection back. */
  readonly leave: () => void;
}

/** How long a client may take to end a connection that has been ended from here. */
const LAST_WORDS_MS = 1000;

function peerOf(socket: Socket): string {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined) {
    return 'unknown';
  }
  return remotePort === undefined ? remoteAddress : `${remoteAddress}:${remotePort}`;
}

/** The descriptor of a connection; -1 when it has none any more. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: { fd?: number } | null };
  return handle?.fd ?? -1;
}

/** All that has been read and not been taken. */
function unreadOf(socket: Socket): Buffer {
  const chunk = socket.read() as Buffer | null;
  return chunk ?? Buffer.alloc(0);
}

export class Connections {
  readonly #plane: Plane;
  readonly #open = new Map<number, Connection>();
  #onEmpty: (() => void) | null = null;

  constructor(plane: Plane) {
    this.#plane = plane;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Who a connection is; calls of one that is gone come no more. */
  who(connection: number): PeerName {
    return this.#open.get(connection) ?? { peer: 'unknown', commonName: null };
  }

  /** Takes over a connection with whatever has been read of it. */
  take(socket: Socket, place: Place, shared: boolean): void {
    if (socket.destroyed) {
      return;
    }
    if (socket instanceof TLSSocket) {
      this.#attach(socket, shared);
    } else {
      this.#adopt(socket, place, shared);
    }
  }

  output(connection: number, bytes: Buffer): void {
    const { socket } = this.#open.get(connection) ?? { socket: null };
    const taken = () => this.#plane.outputTaken(connection, bytes.length);
    if (socket?.write(bytesOf(bytes), taken) === false) {
      // Who does not take answers is asked no further.
      socket.pause();
      socket.once('drain', () => socket.resume());
    }
  }

  closed(connection: number): void {
    const known = this.#open.get(connection);
    if (known === undefined) {
      return;
    }
    this.#open.delete(connection);
    known.leave();
    const { socket } = known;
    if (socket !== null && !socket.destroyed) {
      setTimeout(() => socket.destroy(), LAST_WORDS_MS).unref();
      socket.destroySoon();
    }
    if (this.#open.size === 0) {
      this.#onEmpty?.();
    }
  }

  /** Resolves when there is no connection left. */
  empty(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
      if (this.#open.size === 0) {
        resolve();
      }
    });
  }

  /** Cuts what is left; the plane has stopped. */
  cut(): void {
    for (const { socket, leave } of this.#open.values()) {
      leave();
      socket?.destroy();
    }
    this.#open.clear();
  }

  #adopt(socket: Socket, place: Place, shared: boolean): void {
    const peer = peerOf(socket);
    const first = unreadOf(socket);
    const fd = descriptorOf(socket);
    const leave = place.keep();
    const connection = fd < 0 ? -1 : this.#plane.adopt(fd, bytesOf(first), peer, shared);
    // The plane has its own descriptor by now: closing this one says nothing to the client.
    socket.destroy();
    if (connection < 0) {
      leave();
    } else {
      this.#open.set(connection, { peer, commonName: null, socket: null, leave });
    }
  }

  #attach(socket: TLSSocket, shared: boolean): void {
    const peer = peerOf(socket);
    const commonName = commonNameOf(socket);
    const connection = this.#plane.attach(peer, commonName ?? '', shared);
    if (connection < 0) {
      socket.destroy();
      return;
    }
    this.#open.set(connection, { peer, commonName, socket, leave: () => undefined });
    socket.on('data', (bytes: Buffer) => this.#plane.feed(connection, bytesOf(bytes)));
    socket.on('error', () => socket.destroy());
    // A client of HTTP/2 that sends no more has gone.
    socket.once('end', () => socket.destroy());
    socket.once('close', () => this.#plane.ended(connection));
  }
}
