// The listeners of one kind, clients' or peers': opened before there is anything to serve, so that
// a port in use ends the start at once; connections wait until `serve`. Used by compose.

import { lstatSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';

import type { Logger } from '../../base/log/logger.js';
import { type Address, type PortHandlers, SharedPort } from '../../transport/port.js';
import type { ServiceUrl } from '../flags/values/urls.js';

/** Where a listener could not be opened. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  /** Who was to be served there. */
  readonly side: PortSide;

  constructor(side: PortSide, message: string) {
    super(message);
    this.side = side;
  }
}

export type PortSide = 'client' | 'peer';

function addressOf(url: ServiceUrl): Address {
  if (url.path !== '') {
    return { path: url.path };
  }
  const everywhere = url.host === '0.0.0.0' || url.host === '::';
  // Clients try 127.0.0.1 for it, whatever the resolver puts first here.
  const host = url.host === 'localhost' ? '127.0.0.1' : url.host;
  return { host: everywhere ? '' : host, port: url.port };
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

export class Ports {
  readonly #side: PortSide;
  readonly #ports: SharedPort[] = [];
  // HTTP/2 connections that came after `announce` and before `serve`.
  readonly #waiting = new Set<Socket>();
  #announced = false;
  #handlers: PortHandlers | null = null;

  constructor(side: PortSide) {
    this.#side = side;
  }

  /** @throws ListenError */
  async open(urls: readonly ServiceUrl[], log: Logger): Promise<void> {
    const handlers: PortHandlers = {
      http2: (socket) => this.#ready().http2(socket),
      http1: (request) => this.#ready().http1(request),
      upgrade: (request, socket, head) => this.#ready().upgrade?.(request, socket, head) ?? false,
    };
    const seen = new Set<string>();
    for (const url of urls) {
      const place = `${url.host}:${url.port}${url.path}`;
      if (!seen.has(place)) {
        seen.add(place);
        await this.#openOne(url, new SharedPort(handlers, log));
      }
    }
  }

  /**
   * Answers HTTP/1 requests at once, saying that there is nothing yet: members that start together
   * ask each other, and must not wait for each other. HTTP/2 connections wait until `serve`.
   */
  announce(): void {
    this.#announced = true;
    this.#handlers = {
      http2: (socket) => {
        this.#waiting.add(socket);
        socket.once('close', () => this.#waiting.delete(socket));
      },
      http1: async () => starting,
    };
    for (const port of this.#ports) {
      port.serve();
    }
  }

  serve(handlers: PortHandlers): void {
    this.#handlers = handlers;
    for (const socket of this.#waiting) {
      handlers.http2(socket);
    }
    this.#waiting.clear();
    for (const port of this.#announced ? [] : this.#ports) {
      port.serve();
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#waiting) {
      socket.destroy();
    }
    await Promise.all(this.#ports.map((port) => port.close()));
  }

  async #openOne(url: ServiceUrl, port: SharedPort): Promise<void> {
    if (url.path !== '') {
      removeSocket(url.path);
    }
    try {
      await port.listen(addressOf(url));
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const where = url.path === '' ? `tcp ${url.host}:${url.port}` : `unix ${url.path}`;
      const reason = code === 'EADDRINUSE' ? 'address already in use' : message;
      throw new ListenError(this.#side, `listen ${where}: bind: ${reason}`);
    }
    this.#ports.push(port);
  }

  #ready(): PortHandlers {
    if (this.#handlers === null) {
      throw new Error('a connection was served before the server was ready');
    }
    return this.#handlers;
  }
}
