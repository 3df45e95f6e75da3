// The gateway's JSON, both ways: what is small is translated at once, since that takes less than
// asking somebody; what is large in a second isolate, so that heartbeats and other calls do not
// wait for it. Texts and errors are the same either way. Called by the gateway and /kv.

import type { Logger } from '../../../base/log/logger.js';
import { decodeJson } from '../gateway/json/decode.js';
import { encodeJson, PIECE_BYTES } from '../gateway/json/encode.js';
import { resultLine } from '../gateway/json/lines.js';
import { type BodyLimits, firstMessage } from '../gateway/requests.js';
import type { Route } from '../gateway/routes.js';
import { copied, ownMemory, textBytes } from './protocol.js';
import { Transcoder, type TranscoderOptions } from './transcoder.js';

/** Up to here the work takes less than a millisecond or two, whatever the bytes are. */
export const SMALL_BYTES = 64 * 1024;

/** Requests that wait for the second isolate, at most; the bytes are those of a few full ones. */
const WAITING_MAX = 1000;
const WAITING_MAX_BYTES = 64 << 20;
const WAITING_FULL_ONES = 8;

/** Heap for each byte of JSON: a text of empty objects becomes many small parts on its way. */
const HEAP_FOR_BYTE = 64;
const HEAP_MIB = 256;

const IDLE_MS = 60_000;

/** Answers that come of reading alone may be refused: asking again changes nothing. */
const readsAlone: ReadonlySet<string> = new Set(['/etcdserverpb.KV/Range']);

function transcoderOptions({ textBytes: bytes }: BodyLimits): TranscoderOptions {
  return {
    waitingMax: WAITING_MAX,
    waitingMaxBytes: Math.max(WAITING_MAX_BYTES, WAITING_FULL_ONES * bytes),
    heapMiB: HEAP_MIB + Math.ceil((HEAP_FOR_BYTE * bytes) / 2 ** 20),
    idleMs: IDLE_MS,
    program: new URL('./worker.js', import.meta.url),
  };
}

/** One piece at a time goes to the connection: encrypting a large one would take long. */
export async function* inPieces(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
    yield bytes.subarray(from, from + PIECE_BYTES);
  }
}

async function* cut(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    yield* inPieces(piece);
  }
}

export class JsonCodec {
  readonly #transcoder: Transcoder;

  /** @param limits of bodies, which bound what waits */
  constructor(limits: BodyLimits, log: Logger, options: Partial<TranscoderOptions> = {}) {
    this.#transcoder = new Transcoder({ ...transcoderOptions(limits), ...options }, log);
  }

  /**
   * The message of a request, out of a whole body, which is not to be used afterwards.
   *
   * @throws JsonProblem; MetaStoreError TooManyRequests while much waits, ContextCanceled, Stopped
   */
  async request(route: Route, body: Buffer, signal: AbortSignal): Promise<Buffer> {
    if (body.length <= SMALL_BYTES) {
      return firstMessage(route.request, body);
    }
    const bytes = ownMemory(body as unknown as Uint8Array);
    const { method } = route;
    const order = { kind: 'decode', form: 'body', method, bytes } as const;
    return this.#transcoder.translate(order, { signal, refusable: true });
  }

  /** The same of one JSON value, one character for each byte. @throws as request */
  async value(route: Route, text: string, signal: AbortSignal): Promise<Buffer> {
    if (text.length <= SMALL_BYTES) {
      return decodeJson(route.request, text);
    }
    const bytes = textBytes(text, 'latin1');
    const { method } = route;
    const order = { kind: 'decode', form: 'value', method, bytes } as const;
    return this.#transcoder.translate(order, { signal, refusable: true });
  }

  /** The JSON of an answer, in pieces where it is large. @throws as request, but for JsonProblem */
  async answer(
    route: Route,
    reply: Buffer,
    signal: AbortSignal,
  ): Promise<string | Buffer | AsyncIterable<Buffer>> {
    if (reply.length <= PIECE_BYTES) {
      return this.whole(route, reply, signal);
    }
    const order = { kind: 'encode', form: 'pieces', ...handed(route, reply) } as const;
    return cut(await this.#transcoder.pieces(order, { signal, refusable: isReading(route) }));
  }

  /** The same in one piece. */
  async whole(route: Route, reply: Buffer, signal: AbortSignal): Promise<string | Buffer> {
    if (reply.length <= SMALL_BYTES) {
      return encodeJson(route.response, reply);
    }
    const order = { kind: 'encode', form: 'whole', ...handed(route, reply) } as const;
    return this.#transcoder.translate(order, { signal, refusable: isReading(route) });
  }

  /** The line of a stream's message, without its end; never refused: a stream has one at a time. */
  async line(route: Route, message: Buffer, signal: AbortSignal): Promise<string | Buffer> {
    if (message.length <= SMALL_BYTES) {
      return resultLine(route.response, message);
    }
    const order = { kind: 'encode', form: 'line', ...handed(route, message) } as const;
    return this.#transcoder.translate(order, { signal, refusable: false });
  }

  /** Ends the second isolate; what is large fails from now on. */
  stop(): Promise<void> {
    return this.#transcoder.stop();
  }
}

function isReading({ method }: Route): boolean {
  return readsAlone.has(method);
}

/** Memory of native code cannot be handed over, so that the bytes are copied once. */
function handed({ method }: Route, reply: Buffer): { method: string; bytes: Uint8Array } {
  return { method, bytes: copied(reply as unknown as Uint8Array) };
}
