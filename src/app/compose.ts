// The one place that builds the object graph: listeners, member, services, transport. Called by the
// life cycle, which owns the order of starting and stopping.

import { lstatSync, mkdirSync, rmSync } from 'node:fs';

import { OpenStreams } from '../api/guard.js';
import { httpRouter } from '../api/http/router.js';
import { buildHandlers } from '../api/table.js';
import { systemClock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { PeersFactory } from '../cluster/peers/types.js';
import { prepareStart } from '../server/bootstrap/prepare.js';
import { Member } from '../server/member.js';
import { loadAddon } from '../storage/loader.js';
import { GrpcServer } from '../transport/grpc-js/server.js';
import { type Address, type PortHandlers, SharedPort } from '../transport/port.js';
import type { ServerConfig } from './config.js';
import type { ServiceUrl } from './flags/urls.js';

/** Where a listener could not be opened. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** A server whose ports are open and whose data is recovered; it serves nobody yet. */
export interface Server {
  readonly member: Member;
  /** Serves clients from now on. */
  serve(): void;
  /** Stops serving: clients are told to go, calls under way end, streams are ended. */
  stopServing(): Promise<void>;
}

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

async function openPort(url: ServiceUrl, handlers: PortHandlers, log: Logger): Promise<SharedPort> {
  const port = new SharedPort(handlers, log);
  if (url.path !== '') {
    removeSocket(url.path);
  }
  try {
    await port.listen(addressOf(url));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const where = url.path === '' ? `tcp ${url.host}:${url.port}` : `unix ${url.path}`;
    const reason = code === 'EADDRINUSE' ? 'address already in use' : message;
    throw new ListenError(`listen ${where}: bind: ${reason}`);
  }
  return port;
}

/** A member that has nobody to talk to. */
const alone: PeersFactory = () => ({
  send: () => undefined,
  sendSnapshot: () => undefined,
  forward: () => Promise.reject(new Error('there is nobody')),
  update: () => undefined,
  activeTransfers: () => 0,
  connectedSinceMs: () => null,
  stop: () => Promise.resolve(),
});

/** Listeners that are open before there is anything to serve: connections wait. */
class ClientPorts {
  readonly #ports: SharedPort[] = [];
  #handlers: PortHandlers | null = null;

  async open(urls: readonly ServiceUrl[], log: Logger): Promise<void> {
    const handlers: PortHandlers = {
      http2: (socket) => this.#ready().http2(socket),
      http1: (request) => this.#ready().http1(request),
    };
    const seen = new Set<string>();
    for (const url of urls) {
      const place = `${url.host}:${url.port}${url.path}`;
      if (!seen.has(place)) {
        seen.add(place);
        this.#ports.push(await openPort(url, handlers, log));
      }
    }
  }

  serve(handlers: PortHandlers): void {
    this.#handlers = handlers;
    for (const port of this.#ports) {
      port.serve();
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#ports.map((port) => port.close()));
  }

  #ready(): PortHandlers {
    if (this.#handlers === null) {
      throw new Error('a connection was served before the server was ready');
    }
    return this.#handlers;
  }
}

/**
 * Opens ports and data. Whatever was opened is closed again when something fails.
 *
 * @throws ListenError, or what Member.open throws
 */
export async function compose(
  config: ServerConfig,
  log: Logger,
  onFatal: (message: string) => void,
): Promise<Server> {
  const addon = loadAddon();
  const ports = new ClientPorts();
  try {
    await ports.open(config.listenClientUrls, log);
    mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
    const started = await prepareStart(addon, config.member.core, config.start, log);
    const options = { ...config.member, ...started, onFatal, onRemoved: () => undefined };
    const member = await Member.open(addon, options, systemClock, log, alone);
    const streams = new OpenStreams(member);
    const electionMs = config.member.heartbeatMs * config.member.electionTicks;
    const stopPolling = systemClock.every(electionMs, () => streams.poll());
    const grpc = new GrpcServer(buildHandlers(member, streams), member.errors, config.grpc);
    const http1 = httpRouter(member, addon.syncSecondsBounds);
    return {
      member,
      serve: () => ports.serve({ http2: (socket) => grpc.accept(socket), http1 }),
      stopServing: async () => {
        const closed = ports.close();
        const drained = grpc.stop(config.stopGraceMs);
        stopPolling();
        streams.stop();
        await Promise.all([closed, drained]);
      },
    };
  } catch (error) {
    await ports.close();
    throw error;
  }
}
