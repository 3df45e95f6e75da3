// Bodies, of either HTTP version: a request's as a whole, bounded in size and in the time that its
// sender may be silent; an answer's in pieces. Used by http1.ts and http2.ts.

import type { Readable, Writable } from 'node:stream';

import { bytesOf } from '../base/bytes.js';

/** One reason for all: making an exception for each request would cost more than most requests. */
export const requestOver = new Error('the request is over');

/** Made once too: whoever has been answered closes as well. */
const wentAway = new Error('the client went away in the middle of a body');

/** How long a client may take for the next piece of a body that somebody waits for. */
const SILENCE_MS = 60_000;

/**
 * How long the rest of a body that is too large is still taken off the wire: who is answered and
 * cut off in the middle of sending sees a broken connection instead of the answer.
 */
const LINGER_MS = 500;

/**
 * The whole body, or null once it is larger than the limit and its end has come or does not come
 * soon; nothing is kept of the rest. Rejects when the client goes away, or is silent for too long.
 */
export function readBody(request: Readable, limitBytes: number): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let isTooLarge = false;
    let timer = setTimeout(
      () => request.destroy(new Error('the client sends nothing of the body that it announced')),
      SILENCE_MS,
    );
    const settle = (act: () => void) => {
      clearTimeout(timer);
      act();
    };
    const take = (chunk: Buffer) => {
      timer.refresh();
      size += chunk.length;
      if (size <= limitBytes) {
        chunks.push(chunk);
        return;
      }
      isTooLarge = true;
      chunks.length = 0;
      request.off('data', take);
      request.resume();
      clearTimeout(timer);
      timer = setTimeout(() => resolve(null), LINGER_MS);
    };
    request.on('data', take);
    request.once('end', () =>
      settle(() => resolve(isTooLarge ? null : Buffer.concat(chunks.map(bytesOf)))),
    );
    request.once('error', (error) => settle(() => reject(error)));
    request.once('close', () => settle(() => reject(wentAway)));
  });
}

/** Sends what comes as it comes, no faster than the client takes it, until the client has gone. */
export async function sendPieces(
  out: Writable,
  pieces: AsyncIterable<string | Buffer>,
  signal: AbortSignal,
): Promise<void> {
  for await (const piece of pieces) {
    if (signal.aborted) {
      return;
    }
    if (!out.write(piece)) {
      await drained(out);
    }
  }
  out.end();
}

/** Resolves when there is room again, or nobody left to write to. */
function drained(out: Writable): Promise<void> {
  return new Promise((resolve) => {
    const goOn = () => {
      out.off('drain', goOn);
      out.off('close', goOn);
      resolve();
    };
    out.on('drain', goOn);
    out.on('close', goOn);
  });
}
