// Stands in front of a member's peer port on the address that the member advertises, and treats
// each connection by the rules for the pair of members that it joins. Used by the cluster harness.
// Who dials is found through the operating system, so nothing is asked of the protocol.

import type { AddressInfo, Server } from 'node:net';
import { connect, createServer, type Socket } from 'node:net';

import { resetOrClose } from '../../ports.js';
import type { LinkedConnection, Links } from './links.js';
import { Pump } from './pump.js';

/** Name of a dialler that is no member: its connections always pass. */
export const outsider = 'outside';

/** Who holds the other end of a connection, by its port; null when nobody does any more. */
export type FindDialler = (port: number, proxyPort: number) => string | null;

class Connection implements LinkedConnection {
  readonly dialler: string;
  readonly receiver: string;
  readonly #links: Links;
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #pumps: readonly Pump[];

  constructor(links: Links, dialler: string, receiver: string, near: Socket, port: number) {
    this.#links = links;
    this.dialler = dialler;
    this.receiver = receiver;
    this.#near = near;
    this.#far = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    this.#pumps = [
      this.#pump(near, this.#far, dialler, receiver),
      this.#pump(this.#far, near, receiver, dialler),
    ];
    links.add(this);
    for (const socket of [near, this.#far]) {
      socket.on('error', () => this.reset());
      socket.on('close', () => this.#closed());
    }
    this.update();
  }

  #pump(source: Socket, sink: Socket, from: string, to: string): Pump {
    return new Pump(
      source,
      sink,
      () => this.#links.rule(from, to),
      (count) => this.#links.count(from, to, count),
    );
  }

  update(): void {
    const { dialler, receiver } = this;
    const modes = [
      this.#links.rule(dialler, receiver).mode,
      this.#links.rule(receiver, dialler).mode,
    ];
    if (modes.includes('refuse')) {
      this.reset();
      return;
    }
    for (const pump of this.#pumps) pump.flush();
  }

  reset(): void {
    resetOrClose(this.#near);
    resetOrClose(this.#far);
  }

  /** One end is gone: what is still held back goes with it, as on a host that has gone. */
  #closed(): void {
    if (!this.#near.destroyed || !this.#far.destroyed) this.reset();
    for (const pump of this.#pumps) pump.stop();
    this.#links.remove(this);
  }
}

export class PeerProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #links: Links;

  private constructor(server: Server, links: Links) {
    this.#server = server;
    this.#links = links;
    this.port = (server.address() as AddressInfo).port;
  }

  /**
   * Listens on a free port in front of a member's.
   * @param receiver the member's name
   * @param target port that the member listens on
   */
  static async start(
    links: Links,
    receiver: string,
    target: number,
    findDialler: FindDialler,
  ): Promise<PeerProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const local = socket.localPort ?? 0;
      const dialler = findDialler(socket.remotePort ?? 0, local);
      if (dialler === null) socket.destroy();
      else new Connection(links, dialler, receiver, socket, target);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new PeerProxy(server, links);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    const { port } = this;
    for (const connection of this.#links.connections) connection.reset();
    await closed.catch((error: unknown) => {
      throw new Error(`the proxy on port ${port} did not stop`, { cause: error });
    });
  }
}
