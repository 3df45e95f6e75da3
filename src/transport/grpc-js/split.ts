// Requests on an encrypted HTTP/2 connection that are not gRPC: they go to HTTP handlers instead of
// the library, which would answer 415. The library's own listener for streams is set behind one
// that looks first. Should a later version keep its servers elsewhere, 415 is what they get again.

import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type grpc from '@grpc/grpc-js';

export type ServeStream = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void;

type Listener = (...args: unknown[]) => void;

/** The library's HTTP/2 servers, one for each injector, in the order that they were made. */
export function http2ServersOf(server: grpc.Server): Http2Server[] {
  const internals = server as unknown as { http2Servers?: unknown };
  return internals.http2Servers instanceof Map
    ? [...(internals.http2Servers.keys() as Iterable<Http2Server>)]
    : [];
}

/** Has `serve` answer what comes to that server and is not gRPC. */
export function splitStreams(server: Http2Server, serve: ServeStream): void {
  const listeners = server.listeners('stream') as Listener[];
  server.removeAllListeners('stream');
  server.on('stream', (stream, headers, ...more: unknown[]) => {
    if (headers['content-type']?.startsWith('application/grpc') === true) {
      for (const listener of listeners) {
        Reflect.apply(listener, server, [stream, headers, ...more]);
      }
    } else {
      serve(stream, headers);
    }
  });
}
