// Free TCP ports on 127.0.0.1 for servers that tests start, and the end of sockets there.
// A test's ports are its own for as long as its process lives, also while no server listens there:
// test files run side by side, and members come back to their ports after they were killed.

import { readFileSync } from 'node:fs';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer } from 'node:net';

const FIRST = 10_240;
const LAST = 32_767;
/** Ports that a process takes at once. */
const BLOCK = 64;

/** Of the present block: ports that have not been given away. */
let left: number[] = [];

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

/** The lowest port that the system gives to those who connect: it must not get in between. */
function lowestOfSystem(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
  } catch {
    return LAST + 1;
  }
}

/**
 * Takes a block that no other process has. Whoever listens on a block's first port has it, which
 * ends with the process however it ends. Empty when there is none.
 */
async function takeBlock(): Promise<number[]> {
  const end = Math.min(LAST + 1, lowestOfSystem());
  const blocks = Math.max(0, Math.floor((end - FIRST) / BLOCK));
  const start = Math.floor(Math.random() * blocks);
  for (let i = 0; i < blocks; i++) {
    const first = FIRST + ((start + i) % blocks) * BLOCK;
    const guard = await listen(first).catch(() => null);
    if (guard === null) continue;
    guard.unref();
    return Array.from({ length: BLOCK - 1 }, (_, at) => first + 1 + at);
  }
  return [];
}

async function freePort(): Promise<number> {
  for (;;) {
    if (left.length === 0) left = await takeBlock();
    // Where no block is to be had, the system gives one that is free at the moment.
    const wanted = left.shift() ?? 0;
    const server = await listen(wanted).catch(() => null);
    if (server === null) continue;
    const { port } = server.address() as AddressInfo;
    await close(server);
    return port;
  }
}

/** `count` different ports that nobody listens on, and no other test will. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = await freePort();
    if (!ports.includes(port)) ports.push(port);
  }
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
