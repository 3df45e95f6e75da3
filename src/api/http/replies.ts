// Answers that HTTP endpoints of both ports share: refusals in plain text, with the headers that
// other implementations send along, and what this member says of its versions.

import type { HttpResponse } from '../../base/call.js';
import { ETCD_VERSION } from '../../base/package.js';
import type { Membership } from '../../cluster/membership.js';

type Headers = Readonly<Record<string, string>>;

const plain = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };

/** A refusal: its text and a newline. */
export function refusal(status: number, text: string, headers: Headers = {}): HttpResponse {
  return { status, headers: { ...plain, ...headers }, body: `${text}\n` };
}

export const notFound = refusal(404, '404 page not found');

/** @param allowed the one method that the path knows */
export function wrongMethod(allowed: string): HttpResponse {
  return refusal(405, 'Method Not Allowed', { allow: allowed });
}

export function jsonReply(body: string, headers: Headers = {}): HttpResponse {
  return { status: 200, headers: { 'content-type': 'application/json', ...headers }, body };
}

/** GET /version. */
export function versionReply({
  version,
  storageVersion,
}: Pick<Membership, 'version' | 'storageVersion'>): HttpResponse {
  return jsonReply(
    JSON.stringify({
      etcdserver: ETCD_VERSION,
      etcdcluster: version ?? 'not_decided',
      storage: storageVersion,
    }),
  );
}
