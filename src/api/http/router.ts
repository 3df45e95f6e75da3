// The HTTP/1 endpoints of the client port that are not gRPC: /health, /version, /metrics. Every
// answer carries the CORS headers that browsers ask for. Called by whoever listens.

import type { HttpHandler, HttpRequest, HttpResponse } from '../../base/call.js';
import { CLUSTER_VERSION, ETCD_VERSION } from '../../base/package.js';
import type { Member } from '../../server/member.js';
import { health } from './health.js';
import { METRICS_TYPE, metricsText } from './metrics.js';

const corsHeaders = {
  'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE',
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'accept, content-type, authorization',
};

const plain = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };

const notFound: HttpResponse = { status: 404, headers: plain, body: '404 page not found\n' };
const wrongMethod: HttpResponse = {
  status: 405,
  headers: { ...plain, allow: 'GET' },
  body: 'Method Not Allowed\n',
};

function version(member: Member): HttpResponse {
  const body = JSON.stringify({
    etcdserver: ETCD_VERSION,
    etcdcluster: member.membership.version ?? 'not_decided',
    storage: CLUSTER_VERSION,
  });
  return { status: 200, headers: { 'content-type': 'application/json' }, body };
}

async function route(
  member: Member,
  syncSecondsBounds: readonly number[],
  request: HttpRequest,
): Promise<HttpResponse> {
  const [path = '', queryText = ''] = request.url.split('?', 2);
  if (path === '/metrics') {
    const body = metricsText(member, syncSecondsBounds);
    return { status: 200, headers: { 'content-type': METRICS_TYPE }, body };
  }
  if (path !== '/health' && path !== '/version') {
    return notFound;
  }
  if (request.method !== 'GET') {
    return wrongMethod;
  }
  return path === '/health' ? health(member, new URLSearchParams(queryText)) : version(member);
}

/** The handler of all HTTP requests to a member. */
export function httpRouter(member: Member, syncSecondsBounds: readonly number[]): HttpHandler {
  return async (request) => {
    if (request.method === 'OPTIONS') {
      return { status: 200, headers: corsHeaders, body: '' };
    }
    const answer = await route(member, syncSecondsBounds, request);
    return { ...answer, headers: { ...corsHeaders, ...answer.headers } };
  };
}
