// The listeners of one kind, clients' or peers': opened before there is anything to serve, so that
// a port in use ends the start at once; connections wait until `serve`. Used by compose.

import { lstatSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';

import type { HttpHandler, HttpUpgrade } from '../../base/call.js';
import type { Logger } from '../../base/log/logger.js';
import type { ConnectionLimit, Place } from '../../transport/limits.js';
import { type Address, type PortHandlers, SharedPort } from '../../transport/port.js';
import { TlsAcceptor } from '../../transport/tls/acceptor.js';
import { type GuardTls, hasCertificate, type TlsFiles } from '../../transport/tls/options.js';
import type { ServiceUrl } from '../flags/values/urls.js';

export type PortSide = 'client' | 'peer';

/** Where a listener could not be opened. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  /** Who was to be served there. */
  readonly side: PortSide;
  /** What the last line of the log is about. */
  readonly title: string;

  constructor(side: PortSide, message: string, title = 'discovery failed') {
    super(message);
    this.side = side;
    this.title = title;
  }
}

/** What is spoken on a port: everything, or one of the two alone. */
export type Traffic = 'grpc+http' | 'grpc' | 'http';

export interface Listener {
  readonly url: ServiceUrl;
  readonly traffic: Traffic;
}

/** Who takes connections and requests, by what they are. */
export interface Services {
  /** HTTP/2 connections for gRPC alone: clear text, or where no HTTP is served. */
  readonly grpc: (socket: Socket, place: Place) => void;
  /** Encrypted HTTP/2 connections, whose requests may be gRPC or not. */
  readonly shared: (socket: Socket, place: Place) => void;
  /** Encrypted HTTP/2 connections where no gRPC is served. */
  readonly json: (socket: Socket) => void;
  readonly http1: HttpHandler;
  readonly upgrade?: HttpUpgrade;
}

export interface PortsOptions {
  readonly tls: TlsFiles;
  readonly guard: GuardTls;
  /** Addresses of clients must be among the names of their certificates. */
  readonly checkAddresses: boolean;
  readonly limit: ConnectionLimit | null;
  /** A bound socket with SO_REUSEPORT, or a negative errno; null to bind without. */
  readonly bindReusable: ((host: string, port: number) => number) | null;
}

export function isSecure({ scheme }: ServiceUrl): boolean {
  return scheme === 'https' || scheme === 'unixs';
}

/** As logs name it: `host:port`, or the file of a socket. */
export function placeText({ path, host, port }: ServiceUrl): string {
  return path === '' ? `${host}:${port}` : path;
}

function hostOf({ host }: ServiceUrl): string {
  const everywhere = host === '0.0.0.0' || host === '::';
  // Clients try 127.0.0.1 for it, whatever the resolver puts first here.
  return everywhere ? '' : host === 'localhost' ? '127.0.0.1' : host;
}

/** Removes the socket file that a killed process left behind; anything else is left to fail. */
function removeSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true) {
    rmSync(path);
  }
}

const starting = {
  status: 503,
  headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
  body: 'the member is starting\n',
};

/** All URLs of one place, which share a port. */
interface Group {
  readonly urls: ServiceUrl[];
  traffic: Traffic;
}

export class Ports {
  readonly #side: PortSide;
  readonly #options: PortsOptions;
  readonly #ports: SharedPort[] = [];
  // HTTP/2 connections that came after `announce` and before `serve`.
  readonly #waiting = new Map<Socket, (services: Services) => void>();
  #announced = false;
  #services: Services | null = null;

  constructor(side: PortSide, options: PortsOptions) {
    this.#side = side;
    this.#options = options;
  }

  /** @throws ListenError, or TlsError when a file of TLS is missing or wrong */
  async open(listeners: readonly Listener[], log: Logger): Promise<void> {
    const groups = new Map<string, Group>();
    for (const { url, traffic } of listeners) {
      const place = url.path === '' ? `${hostOf(url)}:${url.port}` : url.path;
      const group = groups.get(place);
      if (group === undefined) {
        groups.set(place, { urls: [url], traffic });
      } else {
        group.urls.push(url);
        group.traffic = group.traffic === traffic ? traffic : 'grpc+http';
      }
    }
    for (const { urls, traffic } of groups.values()) {
      await this.#openOne(urls, traffic, log);
    }
  }

  /**
   * Answers HTTP/1 requests at once, saying that there is nothing yet: members that start together
   * ask each other, and must not wait for each other. HTTP/2 connections wait until `serve`.
   */
  announce(): void {
    this.#announced = true;
    for (const port of this.#ports) {
      port.serve();
    }
  }

  serve(services: Services): void {
    this.#services = services;
    for (const take of this.#waiting.values()) {
      take(services);
    }
    this.#waiting.clear();
    for (const port of this.#announced ? [] : this.#ports) {
      port.serve();
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#waiting.keys()) {
      socket.destroy();
    }
    await Promise.all(this.#ports.map((port) => port.close()));
  }

  #handlers(traffic: Traffic): PortHandlers {
    const http1: HttpHandler = async (request) => this.#services?.http1(request) ?? starting;
    return {
      http2: (socket, secure, place) => {
        this.#whenServing(socket, (services) => {
          if (traffic === 'http') {
            if (secure) {
              services.json(socket);
            } else {
              socket.destroy();
            }
          } else if (traffic === 'grpc' || !secure) {
            services.grpc(socket, place);
          } else {
            services.shared(socket, place);
          }
        });
      },
      http1: traffic === 'grpc' ? null : http1,
      upgrade: (request, socket, head) => this.#services?.upgrade?.(request, socket, head) ?? false,
    };
  }

  #whenServing(socket: Socket, take: (services: Services) => void): void {
    if (this.#services !== null) {
      take(this.#services);
      return;
    }
    this.#waiting.set(socket, take);
    socket.once('close', () => this.#waiting.delete(socket));
  }

  async #openOne(urls: readonly ServiceUrl[], traffic: Traffic, log: Logger): Promise<void> {
    const [url] = urls;
    if (url === undefined) {
      return;
    }
    const { tls, guard, checkAddresses, limit } = this.#options;
    const secure = urls.find(isSecure);
    if (secure !== undefined && !hasCertificate(tls)) {
      throw new ListenError(this.#side, missingCertificate(this.#side, secure));
    }
    const options = { files: tls, side: this.#side, checkAddresses, guard };
    const protocols = ['h2', 'http/1.1'];
    const port = new SharedPort(this.#handlers(traffic), log, {
      clear: urls.some((other) => !isSecure(other)),
      secure:
        secure === undefined
          ? null
          : (take) => new TlsAcceptor({ ...options, protocols }, take, log),
      limit,
      side: this.#side,
    });
    if (url.path !== '') {
      removeSocket(url.path);
    }
    try {
      await port.listen(this.#addressOf(url));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const where = url.path === '' ? `tcp ${url.host}:${url.port}` : `unix ${url.path}`;
      const reason = code === 'EADDRINUSE' ? 'address already in use' : message;
      throw new ListenError(this.#side, `listen ${where}: bind: ${reason}`);
    }
    this.#ports.push(port);
  }

  #addressOf(url: ServiceUrl): Address {
    const { bindReusable } = this.#options;
    if (url.path !== '') {
      return { path: url.path };
    }
    const host = hostOf(url);
    if (bindReusable === null) {
      return { host, port: url.port };
    }
    const fd = bindReusable(host, url.port);
    if (fd < 0) {
      const code = getSystemErrorName(fd);
      throw Object.assign(new Error(`bind ${code}`), { code });
    }
    return { fd };
  }
}

function missingCertificate(side: PortSide, url: ServiceUrl): string {
  if (side === 'peer') {
    return `cannot listen on TLS for ${placeText(url)}: KeyFile and CertFile are not presented`;
  }
  return (
    `TLS key/cert (--cert-file, --key-file) must be provided for client url ${url.text} ` +
    'with HTTPS scheme'
  );
}
