// HTTP/2 requests that are not gRPC, on encrypted connections: the handlers of src/api behind
// streams of Node's http2. Used for ports that serve HTTP alone, and by both gRPC servers for what
// comes to them without being gRPC.

import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import type { HttpHandler, HttpRequest, HttpResponse } from '../base/call.js';
import type { Logger } from '../base/log/logger.js';
import { readBody, requestOver, sendPieces } from './body.js';
import { commonNameOf } from './tls/certificates.js';

/** How long a connection may take until it has said anything in HTTP/2. */
export const SETTINGS_TIMEOUT_MS = 10_000;

/** Cuts a connection off that never gets beyond its first bytes. */
export function boundSilence(session: ServerHttp2Session): void {
  const timer = setTimeout(() => session.destroy(), SETTINGS_TIMEOUT_MS);
  timer.unref();
  const stop = () => clearTimeout(timer);
  session.once('remoteSettings', stop);
  session.once('close', stop);
}

export class Http2Streams {
  readonly #handle: HttpHandler;
  readonly #log: Logger;
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();

  /** @param maxStreams streams that a connection may have open; undefined for no limit */
  constructor(handle: HttpHandler, log: Logger, maxStreams?: number) {
    this.#handle = handle;
    this.#log = log;
    const settings = maxStreams === undefined ? {} : { maxConcurrentStreams: maxStreams };
    this.#server = createServer({ settings });
    this.#server.on('stream', (stream, headers) => this.serve(stream, headers));
    this.#server.on('session', (session) => {
      this.#sessions.add(session);
      session.once('close', () => this.#sessions.delete(session));
      session.on('error', () => session.destroy());
      boundSilence(session);
    });
  }

  /** Takes over a connection on which HTTP/2 has been agreed. */
  accept(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    this.#server.emit('connection', socket);
  }

  /** Tells every connection to go away; those with streams end with them, or by `cut`. */
  drain(): void {
    for (const session of this.#sessions) {
      session.close();
    }
  }

  cut(): void {
    for (const session of this.#sessions) {
      session.destroy();
    }
  }

  /** Answers one request; never throws. */
  serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // A stream that is reset says so by an error, and by closing.
    stream.on('error', () => undefined);
    const { ':method': method = 'GET', ':path': path = '/', ':authority': authority } = headers;
    const socket = stream.session?.socket;
    const request: Http2Request = {
      method,
      path,
      headers: withHost(
        authority,
        Object.entries(headers).filter(([name]) => !name.startsWith(':')),
      ),
      peer: `${socket?.remoteAddress ?? ''}:${socket?.remotePort ?? ''}`,
      commonName: socket === undefined ? null : commonNameOf(socket as Socket),
    };
    void answerHttp2(stream, request, this.#handle, this.#log);
  }
}

/** A stream that a request came on: its body to read, its answer to write. */
export interface Http2Stream extends Duplex {
  /** Fields in lower case, and `:status`. */
  respond(fields: OutgoingHttpHeaders): void;
}

/** What came with a request besides its body, over an encrypted connection. */
export interface Http2Request {
  readonly method: string;
  /** Path and query as sent. */
  readonly path: string;
  readonly headers: HttpRequest['headers'];
  readonly peer: string;
  readonly commonName: string | null;
}

/** Header fields with the host as HTTP/1 has it; an own field `host` counts more. */
export function withHost(
  authority: string | undefined,
  fields: readonly (readonly [string, string | readonly string[] | undefined])[],
): HttpRequest['headers'] {
  const host = authority === undefined ? [] : [['host', authority] as const];
  return Object.fromEntries([...host, ...fields]);
}

/** Answers one request; never rejects. */
export async function answerHttp2(
  stream: Http2Stream,
  request: Http2Request,
  handle: HttpHandler,
  log: Logger,
): Promise<void> {
  const gone = new AbortController();
  stream.once('close', () => gone.abort(requestOver));
  const { method, path: url } = request;
  let answer: HttpResponse;
  try {
    answer = await handle({
      ...request,
      url,
      secure: true,
      signal: gone.signal,
      body: (limitBytes) => readBody(stream, limitBytes),
      chunks: () => stream as AsyncIterable<Buffer>,
    });
  } catch (error) {
    log.error('an HTTP handler failed', { error, url });
    answer = { status: 500, headers: {}, body: 'internal error\n' };
  }
  if (stream.destroyed || gone.signal.aborted) {
    return;
  }
  const { status, headers: fields, body } = answer;
  try {
    if (typeof body === 'string' || Buffer.isBuffer(body)) {
      const length = Buffer.byteLength(body);
      stream.respond({ ...allowed(fields), ':status': status, 'content-length': length });
      stream.end(method === 'HEAD' ? '' : body);
    } else {
      stream.respond({ ...allowed(fields), ':status': status });
      await sendPieces(stream, body, gone.signal);
    }
  } catch (error) {
    log.debug('an HTTP answer broke off', { error, url });
    stream.destroy();
  }
}

/** Headers about the connection itself mean nothing in HTTP/2, and must not be sent. */
function allowed(headers: HttpResponse['headers']): OutgoingHttpHeaders {
  const fields: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!/^(?:connection|keep-alive|transfer-encoding|upgrade)$/i.test(name)) {
      fields[name.toLowerCase()] = value;
    }
  }
  return fields;
}
