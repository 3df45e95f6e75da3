// The members of a cluster as DNS names them: SRV records of a domain, one for each member's peer
// port, those with TLS under a name of their own. Called by src/server/bootstrap; the records are
// those that other etcd servers are found by.

import { resolveSrv } from 'node:dns/promises';
import { isIP } from 'node:net';

import type { Logger } from '../../base/log/logger.js';
import { type Resolve, resolveByDns } from '../peer-urls.js';

export interface SrvTarget {
  readonly name: string;
  readonly port: number;
}

/** Answers with the SRV records of a name; rejects when there are none. */
export type LookupSrv = (name: string) => Promise<readonly SrvTarget[]>;

export interface SrvQuestion {
  readonly domain: string;
  /** Added to the name of the service after a dash; '' for nothing. */
  readonly serviceName: string;
  readonly self: { readonly name: string; readonly peerUrls: readonly string[] };
  readonly log: Logger;
  readonly lookup?: LookupSrv;
  readonly resolve?: Resolve;
}

/** A member by the name that it gets here: only the own one is known, others are numbered. */
export interface NamedMember {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/** `host:port` with the host as an address; null when it has none. */
async function placeOf(host: string, port: string, resolve: Resolve): Promise<string | null> {
  const bare = host.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0) {
    return `${bare}:${port}`;
  }
  try {
    return `${await resolve(bare)}:${port}`;
  } catch {
    return null;
  }
}

/** The member's own peer URLs by the place that they stand for. */
async function ownPlaces(
  urls: readonly string[],
  resolve: Resolve,
): Promise<ReadonlyMap<string, string>> {
  const places = new Map<string, string>();
  for (const url of urls) {
    const [, scheme = '', host = '', port = ''] = /^(https?):\/\/(.+):(\d+)$/i.exec(url) ?? [];
    const place = scheme === '' ? null : await placeOf(host, port, resolve);
    if (place !== null) {
      places.set(place, scheme.toLowerCase());
    }
  }
  return places;
}

async function lookUp(lookup: LookupSrv, service: string, domain: string) {
  const name = `_${service}._tcp.${domain}`;
  try {
    return await lookup(name);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOTFOUND' || code === 'ENODATA' ? 'no such host' : message;
    throw new Error(`error querying DNS SRV records for _${service} lookup ${name}: ${reason}`);
  }
}

/**
 * The members that the records of the domain name, with TLS and without together.
 *
 * @throws Error when there are none, or the member's own one has another scheme than it advertises
 */
export async function membersBySrv(question: SrvQuestion): Promise<NamedMember[]> {
  const { domain, serviceName, self, log, lookup = resolveSrv, resolve = resolveByDns } = question;
  const suffix = serviceName === '' ? '' : `-${serviceName}`;
  const own = await ownPlaces(self.peerUrls, resolve);
  const members = new Map<string, string[]>();
  const problems: string[] = [];
  let unnamed = 0;
  const add = async (scheme: string, { name: target, port }: SrvTarget): Promise<void> => {
    const host = target.replace(/\.$/, '');
    const place = await placeOf(host, String(port), resolve);
    if (place === null) {
      const fields = { target: `${host}:${port}`, scheme };
      log.warn('failed to resolve TCP SRV record', fields);
      return;
    }
    const ownScheme = own.get(place);
    if (ownScheme !== undefined && ownScheme !== scheme) {
      throw new Error(
        `bootstrap at ${host}:${port} from DNS for ${domain} has scheme mismatch with expected ` +
          `peer ${ownScheme}://${host}:${port}`,
      );
    }
    const name = ownScheme === undefined ? String(unnamed++) : self.name;
    const url = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    members.set(name, [...(members.get(name) ?? []), url]);
    log.info('got bootstrap from DNS for etcd-server', { node: `${name}=${url}` });
  };
  for (const [scheme, service] of [
    ['https', `etcd-server-ssl${suffix}`],
    ['http', `etcd-server${suffix}`],
  ] as const) {
    try {
      for (const target of await lookUp(lookup, service, domain)) {
        await add(scheme, target);
      }
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  if (problems.length > 0) {
    log.warn('failed to resolve during SRV discovery', { error: problems.join('\n') });
  }
  if (members.size === 0) {
    const reason = problems.join('\n') || 'no record could be resolved';
    throw new Error(`error setting up initial cluster: ${reason}`);
  }
  if (!members.has(self.name)) {
    throw new Error(
      'error setting up initial cluster: cannot find local etcd member ' +
        `"${self.name}" in SRV records`,
    );
  }
  return [...members].map(([name, peerUrls]) => ({ name, peerUrls }));
}
