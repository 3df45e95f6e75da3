// One listening port for everything: a connection's first byte tells TLS from clear text; then its
// first bytes, or what the handshake agreed on, tell HTTP/2 from HTTP/1. The bytes looked at are
// put back before the connection is handed on.

import { createServer, type Server as NetServer, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import { bytesOf } from '../base/bytes.js';
import type { HttpHandler, HttpUpgrade } from '../base/call.js';
import type { Logger } from '../base/log/logger.js';
import { Http1Server } from './http1.js';
import { type ConnectionLimit, Place } from './limits.js';
import { refuseConnection } from './refusal.js';
import type { TlsAcceptor } from './tls/acceptor.js';

/** The first bytes of an HTTP/2 connection (RFC 9113 §3.4), as far as HTTP/1 never begins so. */
const PREFACE = Buffer.from('PRI');
/** The first byte of a TLS connection: a record of type handshake. */
const HANDSHAKE = 0x16;
/** How long a client may take for its first bytes. */
const FIRST_BYTES_TIMEOUT_MS = 10_000;
const TCP_KEEPALIVE_MS = 30_000;
/** Connections that may wait to be accepted. */
const BACKLOG = 4096;
/** One line in so long about connections that found no place. */
const REFUSAL_LOG_INTERVAL_MS = 1000;

export interface PortHandlers {
  /** Takes a connection that speaks HTTP/2, and has its place under the limit. */
  readonly http2: (socket: Socket, isSecure: boolean, place: Place) => void;
  /** Null where HTTP/1 is not spoken: clear text is HTTP/2 then, whatever it looks like. */
  readonly http1: HttpHandler | null;
  /** Without one, a client's wish for another protocol is passed over. */
  readonly upgrade?: HttpUpgrade;
}

/** Where to listen: a host (empty for all) and port, the file of a socket, or a bound socket. */
export type Address =
  | { readonly host: string; readonly port: number }
  | { readonly path: string }
  | { readonly fd: number };

export interface PortOptions {
  /** Whether clear text is served. */
  readonly clear: boolean;
  /** Makes what ends encryption; null where there is none. */
  readonly secure: ((take: (socket: TLSSocket) => void) => TlsAcceptor) | null;
  /** Bounds the open connections of this and other ports. */
  readonly limit: ConnectionLimit | null;
  /** Who connects, for the log. */
  readonly side: 'client' | 'peer';
}

const clearText: PortOptions = { clear: true, secure: null, limit: null, side: 'client' };

export class SharedPort {
  readonly #handlers: PortHandlers;
  readonly #log: Logger;
  readonly #options: PortOptions;
  readonly #listener: NetServer;
  readonly #acceptor: TlsAcceptor | null;
  readonly #http: Http1Server;
  // Connections that nobody has taken yet, or that speak HTTP/1.
  readonly #own = new Set<Socket>();
  readonly #places = new WeakMap<Socket, Place>();
  #open = false;
  #refusedAtMs = Number.NEGATIVE_INFINITY;

  /** @throws TlsError when TLS is wanted and cannot be had */
  constructor(handlers: PortHandlers, log: Logger, options: PortOptions = clearText) {
    this.#handlers = handlers;
    this.#log = log;
    this.#options = options;
    this.#acceptor = options.secure?.((socket) => this.#takeSecure(socket)) ?? null;
    this.#http = new Http1Server(
      (request) => (handlers.http1 ?? refuse)(request),
      (request, socket, head) => handlers.upgrade?.(request, socket, head) ?? false,
      log,
    );
    this.#listener = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /**
   * Opens the port; connections are not served before `serve`.
   *
   * @throws the operating system's error, such as EADDRINUSE
   */
  async listen(address: Address): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#listener.once('error', reject);
      this.#listener.listen({ ...placeOf(address), backlog: BACKLOG }, () => {
        this.#listener.removeListener('error', reject);
        this.#listener.on('error', (error) => this.#log.error('listener failed', { error }));
        resolve();
      });
    });
  }

  /** The port number that was really opened. */
  get port(): number {
    const address = this.#listener.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Serves connections from now on, those that wait first. */
  serve(): void {
    this.#open = true;
    for (const socket of this.#own) {
      this.#sniff(socket);
    }
  }

  /** Accepts no more connections and ends those that are not HTTP/2. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    this.#acceptor?.close();
    for (const socket of this.#own) {
      socket.destroy();
    }
    this.#own.clear();
    // Connections that were handed on hold up the listener's end until their owner closes them.
    await Promise.race([closed, new Promise<void>((resolve) => setImmediate(resolve))]);
  }

  #accept(socket: Socket): void {
    const { limit } = this.#options;
    if (limit !== null && !limit.take()) {
      this.#refuse(socket, limit.max);
      return;
    }
    this.#own.add(socket);
    const place = new Place(limit);
    this.#places.set(socket, place);
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#own.delete(socket);
      place.socketClosed();
    });
    if (this.#open) {
      this.#sniff(socket);
    }
  }

  #refuse(socket: Socket, max: number): void {
    const error = `too many open connections, the limit is ${max}`;
    const now = performance.now();
    if (now - this.#refusedAtMs >= REFUSAL_LOG_INTERVAL_MS) {
      this.#refusedAtMs = now;
      this.#log.warn(`rejected connection on ${this.#options.side} endpoint`, {
        'remote-addr': `${socket.remoteAddress ?? ''}:${socket.remotePort ?? ''}`,
        error,
      });
    }
    refuseConnection(socket, error);
  }

  #sniff(socket: Socket): void {
    const timer = setTimeout(() => socket.destroy(), FIRST_BYTES_TIMEOUT_MS);
    socket.once('close', () => clearTimeout(timer));
    let seen = Buffer.alloc(0);
    const look = () => {
      const chunk = socket.read() as Buffer | null;
      if (chunk === null) {
        return;
      }
      seen = Buffer.concat([bytesOf(seen), bytesOf(chunk)]);
      const isSecure = this.#acceptor !== null && seen[0] === HANDSHAKE;
      const length = Math.min(seen.length, PREFACE.length);
      const matches = seen.compare(bytesOf(PREFACE), 0, length, 0, length) === 0;
      if (!isSecure && matches && length < PREFACE.length) {
        return;
      }
      socket.removeListener('readable', look);
      clearTimeout(timer);
      socket.unshift(bytesOf(seen));
      if (isSecure || !this.#options.clear) {
        this.#startTls(socket, isSecure);
      } else {
        this.#takeClear(socket, matches);
      }
    };
    socket.on('readable', look);
  }

  #startTls(socket: Socket, isHandshake: boolean): void {
    if (this.#acceptor !== null && isHandshake) {
      this.#acceptor.accept(socket);
      return;
    }
    this.#log.warn(`rejected connection on ${this.#options.side} endpoint`, {
      'remote-addr': `${socket.remoteAddress ?? ''}:${socket.remotePort ?? ''}`,
      'server-name': '',
      error: 'tls: first record does not look like a TLS handshake',
    });
    socket.destroy();
  }

  #takeClear(socket: Socket, isHttp2: boolean): void {
    if (isHttp2 || this.#handlers.http1 === null) {
      this.#own.delete(socket);
      this.#handlers.http2(socket, false, this.#placeOf(socket));
    } else {
      this.#http.accept(socket);
    }
  }

  #placeOf(socket: Socket | undefined): Place {
    return (socket && this.#places.get(socket)) ?? new Place(null);
  }

  #takeSecure(socket: TLSSocket): void {
    // The connection below ends with this one, and is not to be ended before it.
    const { _parent: raw } = socket as unknown as { _parent?: Socket };
    if (socket.alpnProtocol === 'h2') {
      if (raw !== undefined) {
        this.#own.delete(raw);
      }
      this.#handlers.http2(socket, true, this.#placeOf(raw));
    } else if (this.#handlers.http1 === null) {
      socket.destroy();
    } else {
      socket.on('error', () => socket.destroy());
      this.#http.accept(socket);
    }
  }
}

function placeOf(address: Address) {
  if ('port' in address) {
    return { port: address.port, ...(address.host === '' ? {} : { host: address.host }) };
  }
  return address;
}

/** Never called: where HTTP/1 is not spoken no connection gets so far. */
const refuse: HttpHandler = async () => ({ status: 503, headers: {}, body: '' });
