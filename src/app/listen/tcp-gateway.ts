// A gateway that passes connections on to the members of a cluster, bytes as they come, so that
// clients on one machine need one address. Run by the subcommand `gateway`; it knows nothing of
// what it carries.

import { connect, createServer, type Server, type Socket } from 'node:net';

import type { Logger } from '../../base/log/logger.js';

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** A member, and whether the last attempt to reach it went well. */
interface Remote extends Place {
  isActive: boolean;
}

/** How long a member may take to accept a connection. */
const CONNECT_MS = 5000;

const nameOf = ({ host, port }: Place): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;

function dial(remote: Place): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect({ ...remote, noDelay: true, allowHalfOpen: true });
    const fail = () => {
      socket.destroy();
      resolve(null);
    };
    const late = setTimeout(fail, CONNECT_MS);
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(late);
      socket.off('error', fail);
      resolve(socket);
    });
    socket.once('close', () => clearTimeout(late));
  });
}

/** Carries both directions; when either side breaks, so does the other. */
function join(client: Socket, member: Socket): void {
  client.pipe(member);
  member.pipe(client);
  for (const [one, other] of [
    [client, member],
    [member, client],
  ] as const) {
    one.on('error', () => other.destroy());
    one.on('close', () => other.destroy());
  }
}

export class TcpGateway {
  readonly #remotes: Remote[];
  readonly #retryMs: number;
  readonly #log: Logger;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #next = 0;
  #retry: NodeJS.Timeout | null = null;

  /** @param retryMs how often members that were not reached are tried again */
  constructor(remotes: readonly Place[], retryMs: number, log: Logger) {
    this.#remotes = remotes.map((remote) => ({ ...remote, isActive: true }));
    this.#retryMs = retryMs;
    this.#log = log;
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
      this.#serve(client);
    });
  }

  /** Resolves with the port that is listened on. Rejects when there is none. */
  listen({ host, port }: Place): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject);
        this.#retry = setInterval(() => void this.#reactivate(), this.#retryMs);
        const endpoints = this.#remotes.map(nameOf);
        this.#log.info('ready to proxy client requests', { endpoints });
        const address = this.#server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  close(): void {
    if (this.#retry !== null) {
      clearInterval(this.#retry);
    }
    this.#server.close();
    for (const socket of this.#sockets) {
      socket.destroy();
    }
  }

  async #serve(client: Socket): Promise<void> {
    this.#note(client);
    // What fails before there is a member to tell has nobody to be told to.
    client.on('error', () => undefined);
    for (let tries = 0; tries < this.#remotes.length; tries++) {
      const remote = this.#pick();
      if (remote === null) {
        break;
      }
      const member = await dial(remote);
      if (member !== null) {
        this.#note(member);
        if (client.destroyed) {
          member.destroy();
        } else {
          join(client, member);
        }
        return;
      }
      remote.isActive = false;
      this.#log.warn('deactivated endpoint', {
        address: nameOf(remote),
        interval: `${this.#retryMs / 1000}s`,
      });
    }
    client.destroy();
  }

  /** The next member in turn among those that were reached last time. */
  #pick(): Remote | null {
    for (let tries = 0; tries < this.#remotes.length; tries++) {
      const remote = this.#remotes[this.#next % this.#remotes.length];
      this.#next += 1;
      if (remote?.isActive === true) {
        return remote;
      }
    }
    return null;
  }

  async #reactivate(): Promise<void> {
    for (const remote of this.#remotes.filter(({ isActive }) => !isActive)) {
      const socket = await dial(remote);
      if (socket !== null) {
        socket.destroy();
        remote.isActive = true;
        this.#log.info('activated', { address: nameOf(remote) });
      }
    }
  }

  #note(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
