// What is served on the ports of one kind: where HTTP/2 connections go, and requests that are not
// gRPC on them. Made by compose out of the gRPC servers and the HTTP handlers.

import type { Socket } from 'node:net';
import type { HttpHandler, HttpUpgrade } from '../../base/call.js';
import type { Logger } from '../../base/log/logger.js';
import type { Peers } from '../../cluster/peers/peers.js';
import { http2ServersOf, splitStreams } from '../../transport/grpc-js/split.js';
import { Http2Streams } from '../../transport/http2.js';
import type { Place } from '../../transport/limits.js';
import type { Services } from './ports.js';

/** A gRPC server, of either transport. */
export interface ClientTransport {
  /** Takes over a connection that speaks HTTP/2, for gRPC alone. */
  accept(socket: Socket, place: Place): void;
  /** Takes over a connection that speaks HTTP/2, for gRPC and other requests. */
  acceptShared(socket: Socket, place: Place): void;
  /** Tells clients to go; resolves when the calls under way have ended, or were cut. */
  stop(graceMs: number): Promise<void>;
}

/** Everything that clients are served; `json` answers what comes to `grpc` without being it. */
export function clientServices(
  grpc: ClientTransport,
  json: Http2Streams,
  http: { readonly handler: HttpHandler; readonly upgrade: HttpUpgrade },
): Services {
  return {
    grpc: (socket, place) => grpc.accept(socket, place),
    shared: (socket, place) => grpc.acceptShared(socket, place),
    json: (socket) => json.accept(socket),
    http1: http.handler,
    upgrade: http.upgrade,
  };
}

/** HTTP alone, of either version where it is encrypted. */
export function httpServices(http1: HttpHandler, log: Logger): Services {
  const json = new Http2Streams(http1, log);
  const accept = (socket: Socket) => json.accept(socket);
  return { grpc: (socket) => socket.destroy(), shared: accept, json: accept, http1 };
}

/** What other members are served. */
export function peerServices(peers: Peers | null, http1: HttpHandler, log: Logger): Services {
  const json = new Http2Streams(http1, log);
  const grpc = (socket: Socket) => peers?.grpcServer.accept(socket);
  peers?.grpcServer.customize((server) => {
    for (const http2 of http2ServersOf(server)) {
      splitStreams(http2, (stream, headers) => json.serve(stream, headers));
    }
  });
  const upgrade: HttpUpgrade = (request, socket, head) =>
    peers?.grpcServer.upgrade(request, socket, head) ?? false;
  return { grpc, shared: grpc, json: (socket) => json.accept(socket), http1, upgrade };
}
