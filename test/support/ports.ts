// Free TCP ports on 127.0.0.1 for servers that tests start, and the end of sockets there.
// Nothing keeps the ports free until they are used, so a collision is possible, and rare.

import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';

function listen(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

/** `count` different ports that nobody listened on a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listen));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Resets a socket where that is safe. A reset with a write or an end on its way leaks the handle in
 * Node 20, and the process then spins for ever when it ends; such a socket is only closed.
 */
export function resetOrClose(socket: Socket): void {
  const isBusy = socket.connecting || socket.writableLength > 0 || socket.writableEnded;
  if (isBusy) socket.destroy();
  else socket.resetAndDestroy();
}
