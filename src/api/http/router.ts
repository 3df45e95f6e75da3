// Everything that a client port answers over HTTP: the JSON gateway, /kv, health, version, metrics
// and debugging. Called by whoever listens; the variants below serve listeners of one purpose.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type {
  HandlerTable,
  HttpHandler,
  HttpRequest,
  HttpResponse,
  HttpUpgrade,
} from '../../base/call.js';
import type { Member } from '../../server/member.js';
import { AccessControl, type AccessRules } from './access-control.js';
import { Profiles } from './debug/pprof.js';
import type { RequestLog } from './debug/requests.js';
import { debugVars } from './debug/vars.js';
import { Gateway } from './gateway/gateway.js';
import { GatewaySockets } from './gateway/websocket.js';
import { health } from './health/health.js';
import { answerProbe, probeOf } from './health/probes.js';
import type { HealthParts } from './health/reads.js';
import { isKeyRequest, KeyEndpoint } from './kv.js';
import { cleanPath, redirected } from './paths.js';
import { notFound, refusal, versionReply, wrongMethod } from './replies.js';

/** What of it the flags decide. */
export interface HttpOptions extends AccessRules {
  /** Whether there is a JSON gateway (and /kv). */
  readonly gateway: boolean;
  /** Whether /debug/pprof is served. */
  readonly pprof: boolean;
  /** Whether clients must show certificates, whose names speak for them elsewhere. */
  readonly clientCertAuth: boolean;
  /** Largest request message, as for gRPC. */
  readonly maxReceiveBytes: number;
}

export interface HttpParts extends Omit<HealthParts, 'member'> {
  readonly member: Member;
  readonly handlers: HandlerTable;
  readonly options: HttpOptions;
  /** GET /metrics. */
  readonly metrics: HttpHandler;
  /** Whether callers need to say who they are. */
  readonly authEnabled: () => boolean;
  /** Where calls are noted at log level debug; null otherwise. */
  readonly requestLog: RequestLog | null;
}

export interface HttpSide {
  readonly handler: HttpHandler;
  readonly upgrade: HttpUpgrade;
  /** Ends what works for it in the background; resolves when that has ended. */
  stop(): Promise<void>;
}

const nameIgnored =
  'CommonName of client sending a request against gateway will be ignored and not used as expected';

const DEBUG_PPROF = '/debug/pprof';
const GATEWAY = '/v3/';
/** An older name of the same. */
const GATEWAY_BETA = '/v3beta/';

/** What is looked at before anything else. */
type Shown = Pick<HttpRequest, 'url' | 'headers' | 'secure' | 'commonName'>;

class Router {
  readonly #parts: HttpParts;
  readonly #access: AccessControl;
  readonly #gateway: Gateway;
  readonly #keys: KeyEndpoint;
  readonly #sockets: GatewaySockets;
  readonly #profiles = new Profiles();

  constructor(parts: HttpParts) {
    const { handlers, member, options } = parts;
    this.#parts = parts;
    this.#access = new AccessControl(options);
    const backend = { handlers, errors: member.errors };
    this.#gateway = new Gateway(backend, options.maxReceiveBytes, parts.log);
    this.#keys = new KeyEndpoint(this.#gateway);
    this.#sockets = new GatewaySockets(this.#gateway);
  }

  async answer(request: HttpRequest): Promise<HttpResponse> {
    const [path, query] = split(request.url);
    const refused = this.#refuse(request, path);
    if (refused !== null) {
      return refused;
    }
    const cors = this.#access.corsHeaders(headerText(request.headers.origin));
    if (request.method === 'OPTIONS') {
      return { status: 200, headers: cors, body: '' };
    }
    const reply = await this.#route(request, path, query);
    return { ...reply, headers: { ...cors, ...reply.headers } };
  }

  /** Whether the connection was taken over; it is to be served as plain HTTP otherwise. */
  upgrade(request: IncomingMessage, socket: Parameters<HttpUpgrade>[1], head: Buffer): boolean {
    const [path] = split(request.url ?? '/');
    const isSocket = headerText(request.headers.upgrade)?.toLowerCase() === 'websocket';
    if (!isSocket || !path.startsWith(GATEWAY) || !this.#parts.options.gateway) {
      return false;
    }
    const { secure, commonName } = shownBy(request.socket);
    // Refused with an answer, which plain HTTP gives.
    if (this.#refuse({ url: path, headers: request.headers, secure, commonName }, path) !== null) {
      return false;
    }
    this.#sockets.accept(request, socket, head, path);
    return true;
  }

  stop(): Promise<void> {
    return this.#gateway.codec.stop();
  }

  /** What is refused whatever it asks for. */
  #refuse(request: Shown, path: string): HttpResponse | null {
    const { options, authEnabled, log } = this.#parts;
    if (!request.secure) {
      const host = headerText(request.headers.host) ?? '';
      const refused = this.#access.refuseHost(host);
      if (refused !== null) {
        log.warn('rejecting HTTP request to prevent DNS rebinding attacks', { host });
      }
      return refused;
    }
    const speaks = request.commonName !== null && request.commonName !== '';
    const ignored = speaks && options.clientCertAuth && options.gateway && authEnabled();
    return ignored && (path.startsWith(GATEWAY) || isKeyRequest(request.url))
      ? refusal(400, nameIgnored)
      : null;
  }

  async #route(request: HttpRequest, path: string, query: URLSearchParams): Promise<HttpResponse> {
    const { options } = this.#parts;
    if (options.gateway && isKeyRequest(request.url)) {
      return this.#keys.answer(request);
    }
    const clean = cleanPath(path);
    if (clean !== path) {
      return redirected(request, clean);
    }
    if (options.gateway && path.startsWith(GATEWAY)) {
      return this.#gateway.answer(request, path);
    }
    if (options.gateway && `${path}/` === GATEWAY) {
      return redirected(request, GATEWAY);
    }
    return (
      (await observed(this.#parts, request, path, query)) ??
      (await this.#debug(request, path, query)) ??
      notFound
    );
  }

  async #debug(
    request: HttpRequest,
    path: string,
    query: URLSearchParams,
  ): Promise<HttpResponse | null> {
    const { member, options, requestLog } = this.#parts;
    if (path === '/version') {
      return request.method === 'GET' ? versionReply(member.membership) : wrongMethod('GET');
    }
    if (path === '/debug/vars') {
      return request.method === 'GET' ? debugVars(member) : wrongMethod('GET');
    }
    if (path === '/debug/requests') {
      return requestLog?.requests() ?? null;
    }
    if (path === '/debug/events') {
      return requestLog?.events() ?? null;
    }
    if (options.pprof && path === DEBUG_PPROF) {
      return redirected(request, `${DEBUG_PPROF}/`);
    }
    return options.pprof && path.startsWith(`${DEBUG_PPROF}/`)
      ? this.#profiles.answer(path, query, request.signal)
      : null;
  }
}

/** Metrics and health: what listeners for them alone serve too. */
async function observed(
  parts: HealthParts & { readonly metrics: HttpHandler },
  request: HttpRequest,
  path: string,
  query: URLSearchParams,
): Promise<HttpResponse | null> {
  if (path === '/metrics') {
    return parts.metrics(request);
  }
  const probe = probeOf(path);
  if (path !== '/health' && probe === null) {
    return null;
  }
  if (request.method !== 'GET') {
    return wrongMethod('GET');
  }
  return probe === null ? health(parts, query) : answerProbe(parts, probe, query);
}

/** What a connection that asks for another protocol says of its client. */
function shownBy(socket: Socket): Pick<Shown, 'secure' | 'commonName'> {
  if (!(socket instanceof TLSSocket)) {
    return { secure: false, commonName: null };
  }
  const name = socket.authorized ? socket.getPeerCertificate().subject?.CN : undefined;
  return { secure: true, commonName: (Array.isArray(name) ? name[0] : name) ?? null };
}

function headerText(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}

/** The path, decoded, with the newer name of the gateway, and the query. */
function split(url: string): [string, URLSearchParams] {
  const question = url.indexOf('?');
  const raw = question < 0 ? url : url.slice(0, question);
  let path = raw;
  try {
    path = decodeURIComponent(raw);
  } catch {
    // Stays as it was sent, which nothing is found under.
  }
  if (path.startsWith(GATEWAY_BETA)) {
    path = GATEWAY + path.slice(GATEWAY_BETA.length);
  }
  return [path, new URLSearchParams(question < 0 ? '' : url.slice(question + 1))];
}

/** The HTTP side of a client port. */
export function httpRouter(parts: HttpParts): HttpSide {
  const router = new Router(parts);
  return {
    handler: (request) => router.answer(request),
    upgrade: (request, socket, head) => router.upgrade(request, socket, head),
    stop: () => router.stop(),
  };
}

/** For listeners of metrics and health alone. */
export function metricsRouter(parts: HealthParts & { readonly metrics: HttpHandler }): HttpHandler {
  return async (request) => {
    const [path, query] = split(request.url);
    return (await observed(parts, request, path, query)) ?? notFound;
  };
}

/** For listeners that serve gRPC alone, where HTTP/1 has been understood nevertheless. */
export const grpcOnly: HttpHandler = async () =>
  refusal(426, 'this port serves gRPC alone', { upgrade: 'h2c', connection: 'Upgrade' });
