// Sizes of HTTP/2's flow control windows. The library has a setting for its clients and none for
// its servers, so the settings of its HTTP/2 server are set where it keeps them. Should a later
// version keep them elsewhere, the defaults of Node remain.

import type { Http2Server } from 'node:http2';
import type grpc from '@grpc/grpc-js';

export interface Windows {
  /** Bytes that a client may send on one stream ahead of what is read; 0 for the default. */
  readonly streamBytes: number;
  /** The same on all streams of a connection together; 0 for the default. */
  readonly connectionBytes: number;
}

interface Internals {
  commonServerOptions?: { settings?: { initialWindowSize?: number } };
  createHttp2Server?: (credentials: grpc.ServerCredentials) => Http2Server;
}

/** Call before the server takes its first connection. */
export function withWindows(server: grpc.Server, { streamBytes, connectionBytes }: Windows): void {
  const internals = server as unknown as Internals;
  const { commonServerOptions: options, createHttp2Server: create } = internals;
  if (streamBytes > 0 && options !== undefined) {
    options.settings = { ...options.settings, initialWindowSize: streamBytes };
  }
  if (connectionBytes > 0 && create !== undefined) {
    internals.createHttp2Server = (credentials) => {
      const http2 = create.call(server, credentials);
      http2.on('session', (session) => session.setLocalWindowSize(connectionBytes));
      return http2;
    };
  }
}
