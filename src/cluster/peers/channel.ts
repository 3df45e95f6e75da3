// Connections to another member's peer URL: the one place that knows forms of URLs, channel options
// and credentials. A channel has one TCP connection of its own, which close() ends at once. Used by
// everything that dials.

import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import grpc from '@grpc/grpc-js';

import { bytesOf } from '../../base/bytes.js';
import type { Clock } from '../../base/clock.js';
import { type SecureDialler, socketHost } from '../http/secure.js';

/** Where a peer URL leads. */
export interface Place {
  /** The gRPC name of it. */
  readonly target: string;
  readonly address:
    | { readonly host: string; readonly port: number; readonly localAddress?: string }
    | { readonly path: string };
  /** How a connection there is encrypted; null for clear text. */
  readonly secure: { readonly dialler: SecureDialler; readonly host: string } | null;
}

/** Bytes that may be under way to a member on one stream, before it says that it has read them. */
export const FLOW_WINDOW_BYTES = 16 << 20;
/** Largest message in either direction: a run of entries, or a snapshot's chunk. */
export const MESSAGE_BYTES_MAX = 64 << 20;
/** What the encoding adds around the payload of a message of the largest size. */
export const MESSAGE_SLACK_BYTES = 64 << 10;

const defaultPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** The place that a URL names, or a text that says why it names none that can be dialled. */
export function placeOf(url: string, dialler: SecureDialler | null = null): Place | string {
  const [, tls, path] = /^unix(s?):\/\/(.+)$/.exec(url) ?? [];
  if (path !== undefined) {
    const secure = tls === '' ? null : secureTo(dialler, socketHost(path));
    return secure === undefined
      ? noTls(url)
      : { target: `unix:${path}`, address: { path }, secure };
  }
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    return `malformed URL ${url}`;
  }
  const defaultPort = defaultPorts[parsed.protocol];
  if (defaultPort === undefined) {
    return `no connections to members by ${parsed.protocol}//`;
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, '');
  const port = parsed.port === '' ? defaultPort : Number(parsed.port);
  const family = isIP(host);
  const scheme = family === 4 ? 'ipv4' : family === 6 ? 'ipv6' : 'dns';
  const name = family === 6 ? `[${host}]` : host;
  const secure = parsed.protocol === 'http:' ? null : secureTo(dialler, host);
  return secure === undefined
    ? noTls(url)
    : { target: `${scheme}:${name}:${port}`, address: { host, port, ...from(dialler) }, secure };
}

/** Where connections are made from, when that is not the system's choice. */
function from(dialler: SecureDialler | null): { localAddress?: string } {
  const address = dialler?.localAddress ?? null;
  return address === null ? {} : { localAddress: address };
}

function secureTo(dialler: SecureDialler | null, host: string): Place['secure'] | undefined {
  return dialler === null ? undefined : { dialler, host };
}

function noTls(url: string): string {
  return `no TLS towards other members, which ${url} wants`;
}

/** Connects under TLS; `over` is a connection that is there already. @throws as the dialler does */
function dialTls(
  { address, secure }: Place,
  protocols: readonly string[],
  over?: Socket,
): TLSSocket {
  const options = secure?.dialler.options(secure.host, protocols) ?? {};
  // The address comes last: the host among the options is the one that the certificate is for.
  return connectTls(over === undefined ? { ...options, ...address } : { ...options, socket: over });
}

/** Begins to connect, for the protocols where TLS asks. @throws as the dialler does */
export function dial(place: Place, protocols: readonly string[]): Socket {
  return place.secure === null ? connect(place.address) : dialTls(place, protocols);
}

/** Options of channels and of the server alike. */
export const messageLimits = {
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX + MESSAGE_SLACK_BYTES,
  'grpc.max_send_message_length': -1,
  'grpc.enable_channelz': 0,
} as const;

const channelOptions: grpc.ChannelOptions = {
  ...messageLimits,
  // Every channel dials for itself, and nothing is kept for another try: who sends decides that.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
  'grpc.per_rpc_retry_buffer_size': 0,
  // Neither proxies nor DNS records may redirect what members say to each other.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc-node.flow_control_window': FLOW_WINDOW_BYTES,
};

/** Server side of the same: what connections of other members must show. */
export function serverCredentials(): grpc.ServerCredentials {
  return grpc.ServerCredentials.createInsecure();
}

export class PeerChannel {
  readonly client: grpc.Client;
  readonly #sockets = new Set<Socket>();
  #closed = false;

  constructor(place: Place) {
    const credentials = this.#tracking(place, grpc.credentials.createInsecure());
    this.client = new grpc.Client(place.target, credentials, channelOptions);
  }

  /** Ends the connection at once; calls under way fail. */
  close(): void {
    this.#closed = true;
    this.client.close();
    // The library waits for the other side, which a dead link never answers.
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    this.#sockets.clear();
  }

  /**
   * The same credentials, with every socket noted before they use it, and encrypted with what the
   * files of certificates say then.
   */
  #tracking(place: Place, credentials: grpc.ChannelCredentials): grpc.ChannelCredentials {
    const tracking = Object.create(credentials) as grpc.ChannelCredentials;
    tracking._createSecureConnector = (...args) => {
      const connector = credentials._createSecureConnector(...args);
      return {
        connect: (socket) => {
          this.#note(socket);
          return this.#over(place, connector, socket);
        },
        waitForReady: () => connector.waitForReady(),
        getCallCredentials: () => connector.getCallCredentials(),
        destroy: () => connector.destroy(),
      };
    };
    return tracking;
  }

  /** What the channel talks over: the connection that the library has made, or one like it. */
  async #over(place: Place, connector: SecureConnector, made: Socket) {
    let socket = made;
    if ('localAddress' in place.address) {
      // The library cannot say where its connections come from.
      made.destroy();
      socket = connect(place.address).setNoDelay();
      this.#note(socket);
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('error', reject);
        socket.once('close', () => reject(new Error('connection closed')));
      });
    }
    return place.secure === null ? connector.connect(socket) : encrypt(place, socket);
  }

  #note(socket: Socket): void {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

type SecureConnector = ReturnType<grpc.ChannelCredentials['_createSecureConnector']>;

async function encrypt(place: Place, raw: Socket) {
  const socket = dialTls(place, ['h2'], raw);
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('connection closed in the handshake')));
  });
  return { socket, secure: true };
}

/** What stands at a peer URL. */
export type Probed =
  | { readonly kind: 'http2' }
  /** Something answers, but not as members do. */
  | { readonly kind: 'foreign'; readonly answer: string }
  | { readonly kind: 'unreachable'; readonly error: string };

/** The client's connection preface (RFC 9113 §3.4) with an empty SETTINGS frame. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
const FRAME_HEAD_BYTES = 9;
const SETTINGS_TYPE = 4;
const SHOWN_BYTES = 32;

function judge(answer: Buffer): Probed {
  if (answer.length >= FRAME_HEAD_BYTES && answer[3] === SETTINGS_TYPE) {
    return { kind: 'http2' };
  }
  const line = answer.toString('latin1').split('\r\n')[0] ?? '';
  return { kind: 'foreign', answer: line.slice(0, SHOWN_BYTES).replace(/[^ -~]/g, '?') };
}

/**
 * Looks whether anything answers there as HTTP/2 servers do, before a channel is made: a channel
 * cannot say who else answered, and cannot give up a connection that does not come about.
 *
 * @param done called once, unless the returned function is called first
 */
export function probe(
  place: Place,
  timeoutMs: number,
  clock: Clock,
  done: (result: Probed) => void,
): () => void {
  let socket: Socket;
  try {
    socket = dial(place, ['h2']);
  } catch (error) {
    const { message } = error as Error;
    return clock.after(0, () => done({ kind: 'unreachable', error: message }));
  }
  let seen = Buffer.alloc(0);
  let over = false;
  const end = (result: Probed | null): void => {
    if (over) {
      return;
    }
    over = true;
    cancelTimer();
    socket.destroy();
    if (result !== null) {
      done(result);
    }
  };
  const cancelTimer = clock.after(timeoutMs, () => {
    end({ kind: 'unreachable', error: `no answer within ${timeoutMs} ms` });
  });
  socket.on('error', (error) => {
    const text = place.secure?.dialler.failureText(error) ?? error.message;
    end({ kind: 'unreachable', error: text });
  });
  const ready = place.secure === null ? 'connect' : 'secureConnect';
  socket.once(ready, () => socket.write(bytesOf(PREFACE)));
  socket.on('data', (chunk: Buffer) => {
    seen = Buffer.concat([bytesOf(seen), bytesOf(chunk)]);
    if (seen.length >= FRAME_HEAD_BYTES) {
      end(judge(seen));
    }
  });
  socket.once('close', () => {
    end(seen.length > 0 ? judge(seen) : { kind: 'unreachable', error: 'connection closed' });
  });
  return () => end(null);
}
