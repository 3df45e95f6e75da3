// The portable transport: every method of the handler table on an @grpc/grpc-js server, messages
// passed through as bytes. Connections come from the port that shares them with HTTP. What this
// library cannot do as the documented interface says is listed in docs/transport/grpc-js.md.

import type { Socket } from 'node:net';
import grpc from '@grpc/grpc-js';

import type { Handler, HandlerTable, StreamHandler, UnaryHandler } from '../../base/call.js';
import { type ErrorTable, MetaStoreError } from '../../base/errors.js';
import { boundSilence, type Http2Streams } from '../http2.js';
import { GrpcContext, GrpcStream } from './call.js';
import { type HandlerEntry, withFallback } from './fallback.js';
import { limitPings } from './pings.js';
import { http2ServersOf, splitStreams } from './split.js';
import { type Windows, withWindows } from './windows.js';

export interface GrpcServerOptions {
  /** Largest request message, bytes. */
  readonly maxReceiveBytes: number;
  /** Streams per connection; the protocol's own maximum means no limit. */
  readonly maxConcurrentStreams: number;
  /** Idle time after which the server pings the client; 0 disables. */
  readonly keepaliveIntervalMs: number;
  /** How long the answer to a ping may take; 0 disables. */
  readonly keepaliveTimeoutMs: number;
  /** Largest message to a client, bytes; 0 or nothing for no limit. */
  readonly maxSendBytes?: number;
  /** A connection without calls is closed after this time; 0 or nothing for never. */
  readonly idleMs?: number;
  readonly windows?: Windows;
  /** Clients that ping more often than this, milliseconds, are sent away. */
  readonly minPingMs?: number;
}

/**
 * What the library may buffer of one message beyond the limit before it refuses by itself: up to
 * there the refusal has this server's text.
 */
const RECEIVE_SLACK_BYTES = 16 << 20;
/** The library's own word for "never". */
const NEVER_MS = 2 ** 31 - 1;
const NO_STREAM_LIMIT = 2 ** 32 - 1;

const asIs = (bytes: Buffer): Buffer => bytes;

type Duplex = grpc.ServerDuplexStream<Buffer, Buffer>;
type Injector = ReturnType<grpc.Server['createConnectionInjector']>;

function channelOptions(options: GrpcServerOptions): grpc.ServerOptions {
  const { keepaliveIntervalMs, keepaliveTimeoutMs, maxConcurrentStreams } = options;
  const pings =
    keepaliveIntervalMs > 0 && keepaliveTimeoutMs > 0
      ? {
          'grpc.keepalive_time_ms': Math.min(keepaliveIntervalMs, NEVER_MS),
          'grpc.keepalive_timeout_ms': Math.min(keepaliveTimeoutMs, NEVER_MS),
        }
      : {};
  const streams =
    maxConcurrentStreams >= NO_STREAM_LIMIT
      ? {}
      : { 'grpc.max_concurrent_streams': maxConcurrentStreams };
  return {
    'grpc.max_receive_message_length': options.maxReceiveBytes + RECEIVE_SLACK_BYTES,
    'grpc.max_send_message_length': options.maxSendBytes || -1,
    ...(options.idleMs ? { 'grpc.max_connection_idle_ms': options.idleMs } : {}),
    'grpc.enable_channelz': 0,
    ...pings,
    ...streams,
  };
}

export class GrpcServer {
  readonly #server: grpc.Server;
  readonly #errors: ErrorTable;
  readonly #options: GrpcServerOptions;
  readonly #injector: Injector;
  // For connections whose requests may be gRPC or not.
  readonly #sharing: Injector;
  #stopped = false;

  /** @param http answers requests that are not gRPC, on connections taken by acceptShared */
  constructor(
    handlers: HandlerTable,
    errors: ErrorTable,
    options: GrpcServerOptions,
    http: Http2Streams,
  ) {
    this.#errors = errors;
    this.#options = options;
    this.#server = new grpc.Server(channelOptions(options));
    for (const [path, handler] of handlers) {
      this.#register(path, handler);
    }
    const known = new Set([...handlers.keys()].map((path) => path.split('/')[1] ?? ''));
    withWindows(this.#server, options.windows ?? { streamBytes: 0, connectionBytes: 0 });
    withFallback(this.#server, (path) => this.#unknown(path, known));
    const credentials = grpc.ServerCredentials.createInsecure();
    this.#injector = this.#server.createConnectionInjector(credentials);
    this.#sharing = this.#server.createConnectionInjector(credentials);
    const [plain, sharing] = http2ServersOf(this.#server);
    for (const http2 of [plain, sharing]) {
      http2?.on('session', (session) => {
        boundSilence(session);
        limitPings(session, options.minPingMs ?? 0);
      });
    }
    if (sharing !== undefined) {
      splitStreams(sharing, (stream, headers) => http.serve(stream, headers));
    }
  }

  /** Takes over a connection that speaks HTTP/2, for gRPC alone. */
  accept(socket: Socket): void {
    this.#injector.injectConnection(socket);
  }

  /** Takes over a connection that speaks HTTP/2, for gRPC and other requests. */
  acceptShared(socket: Socket): void {
    this.#sharing.injectConnection(socket);
  }

  /**
   * Tells every client to go away, lets calls under way finish for `graceMs`, then cuts what
   * remains. Resolves when no connection is left.
   */
  async stop(graceMs: number): Promise<void> {
    if (this.#stopped) {
      return;
    }
    this.#stopped = true;
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => {
        this.#server.forceShutdown();
        resolve();
      }, graceMs);
      this.#server.tryShutdown(() => {
        clearTimeout(cut);
        resolve();
      });
    });
  }

  #register(path: string, handler: Handler): void {
    if (handler.kind === 'unary') {
      const run = this.#unary(handler.handle);
      this.#server.register(path, run, asIs, asIs, 'unary');
    } else {
      const run = this.#stream(handler.handle);
      this.#server.register(path, run, asIs, asIs, 'bidi');
    }
  }

  #unary(handle: UnaryHandler): grpc.handleUnaryCall<Buffer, Buffer> {
    return (call, callback) => {
      const context = new GrpcContext(call);
      let answered = false;
      const answer = (error: unknown, reply: Buffer | null) => {
        if (answered) {
          return;
        }
        answered = true;
        context.finish();
        if (error === null) {
          callback(null, reply);
        } else {
          callback(this.#statusOf(error));
        }
      };
      context.onDeadline((error) => answer(error, null));
      const refusal = this.#checkSize(call.request);
      if (refusal !== null) {
        answer(refusal, null);
        return;
      }
      handle(context, call.request).then(
        (reply) => answer(null, reply),
        (error: unknown) => answer(error, null),
      );
    };
  }

  #stream(handle: StreamHandler): grpc.handleBidiStreamingCall<Buffer, Buffer> {
    return (call: Duplex) => {
      const context = new GrpcContext(call);
      const stream = new GrpcStream(call, context.signal, (message) => this.#checkSize(message));
      let ended = false;
      const end = (error: unknown) => {
        if (ended) {
          return;
        }
        ended = true;
        context.finish();
        if (error === null) {
          call.end();
        } else {
          call.emit('error', this.#statusOf(error));
        }
      };
      // The library reports a broken connection here as well; the call is over then.
      call.on('error', () => context.finish());
      context.onDeadline(end);
      handle(context, stream).then(() => end(null), end);
    };
  }

  #checkSize(message: Buffer): MetaStoreError | null {
    const limit = this.#options.maxReceiveBytes;
    if (message.length <= limit) {
      return null;
    }
    const text = `grpc: received message larger than max (${message.length} vs. ${limit})`;
    return MetaStoreError.of('MessageTooLarge', text);
  }

  #statusOf(error: unknown): grpc.ServiceError {
    const { code, text } = this.#errors.status(error);
    return Object.assign(new Error(text), { code, details: text, metadata: new grpc.Metadata() });
  }

  #unknown(path: string, services: ReadonlySet<string>): HandlerEntry {
    const slash = path.lastIndexOf('/');
    const service = path.slice(1, slash);
    const method = path.slice(slash + 1);
    let error = MetaStoreError.of(
      'UnknownServiceMethod',
      `unknown method ${method} for service ${service}`,
    );
    if (slash <= 0 || !path.startsWith('/')) {
      error = MetaStoreError.of('MalformedMethodName', `malformed method name: "${path}"`);
    } else if (!services.has(service)) {
      error = MetaStoreError.of('UnknownService', `unknown service ${service}`);
    }
    const func = this.#stream(() => Promise.reject(error));
    return { func, serialize: asIs, deserialize: asIs, type: 'bidi', path };
  }
}
