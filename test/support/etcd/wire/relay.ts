// A relay between a client and a server that hands on what the client says in one piece: frames
// that it sends without waiting reach the server in one read, whatever the machine is busy with.
// The server's own bytes pass as they come. For h2spec, some of whose cases race with an answer.

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export class Relay {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param quietMs how long a client must have been silent before its bytes are handed on */
  static async start(serverPort: number, quietMs: number): Promise<Relay> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const relay = new Relay(server);
    server.on('connection', (client) => relay.#join(client, serverPort, quietMs));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(client: Socket, port: number, quietMs: number): void {
    const server = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    let held: Buffer[] = [];
    const handOn = () => {
      if (held.length > 0) server.write(Buffer.concat(held));
      held = [];
    };
    const timer = setTimeout(handOn, quietMs);
    client.on('data', (bytes) => {
      held.push(bytes);
      timer.refresh();
    });
    client.on('end', () => {
      handOn();
      server.end();
    });
    server.pipe(client);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', (hadError) => {
        clearTimeout(timer);
        this.#sockets.delete(one);
        // What has been written to it is to arrive before it ends.
        if (!hadError) other.end();
      });
    }
  }
}
