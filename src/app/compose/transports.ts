// What carries gRPC of clients, made of the handlers and the settings: threads of native code, or
// grpc-js. Called by client-side.ts.

import type { HandlerTable, HttpHandler } from '../../base/call.js';
import type { ErrorTable } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import type { Addon, MemberCore } from '../../storage/native.js';
import type { NativePlane, PlaneOptions } from '../../storage/native-plane.js';
import { PlaneDecoder } from '../../storage/plane-events.js';
import { GrpcServer, type GrpcServerOptions } from '../../transport/grpc-js/server.js';
import type { Http2Streams } from '../../transport/http2.js';
import { NativeServer, type PlaneExtras } from '../../transport/native/server.js';
import type { ServerConfig } from '../config/config.js';
import type { ClientTransport } from '../listen/services.js';

/** Where HTTP/2 begins. */
const DEFAULT_STREAM_WINDOW_BYTES = 65_535;
/** So that a connection with many requests under way does not wait for each of its updates. */
const DEFAULT_CONNECTION_WINDOW_BYTES = 2 ** 20;
/** Of requests that have come and are not served yet, on all connections together. */
const HELD_BYTES_MOST = 256 * 2 ** 20;

/** What both transports are made of. */
export interface TransportParts {
  readonly addon: Addon;
  readonly core: Pick<MemberCore, 'openPlane'>;
  readonly handlers: HandlerTable;
  readonly errors: ErrorTable;
  /** What comes to gRPC without being it. */
  readonly json: Http2Streams;
  readonly http: HttpHandler;
  readonly extras: PlaneExtras;
  readonly log: Logger;
}

/** As many calls as come, each as long as it takes. */
const unboundedCalls = {
  maxRequests: Number.MAX_SAFE_INTEGER,
  slowCallMs: Number.MAX_SAFE_INTEGER,
};

/** The settings of gRPC as the plane has them. */
export function planeOptions(
  threads: number,
  grpc: GrpcServerOptions,
  calls: Pick<PlaneOptions, 'maxRequests' | 'slowCallMs'> = unboundedCalls,
): PlaneOptions {
  const { keepaliveIntervalMs, keepaliveTimeoutMs, windows } = grpc;
  const pings = keepaliveIntervalMs > 0 && keepaliveTimeoutMs > 0;
  return {
    lanes: threads,
    maxReceiveBytes: grpc.maxReceiveBytes,
    maxSendBytes: grpc.maxSendBytes ?? 0,
    maxConcurrentStreams: grpc.maxConcurrentStreams,
    streamWindowBytes: windows?.streamBytes || DEFAULT_STREAM_WINDOW_BYTES,
    connectionWindowBytes: windows?.connectionBytes || DEFAULT_CONNECTION_WINDOW_BYTES,
    keepAliveIntervalMs: pings ? keepaliveIntervalMs : 0,
    keepAliveTimeoutMs: pings ? keepaliveTimeoutMs : 0,
    minPingMs: grpc.minPingMs ?? 0,
    idleMs: grpc.idleMs ?? 0,
    heldBytesMost: HELD_BYTES_MOST,
    ...calls,
  };
}

/** What carries gRPC, and the plane where it is one. */
export interface OpenedTransport {
  readonly transport: ClientTransport;
  readonly plane: NativePlane | null;
}

export function openTransport(config: ServerConfig, parts: TransportParts): OpenedTransport {
  const { addon, core, handlers, errors, json, http, extras, log } = parts;
  if (config.clientTransport === 'grpc-js') {
    return { transport: new GrpcServer(handlers, errors, config.grpc, json), plane: null };
  }
  const options = planeOptions(config.planeThreads, config.grpc, {
    maxRequests: Math.min(config.bounds.maxRequests, Number.MAX_SAFE_INTEGER),
    slowCallMs: Math.max(0, Math.ceil(config.observed.warningUnaryMs)),
  });
  let plane: NativePlane | null = null;
  const transport = new NativeServer({
    open: (onWake) => {
      plane = core.openPlane(options, onWake);
      return plane;
    },
    decoder: new PlaneDecoder(addon.planeEvents),
    handlers,
    errors,
    http,
    extras,
    log,
  });
  return { transport, plane };
}
