// A TCP relay between two members that a test can stop, as a network that swallows packets, cut, as
// one that resets connections, or count through. Connections stay open while it is stopped, and new
// ones are accepted, as by the kernel of a suspended process.

import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePorts, resetOrClose } from '../../../../support/ports.js';

export class Relay {
  readonly port: number;
  bytes = 0;
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #paused = false;

  private constructor(port: number, targetPort: number) {
    this.port = port;
    this.#server = createServer({ noDelay: true }, (near) => {
      this.connections++;
      const far = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
      this.#join(near, far);
      this.#join(far, near);
    });
  }

  static async start(targetPort: number): Promise<Relay> {
    const [port] = await freePorts(1);
    const relay = new Relay(port as number, targetPort);
    await new Promise<void>((resolve) => relay.#server.listen(relay.port, '127.0.0.1', resolve));
    return relay;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Nothing passes any more, and nothing is closed. */
  pause(): void {
    this.#paused = true;
    for (const socket of this.#sockets) {
      socket.pause();
    }
  }

  resume(): void {
    this.#paused = false;
    for (const socket of this.#sockets) {
      socket.resume();
    }
  }

  /** Resets every connection; new ones pass. */
  cut(): void {
    for (const socket of this.#sockets) {
      resetOrClose(socket);
    }
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length;
      if (!to.write(chunk as unknown as Uint8Array)) {
        from.pause();
        to.once('drain', () => {
          if (!this.#paused) {
            from.resume();
          }
        });
      }
    });
    from.on('error', () => to.destroy());
    from.once('close', () => {
      this.#sockets.delete(from);
      if (!this.#paused) {
        to.end();
      }
    });
    if (this.#paused) {
      from.pause();
    }
  }
}
