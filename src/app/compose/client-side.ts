// What clients reach: the services as handlers, with what is around every call (checks, counts,
// bounds, traces), and the two transports that carry them. Called by compose.

import { OpenStreams } from '../../api/guard.js';
import { RequestLog } from '../../api/http/debug/requests.js';
import { countChecks } from '../../api/http/health/counts.js';
import { type HttpParts, type HttpSide, httpRouter, metricsRouter } from '../../api/http/router.js';
import { CallMeters } from '../../api/metrics/calls.js';
import { metricsReply } from '../../api/metrics/endpoint.js';
import { observeMember } from '../../api/metrics/member.js';
import { RequestStats } from '../../api/metrics/request-stats.js';
import { observeStreams } from '../../api/metrics/streams.js';
import { PlaneStreams } from '../../api/services/streams/plane-streams.js';
import { buildHandlers } from '../../api/table.js';
import type { HttpHandler } from '../../base/call.js';
import { systemClock } from '../../base/clock.js';
import type { Logger } from '../../base/log/logger.js';
import type { Metrics } from '../../base/metrics/metrics.js';
import type { Member } from '../../server/member.js';
import { ownCaller } from '../../server/serving/caller.js';
import type { Addon } from '../../storage/native.js';
import { Http2Streams } from '../../transport/http2.js';
import { bounded } from '../../transport/limits.js';
import type { PlaneExtras } from '../../transport/native/server.js';
import type { ServerConfig } from '../config/config.js';
import { clientServices } from '../listen/services.js';
import { openTracing } from '../tracing/tracing.js';
import type { MemberSide } from './member-side.js';
import { attachPlane, tellSlow } from './plane.js';
import { openTransport } from './transports.js';

/** Counts of clients' calls, and of what the member is asked for at each scrape. */
function meterCalls(config: ServerConfig, metrics: Metrics, member: Member, log: Logger) {
  const { extensive, warningUnaryMs, features } = config.observed;
  observeMember(metrics, member, features);
  const stats = new RequestStats(log, warningUnaryMs);
  return { calls: new CallMeters(metrics, member.errors, stats, { extensive }), stats };
}

/** What clients reach over HTTP, and what of it ports for metrics have. */
function httpSides(
  config: ServerConfig,
  parts: Pick<HttpParts, 'member' | 'handlers' | 'requestLog' | 'log'>,
  metrics: Metrics,
): { readonly http: HttpSide; readonly metricsHttp: HttpHandler } {
  const all: HttpParts = {
    ...parts,
    options: config.http,
    metrics: ({ headers }) => metricsReply(metrics, headers['accept-encoding']),
    authEnabled: () => parts.member.auth.enabled,
    ownCaller: () => ownCaller(parts.member.auth),
    observe: countChecks(metrics),
  };
  return { http: httpRouter(all), metricsHttp: metricsRouter(all) };
}

/** What the plane asks about streams that it serves by itself, and its other events. */
function planeExtras(planeStreams: PlaneStreams, stats: RequestStats): PlaneExtras {
  return {
    keepAlives: (record) => planeStreams.keepAlives(record),
    caller: (record) => planeStreams.caller(record),
    slow: (record) => tellSlow(stats, record),
  };
}

export async function openClientSide(
  config: ServerConfig,
  addon: Addon,
  side: MemberSide,
  metrics: Metrics,
  log: Logger,
) {
  const { member } = side;
  const streams = new OpenStreams(member);
  const electionMs = config.member.heartbeatMs * config.member.electionTicks;
  const stopPolling = systemClock.every(electionMs, () => streams.poll());
  const { calls, stats } = meterCalls(config, metrics, member, log);
  const requestLog = config.notesRequests ? new RequestLog(member.errors) : null;
  const apiParts = { ...side, calls, reflection: config.reflection };
  const native = { inFlight: () => 0 };
  const table = buildHandlers(apiParts, streams);
  const served = bounded(table, config.bounds, () => native.inFlight());
  const tracing = await openTracing(config.tracing, member.errors, log);
  const handlers = tracing.traced(requestLog?.tracked(served) ?? served);
  const httpParts = { member, handlers, requestLog, log };
  const { http, metricsHttp } = httpSides(config, httpParts, metrics);
  const json = new Http2Streams(http.handler, log);
  const { errors } = member;
  const planeStreams = new PlaneStreams({ ...side, errors, calls, marks: addon.streamMarks });
  const { transport: grpc, plane } = openTransport(config, {
    ...{ addon, core: member.native, handlers, errors },
    ...{ json, http: http.handler, extras: planeExtras(planeStreams, stats), log },
  });
  if (plane !== null) {
    native.inFlight = () => plane.hotInFlight();
    attachPlane(plane, { config, addon, member, metrics, log });
    planeStreams.attach(plane, streams);
    observeStreams(metrics, config.observed.extensive, () => plane.streamCounts());
  }
  return {
    services: clientServices(grpc, json, http),
    metricsHttp,
    /** Tells clients to go; resolves when the calls under way have ended, or were cut. */
    drain: async () => {
      const drained = grpc.stop(config.stopGraceMs).then(() => json.cut());
      json.drain();
      stopPolling();
      streams.stop();
      await drained;
      await http.stop();
      await tracing.stop();
    },
  };
}
