// What stands before every HTTP request: names of this host that clients in clear text may use
// (against DNS rebinding), and the headers by which browsers learn whose pages may call (CORS,
// Fetch Standard). Called by the router.

import { isIPv6 } from 'node:net';

import type { HttpResponse } from '../../base/call.js';
import { refusal } from './replies.js';

export interface AccessRules {
  /** Origins; `*`, or nothing, for all. */
  readonly cors: readonly string[];
  /** Names of this host; `*`, or nothing, for all. */
  readonly hostWhitelist: readonly string[];
}

const noHeaders: Readonly<Record<string, string>> = {};

function corsFor(origin: string): Readonly<Record<string, string>> {
  return {
    'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE',
    'access-control-allow-origin': origin,
    'access-control-allow-headers': 'accept, content-type, authorization',
  };
}

/** The host of a Host header without its port. */
export function hostName(header: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(header);
  if (bracketed !== null) {
    // Brackets without a port are kept, as they were sent.
    return header.endsWith(']') ? header : (bracketed[1] ?? '');
  }
  return isIPv6(header) ? header : header.replace(/:[^:]*$/, '');
}

export class AccessControl {
  readonly #origins: ReadonlySet<string>;
  readonly #hosts: ReadonlySet<string>;
  readonly #everybody = corsFor('*');

  constructor({ cors, hostWhitelist }: AccessRules) {
    this.#origins = new Set(cors);
    this.#hosts = new Set(hostWhitelist);
  }

  /** Why a request in clear text to this host is not served; null when it is. */
  refuseHost(header: string): HttpResponse | null {
    const host = hostName(header);
    if (this.#hosts.size === 0 || this.#hosts.has('*') || this.#hosts.has(host)) {
      return null;
    }
    return refusal(421, misdirected(host));
  }

  /** The headers that an answer gets, by the Origin of the request. */
  corsHeaders(origin: string | undefined): Readonly<Record<string, string>> {
    if (this.#origins.size === 0 || this.#origins.has('*')) {
      return this.#everybody;
    }
    return origin !== undefined && this.#origins.has(origin) ? corsFor(origin) : noHeaders;
  }
}

/** The page for whoever came by another name. */
function misdirected(host: string): string {
  return [
    `This member does not answer to the host name ${JSON.stringify(host)}.`,
    '',
    'Requests in clear text are served only under the names in --host-whitelist, so that a',
    'page on the web cannot reach the member by a name that it lets point here (DNS rebinding).',
    `Add the name (--host-whitelist=${host}), or use https.`,
  ].join('\n');
}
