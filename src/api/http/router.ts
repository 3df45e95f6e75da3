// The HTTP/1 endpoints of the client port that are not gRPC: /health, /version, /metrics. Every
// answer carries the CORS headers that browsers ask for. Called by whoever listens.

import type { HttpHandler, HttpRequest, HttpResponse } from '../../base/call.js';
import type { Member } from '../../server/member.js';
import { health } from './health.js';
import { METRICS_TYPE, metricsText } from './metrics.js';
import { notFound, versionReply, wrongMethod } from './replies.js';

const corsHeaders = {
  'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE',
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'accept, content-type, authorization',
};

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
    return wrongMethod('GET');
  }
  return path === '/health'
    ? health(member, new URLSearchParams(queryText))
    : versionReply(member.membership.version);
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
