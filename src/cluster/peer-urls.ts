// Whether two lists of peer URLs name the same places: as texts, or with host names resolved. Used
// where the flags of a member are compared with each other and with what a cluster says of it.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Clock, systemClock } from '../base/clock.js';
import type { Logger } from '../base/log/logger.js';

/** How long names may take to become resolvable: members and DNS often start together. */
const RESOLVE_TIMEOUT_MS = 30_000;
const RESOLVE_RETRY_MS = 1000;

/** Answers with the first address of a name. */
export type Resolve = (host: string) => Promise<string>;

/** The way of the system, which knows its own files as well. */
export async function resolveByDns(host: string): Promise<string> {
  const { address } = await lookup(host, { verbatim: false });
  return address;
}

export interface UrlComparison {
  readonly log: Logger;
  readonly resolve?: Resolve;
  readonly clock?: Clock;
  /** Of the clock; by default 30 seconds from now. Several comparisons may share one. */
  readonly deadlineMs?: number;
}

/** When names must be resolvable that are not now. */
export function resolveDeadlineMs(clock = systemClock): number {
  return clock.nowMs() + RESOLVE_TIMEOUT_MS;
}

/** Null when they are equal, otherwise how they differ. */
type Difference = string | null;

function quoted(urls: readonly string[]): string {
  return `[${urls.map((url) => `"${url}"`).join(' ')}]`;
}

async function resolveUrl(
  url: string,
  deadlineMs: number,
  { log, resolve = resolveByDns, clock = systemClock }: UrlComparison,
): Promise<string> {
  const match = /^(https?:\/\/)([^[\]/:]+)(:\d+)\/?$/i.exec(url);
  const [, scheme = '', host = '', port = ''] = match ?? [];
  // Everybody's localhost is another one: it is equal to nothing but itself.
  if (match === null || host === 'localhost' || isIP(host) !== 0) {
    return url;
  }
  for (;;) {
    try {
      const address = await resolve(host);
      return `${scheme}${isIP(address) === 6 ? `[${address}]` : address}${port}`;
    } catch (error) {
      log.warn('failed to resolve URL Host', { url, host, error, 'retry-interval': '1s' });
      if (clock.nowMs() + RESOLVE_RETRY_MS > deadlineMs) {
        throw new Error(`failed to resolve url: "${url}" (${(error as Error).message})`);
      }
    }
    await new Promise<void>((done) => {
      clock.after(RESOLVE_RETRY_MS, done);
    });
  }
}

/**
 * Compares two lists of URLs as sets, resolving host names where the texts differ. Names that do
 * not resolve are tried again for 30 seconds; IP addresses take no time.
 */
export async function comparePeerUrls(
  left: readonly string[],
  right: readonly string[],
  options: UrlComparison,
): Promise<Difference> {
  const [a, b] = [[...left].sort(), [...right].sort()];
  if (a.length !== b.length) {
    return `len(${quoted(a)}) != len(${quoted(b)})`;
  }
  if (a.every((url, i) => url === b[i])) {
    return null;
  }
  const deadlineMs = options.deadlineMs ?? resolveDeadlineMs(options.clock);
  const resolved: [string[], string[]] = [[], []];
  try {
    for (const [side, urls] of [a, b].entries()) {
      for (const url of urls) {
        resolved[side]?.push(await resolveUrl(url, deadlineMs, options));
      }
    }
  } catch (error) {
    return (error as Error).message;
  }
  const [x, y] = [resolved[0].sort(), resolved[1].sort()];
  const differs = x.findIndex((url, i) => url !== y[i]);
  return differs < 0 ? null : `resolved urls: "${x[differs]}" != "${y[differs]}"`;
}
