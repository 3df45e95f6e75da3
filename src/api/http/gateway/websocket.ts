// The gateway's streams over WebSocket (RFC 6455): each text message is a piece of the request
// body, each line of the answer a text message. Browsers cannot set headers there, so a token may
// come as the protocol (`Bearer, <token>`) or in a cookie. Called for upgrades below /v3/.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';

import { MetaStoreError } from '../../../base/errors.js';
import { callUnary, errorLine, GatewayStream, statusOf } from './calls.js';
import { GatewayCall } from './context.js';
import type { Gateway } from './gateway.js';
import { callHeaders, type Headers } from './metadata.js';
import { MessageSource } from './requests.js';
import type { Route } from './routes.js';
import { Code, statusJson } from './status.js';

const TOKEN_COOKIE = 'token';
const NEWLINE = Buffer.from('\n');
/** What of a client's messages may wait to be asked for before no more is read. */
const UNREAD_BYTES = 256 * 1024;
/** How long a client may take to answer that the connection ends. */
const CLOSE_TIMEOUT_MS = 5000;
const NORMAL_CLOSURE = 1000;

/** The token that a handshake carries, as a value of the header Authorization; '' without one. */
export function handshakeAuthorization(headers: Headers): string | undefined {
  const cookies = String(headers.cookie ?? '').split(/;\s*/);
  const cookie = cookies.find((part) => part.startsWith(`${TOKEN_COOKIE}=`));
  if (cookie !== undefined) {
    return `Bearer ${cookie.slice(TOKEN_COOKIE.length + 1).replace(/^"(.*)"$/, '$1')}`;
  }
  const protocol = headers['sec-websocket-protocol'];
  if (protocol === undefined) {
    return undefined;
  }
  const [, token] = /Bearer,(.*)$/s.exec(String(protocol)) ?? [];
  return token === undefined ? '' : `Bearer ${token.trim()}`;
}

/** The headers that a call over WebSocket is made with. */
function forwarded(headers: Headers): Headers {
  const kept: Record<string, string | readonly string[] | undefined> = {};
  for (const name of ['origin', 'referer', 'host', 'x-forwarded-for', 'x-forwarded-host']) {
    kept[name] = headers[name];
  }
  const authorization = handshakeAuthorization(headers);
  return authorization === undefined ? kept : { ...kept, authorization };
}

/** Messages of a client as the pieces of a body; reads on no faster than they are taken. */
class Inbox implements AsyncIterable<Buffer> {
  readonly #socket: WebSocket;
  readonly #unread: Buffer[] = [];
  #unreadBytes = 0;
  #closed = false;
  #wake: (() => void) | null = null;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      this.#unread.push(data, NEWLINE);
      this.#unreadBytes += data.length + NEWLINE.length;
      if (this.#unreadBytes >= UNREAD_BYTES) {
        socket.pause();
      }
      this.#wake?.();
    });
    socket.on('close', () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    for (;;) {
      const next = this.#unread.shift();
      if (next !== undefined) {
        this.#unreadBytes -= next.length;
        if (this.#unreadBytes < UNREAD_BYTES && this.#socket.isPaused) {
          this.#socket.resume();
        }
        yield next;
      } else if (this.#closed) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

/** A call over a WebSocket. */
interface Served {
  readonly socket: WebSocket;
  readonly route: Route;
  readonly call: GatewayCall;
  readonly source: MessageSource;
  /** Aborts when the client has gone. */
  readonly gone: AbortSignal;
}

export class GatewaySockets {
  readonly #gateway: Gateway;
  readonly #server: WebSocketServer;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: gateway.limits.textBytes,
      handleProtocols: (protocols) => (protocols.has('Bearer') ? 'Bearer' : false),
    });
  }

  /** Takes over a connection whose client asks for a WebSocket. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, path: string): void {
    this.#server.handleUpgrade(request, socket, head, (opened) => {
      void this.#serve(request, opened, path);
    });
  }

  async #serve(request: IncomingMessage, socket: WebSocket, path: string): Promise<void> {
    const gone = new AbortController();
    socket.on('close', () => gone.abort());
    // What breaks the protocol closes the connection, which is all that there is to do.
    socket.on('error', () => undefined);
    const inbox = new Inbox(socket);
    const { remoteAddress = '', remotePort = '' } = request.socket;
    const peer = `${remoteAddress}:${remotePort}`;
    const headers = callHeaders(forwarded(request.headers), peer);
    const call = new GatewayCall(headers, peer, gone.signal);
    try {
      if (headers.refusal !== null) {
        await send(socket, statusJson(headers.refusal));
        return;
      }
      const route = this.#gateway.route(path);
      if (route === undefined) {
        await send(socket, statusJson({ code: Code.NotFound, text: 'Not Found' }));
        return;
      }
      const { codec, limits } = this.#gateway;
      const decode = (text: string) => codec.value(route, text, gone.signal);
      const source = new MessageSource(decode, inbox, limits);
      await (route.responseStream
        ? this.#stream({ socket, route, call, source, gone: gone.signal })
        : this.#unary({ socket, route, call, source, gone: gone.signal }));
    } catch (error) {
      // Nothing has been sent yet.
      await send(socket, statusJson(statusOf(this.#gateway.backend.errors, error)));
    } finally {
      call.finish();
      close(socket);
    }
  }

  async #unary({ socket, route, call, source, gone }: Served): Promise<void> {
    const { backend, codec } = this.#gateway;
    try {
      const message = (await source.first()) ?? Buffer.alloc(0);
      const reply = await callUnary(backend, route, call, message);
      await send(socket, await codec.whole(route, reply, gone));
    } catch (error) {
      await send(socket, statusJson(statusOf(backend.errors, error)));
    }
  }

  async #stream({ socket, route, call, source, gone }: Served): Promise<void> {
    const { backend, codec } = this.#gateway;
    const handler = backend.handlers.get(route.method);
    if (handler?.kind !== 'stream') {
      throw MetaStoreError.of('NotImplemented');
    }
    if (call.over) {
      return call.expired;
    }
    const stream = new GatewayStream(() => source.next());
    const ended = stream.run(backend, handler.handle, call);
    try {
      for (;;) {
        await stream.ready();
        const next = stream.pull();
        if (next === null) {
          break;
        }
        await send(socket, await codec.line(route, next.message, gone));
        next.taken?.();
      }
      const error = stream.outcome?.error ?? null;
      if (error !== null) {
        await send(socket, errorLine(error));
      }
    } finally {
      stream.abandon();
    }
    await ended;
  }
}

/** Sends a text and waits until the connection has taken it. Never rejects. */
function send(socket: WebSocket, text: string | Buffer): Promise<void> {
  return new Promise((resolve) => {
    socket.send(text, { binary: false }, () => resolve());
  });
}

function close(socket: WebSocket): void {
  if (socket.readyState === socket.CLOSED) {
    return;
  }
  socket.resume();
  socket.close(NORMAL_CLOSURE);
  const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS);
  socket.once('close', () => clearTimeout(timer));
}
