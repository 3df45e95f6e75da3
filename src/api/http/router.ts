// The HTTP/1 endpoints of the client port that are not gRPC: /health, /version, /metrics. Every
// answer carries the CORS headers that browsers ask for. Called by whoever listens.

import type { HttpHandler, HttpRequest, HttpResponse } from '../../base/call.js';
import type { Metrics } from '../../base/metrics/metrics.js';
import type { Member } from '../../server/member.js';
import { metricsReply } from '../metrics/endpoint.js';
import { health } from './health.js';
import { notFound, versionReply, wrongMethod } from './replies.js';

const corsHeaders = {
  'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE',
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'accept, content-type, authorization',
};

async function route(
  member: Member,
  metrics: Metrics,
  request: HttpRequest,
): Promise<HttpResponse> {
  const [path = '', queryText = ''] = request.url.split('?', 2);
  if (path === '/metrics') {
    return metricsReply(metrics, request.headers['accept-encoding']);
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
export function httpRouter(member: Member, metrics: Metrics): HttpHandler {
  return async (request) => {
    if (request.method === 'OPTIONS') {
      return { status: 200, headers: corsHeaders, body: '' };
    }
    const answer = await route(member, metrics, request);
    return { ...answer, headers: { ...corsHeaders, ...answer.headers } };
  };
}
