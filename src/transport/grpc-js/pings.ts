// Ends connections whose clients ping too often. The library tolerates any pings; gRPC's servers
// answer the fourth that comes too early with GOAWAY `too_many_pings`, so that no client keeps a
// server busy with keep-alives. Installed on the HTTP/2 servers behind the library.

import type { ServerHttp2Session } from 'node:http2';

/** Pings that may come early before one ends the connection. */
const MAX_STRIKES = 2;
/** Without a call on the connection there is nothing to keep alive. */
const IDLE_MIN_MS = 2 * 3600_000;
/** ENHANCE_YOUR_CALM of RFC 9113. */
const CALM = 0xb;
/** What is written besides answers: to a ping, to settings, and about windows. */
const CONTROL_BYTES = 17 + 9 + 13;
/** How long the client may take to read why the connection ends. */
const LAST_WORDS_MS = 100;

/** Counts what a client does on one connection. Injected by tests: the clock, in milliseconds. */
export class PingPolicy {
  readonly #minMs: number;
  readonly #now: () => number;
  #strikes = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  #writtenBytes = 0;

  constructor(minMs: number, now: () => number) {
    this.#minMs = minMs;
    this.#now = now;
  }

  /**
   * Whether this ping is one too many.
   *
   * @param openStreams calls on the connection
   * @param writtenBytes what has been sent on it so far: who is being answered may ping, as clients
   *   do that measure the connection
   */
  isTooMany(openStreams: number, writtenBytes: number): boolean {
    const now = this.#now();
    const waited = now - this.#lastMs;
    const isAnswered = writtenBytes - this.#writtenBytes > CONTROL_BYTES;
    this.#lastMs = now;
    this.#writtenBytes = writtenBytes;
    if (isAnswered) {
      this.#strikes = 0;
      return false;
    }
    if (waited < (openStreams === 0 ? IDLE_MIN_MS : this.#minMs)) {
      this.#strikes += 1;
    }
    return this.#strikes > MAX_STRIKES;
  }
}

/** Holds clients of a session to the policy. @param minMs between pings while calls are open */
export function limitPings(session: ServerHttp2Session, minMs: number): void {
  const policy = new PingPolicy(minMs, () => performance.now());
  let open = 0;
  let isEnding = false;
  session.on('stream', (stream) => {
    open += 1;
    stream.once('close', () => {
      open -= 1;
    });
  });
  session.on('ping', () => {
    const written = session.socket?.bytesWritten ?? 0;
    if (isEnding || !policy.isTooMany(open, written)) {
      return;
    }
    isEnding = true;
    session.goaway(CALM, undefined, new Uint8Array(Buffer.from('too_many_pings')));
    setTimeout(() => session.destroy(), LAST_WORDS_MS).unref();
  });
}
