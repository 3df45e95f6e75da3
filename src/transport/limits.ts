// How much a server takes at once: connections, and requests in flight. Past a limit there is a
// clear error and nothing else changes. Made by compose; the limits of etcd itself are none but the
// number of files that a process may have open.

import type { Handler, HandlerTable } from '../base/call.js';
import { MetaStoreError } from '../base/errors.js';

/** Descriptors that connections may not take: the server's own files, and room to spare. */
export const RESERVED_FILES = 150;

/** Counts the open connections of all ports that share it. */
export class ConnectionLimit {
  readonly max: number;
  #open = 0;

  /** @param max connections that may be open at once */
  constructor(max: number) {
    this.max = max;
  }

  get open(): number {
    return this.#open;
  }

  /** Takes a place for a connection; false when there is none left. */
  take(): boolean {
    if (this.#open >= this.max) {
      return false;
    }
    this.#open += 1;
    return true;
  }

  give(): void {
    this.#open -= 1;
  }
}

/**
 * A connection's place under a limit. It is given back with the connection's socket, unless the
 * connection goes on without it.
 */
export class Place {
  readonly #limit: ConnectionLimit | null;
  #kept = false;

  /** @param limit where the place has been taken; null for a port without one */
  constructor(limit: ConnectionLimit | null) {
    this.#limit = limit;
  }

  /** The connection outlives its socket; what is returned gives the place back, once. */
  keep(): () => void {
    this.#kept = true;
    let limit = this.#limit;
    return () => {
      limit?.give();
      limit = null;
    };
  }

  /** The socket has closed. */
  socketClosed(): void {
    if (!this.#kept) {
      this.#limit?.give();
    }
  }
}

/** Bounds of what is under way at once. */
export interface RequestBounds {
  /** Unary requests in flight, reads and writes alike; Infinity for no limit. */
  readonly maxRequests: number;
  /** Resident memory of the process above which no more is taken in; Infinity for no limit. */
  readonly maxMemoryBytes: number;
}

const MEMORY_CHECK_MS = 100;
/** Requests that can make the process larger. Others must still be answered then. */
const growing = new Set([
  '/etcdserverpb.KV/Put',
  '/etcdserverpb.KV/Txn',
  '/etcdserverpb.Lease/LeaseGrant',
]);

/**
 * The same handlers, with requests refused that come while too much is under way.
 *
 * @param elsewhere requests in flight that no handler knows of
 */
export function bounded(
  table: HandlerTable,
  bounds: RequestBounds,
  elsewhere: () => number = () => 0,
): HandlerTable {
  const { maxRequests, maxMemoryBytes } = bounds;
  if (maxRequests === Number.POSITIVE_INFINITY && maxMemoryBytes === Number.POSITIVE_INFINITY) {
    return table;
  }
  let inFlight = 0;
  const memory = new MemoryWatch(maxMemoryBytes);
  const limited = new Map<string, Handler>();
  for (const [path, handler] of table) {
    if (handler.kind === 'stream') {
      limited.set(path, handler);
      continue;
    }
    const grows = growing.has(path);
    const handle: typeof handler.handle = async (context, request) => {
      if (inFlight + elsewhere() >= maxRequests) {
        throw MetaStoreError.of('OverLimit');
      }
      if (grows && memory.isExceeded()) {
        const text = `etcdserver: too many requests: memory is above ${maxMemoryBytes} bytes`;
        throw MetaStoreError.of('OverLimit', text);
      }
      inFlight += 1;
      try {
        return await handler.handle(context, request);
      } finally {
        inFlight -= 1;
      }
    };
    limited.set(path, { kind: 'unary', handle });
  }
  return limited;
}

/** Looks at the memory of the process, but not for every request. */
export class MemoryWatch {
  readonly #maxBytes: number;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #exceeded = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  isExceeded(): boolean {
    if (this.#maxBytes === Number.POSITIVE_INFINITY) {
      return false;
    }
    const now = performance.now();
    if (now - this.#lookedAtMs >= MEMORY_CHECK_MS) {
      this.#lookedAtMs = now;
      this.#exceeded = process.memoryUsage.rss() > this.#maxBytes;
    }
    return this.#exceeded;
  }
}
