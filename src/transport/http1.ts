// HTTP/1 on a port that shares it with gRPC: Node's server over connections that somebody else has
// accepted, with the handlers of src/api behind it. Bodies may come and go in pieces. Used by
// SharedPort.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

import { bytesOf } from '../base/bytes.js';
import type { HttpHandler, HttpRequest, HttpResponse, HttpUpgrade } from '../base/call.js';
import type { Logger } from '../base/log/logger.js';
import { readBody, requestOver, sendPieces } from './body.js';
import { commonNameOf } from './tls/certificates.js';

/**
 * Headers may take only so long; a connection may wait much longer for its next request, as clients
 * keep pools of them. Bodies may take for ever, as those of streams do.
 */
const timeouts = {
  headersTimeout: 10_000,
  keepAliveTimeout: 300_000,
  requestTimeout: 0,
  connectionsCheckingInterval: 5000,
};

export class Http1Server {
  readonly #handle: HttpHandler;
  readonly #log: Logger;
  readonly #server: Server;

  constructor(handle: HttpHandler, upgrade: HttpUpgrade, log: Logger) {
    this.#handle = handle;
    this.#log = log;
    this.#server = createServer(timeouts, (request, response) => {
      void this.#serve(request, response);
    });
    // It never listens itself; this is when it begins to look after slow clients.
    this.#server.emit('listening');
    this.#server.on('upgrade', (request, socket, head) => {
      if (!upgrade(request, socket, head)) {
        putBack(request, socket, head);
        this.#server.emit('connection', socket);
      }
    });
  }

  /** Takes over a connection, whose first bytes have been put back. */
  accept(socket: Socket): void {
    this.#server.emit('connection', socket);
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort(requestOver));
    const { status, headers, body } = await this.#answer(incoming, gone.signal);
    try {
      if (typeof body === 'string' || Buffer.isBuffer(body)) {
        response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
        response.end(body);
      } else {
        response.writeHead(status, { ...headers });
        response.flushHeaders();
        await sendPieces(response, body, gone.signal);
      }
    } catch (error) {
      // The status has left already: all that can still be said is that the answer is not whole.
      this.#log.debug('an HTTP answer broke off', { error, url: incoming.url });
      response.destroy();
    }
  }

  async #answer(incoming: IncomingMessage, signal: AbortSignal): Promise<HttpResponse> {
    try {
      return await this.#handle(requestOf(incoming, signal));
    } catch (error) {
      this.#log.error('an HTTP handler failed', { error, url: incoming.url });
      return { status: 500, headers: {}, body: 'internal error\n' };
    }
  }
}

/** Headers of a request for another protocol, which go with it. */
const upgradeHeaders = new Set(['upgrade', 'http2-settings']);

/**
 * Puts a request back in front of what its connection brings next, without its wish for another
 * protocol: the library hands every such request on, also those that are to be served as they are.
 */
function putBack(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`];
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? '';
    const value = request.rawHeaders[i + 1] ?? '';
    const tokens = value.split(',').map((token) => token.trim());
    if (name.toLowerCase() === 'connection') {
      const kept = tokens.filter((token) => !upgradeHeaders.has(token.toLowerCase()));
      lines.push(...(kept.length > 0 ? [`${name}: ${kept.join(', ')}`] : []));
    } else if (!upgradeHeaders.has(name.toLowerCase())) {
      lines.push(`${name}: ${value}`);
    }
  }
  socket.unshift(
    Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head].map(bytesOf)),
  );
}

function requestOf(incoming: IncomingMessage, signal: AbortSignal): HttpRequest {
  const { method = 'GET', url = '/', headers, socket } = incoming;
  return {
    method,
    url,
    headers,
    peer: `${socket.remoteAddress ?? ''}:${socket.remotePort ?? ''}`,
    secure: socket instanceof TLSSocket,
    commonName: commonNameOf(socket),
    signal,
    // What nobody reads of a body is discarded with the answer.
    body: (limitBytes) => readBody(incoming, limitBytes),
    chunks: () => incoming as AsyncIterable<Buffer>,
  };
}
