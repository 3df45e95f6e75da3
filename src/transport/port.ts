// One listening port for everything: a connection's first bytes tell HTTP/2 (gRPC, which opens with
// the preface "PRI") from HTTP/1. The bytes looked at are put back before the connection is handed
// on.

import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { bytesOf } from '../base/bytes.js';
import type { HttpHandler, HttpUpgrade } from '../base/call.js';
import type { Logger } from '../base/log/logger.js';
import { Http1Server } from './http1.js';

/** The first bytes of an HTTP/2 connection (RFC 9113 §3.4), as far as HTTP/1 never begins so. */
const PREFACE = Buffer.from('PRI');
/** How long a client may take for its first bytes. */
const FIRST_BYTES_TIMEOUT_MS = 10_000;
const TCP_KEEPALIVE_MS = 30_000;
/** Connections that may wait to be accepted. */
const BACKLOG = 4096;

export interface PortHandlers {
  /** Takes a connection that speaks HTTP/2. */
  readonly http2: (socket: Socket) => void;
  readonly http1: HttpHandler;
  /** Without one, a client's wish for another protocol is passed over. */
  readonly upgrade?: HttpUpgrade;
}

/** Where to listen: a host (empty for all) and port, or the file of a socket. */
export type Address = { readonly host: string; readonly port: number } | { readonly path: string };

export class SharedPort {
  readonly #handlers: PortHandlers;
  readonly #log: Logger;
  readonly #listener: NetServer;
  readonly #http: Http1Server;
  // Connections that nobody has taken yet, or that speak HTTP/1.
  readonly #own = new Set<Socket>();
  #open = false;

  constructor(handlers: PortHandlers, log: Logger) {
    this.#handlers = handlers;
    this.#log = log;
    this.#http = new Http1Server(
      (request) => handlers.http1(request),
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
      const place =
        'path' in address
          ? { path: address.path }
          : { port: address.port, ...(address.host === '' ? {} : { host: address.host }) };
      this.#listener.listen({ ...place, backlog: BACKLOG }, () => {
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
    for (const socket of this.#own) {
      socket.destroy();
    }
    this.#own.clear();
    // Connections that were handed on hold up the listener's end until their owner closes them.
    await Promise.race([closed, new Promise<void>((resolve) => setImmediate(resolve))]);
  }

  #accept(socket: Socket): void {
    this.#own.add(socket);
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => this.#own.delete(socket));
    if (this.#open) {
      this.#sniff(socket);
    }
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
      const length = Math.min(seen.length, PREFACE.length);
      const matches = seen.compare(bytesOf(PREFACE), 0, length, 0, length) === 0;
      if (matches && length < PREFACE.length) {
        return;
      }
      socket.removeListener('readable', look);
      clearTimeout(timer);
      socket.unshift(bytesOf(seen));
      this.#handOn(socket, matches);
    };
    socket.on('readable', look);
  }

  #handOn(socket: Socket, isHttp2: boolean): void {
    if (isHttp2) {
      this.#own.delete(socket);
      this.#handlers.http2(socket);
    } else {
      this.#http.accept(socket);
    }
  }
}
