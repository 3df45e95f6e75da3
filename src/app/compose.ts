// The one place that builds the object graph: listeners, member, services, transport. Called by the
// life cycle, which owns the order of starting and stopping.

import { mkdirSync } from 'node:fs';

import { OpenStreams } from '../api/guard.js';
import { RequestLog } from '../api/http/debug/requests.js';
import { countChecks } from '../api/http/health/counts.js';
import { type HttpParts, type HttpSide, httpRouter, metricsRouter } from '../api/http/router.js';
import { Leases } from '../api/leases.js';
import { CallMeters } from '../api/metrics/calls.js';
import { metricsReply } from '../api/metrics/endpoint.js';
import { observeMember, observeOperations } from '../api/metrics/member.js';
import { observePeers, transferEvents, withRoundTrips } from '../api/metrics/peers.js';
import { RequestStats } from '../api/metrics/request-stats.js';
import { peerRouter } from '../api/peer/router.js';
import { buildHandlers } from '../api/table.js';
import type { HttpHandler } from '../base/call.js';
import { systemClock } from '../base/clock.js';
import type { Logger } from '../base/log/logger.js';
import { Metrics } from '../base/metrics/metrics.js';
import { addProcessMetrics } from '../base/metrics/process.js';
import { ETCD_VERSION, MIN_CLUSTER_VERSION } from '../base/package.js';
import { PeerHttp } from '../cluster/http/client.js';
import type { SecureDialler } from '../cluster/http/secure.js';
import { Peers } from '../cluster/peers/peers.js';
import type { PeersFactory } from '../cluster/peers/types.js';
import { prepareStart } from '../server/bootstrap/prepare.js';
import { Member } from '../server/member.js';
import { MembershipOperations } from '../server/membership/operations.js';
import { ownCaller } from '../server/serving/caller.js';
import { needRecentServer } from '../server/upkeep/downgrades.js';
import { Upkeep } from '../server/upkeep/upkeep.js';
import { loadAddon } from '../storage/loader.js';
import { GrpcServer } from '../transport/grpc-js/server.js';
import { Http2Streams } from '../transport/http2.js';
import { bounded } from '../transport/limits.js';
import { openLogin } from './auth.js';
import type { ServerConfig } from './config/config.js';
import { Listening } from './listen/listening.js';
import { clientServices, httpServices, peerServices } from './listen/services.js';
import { openTracing } from './tracing/tracing.js';

/** A server whose ports are open and whose data is recovered; it serves nobody yet. */
export interface Server {
  readonly member: Member;
  readonly upkeep: Upkeep;
  /** Serves clients from now on. */
  serve(): void;
  /** Stops serving: clients are told to go, calls under way end, streams are ended. */
  stopServing(): Promise<void>;
  /** Takes no more connections of other members. */
  closePeerPorts(): Promise<void>;
}

/** What ends the process from within. */
export interface Endings {
  /** Disk or engine failed: nothing may be acknowledged any more. */
  readonly onFatal: (message: string) => void;
  /** The member has been removed from its cluster for good. */
  readonly onRemoved: () => void;
}

/** When the library of the metrics is loaded at the latest: a start does not wait for it. */
const LOAD_METRICS_MS = 1000;
/** How long another member may take to say its version. */
const VERSION_TIMEOUT_MS = 2000;

/**
 * How the member reaches the others; `made` gets the transport, which also serves the peer port.
 */
function peersFactory(
  config: ServerConfig,
  dialler: SecureDialler,
  log: Logger,
  metrics: Metrics,
  made: (peers: Peers) => void,
) {
  const { heartbeatMs, electionTicks, requestTimeoutMs, core, peerUrls } = config.member;
  const factory: PeersFactory = ({ clusterId, memberId }, native, events) => {
    const options = {
      clusterId,
      memberId,
      version: ETCD_VERSION,
      minClusterVersion: MIN_CLUSTER_VERSION,
      engine: core.engine,
      peerUrls,
      electionMs: heartbeatMs * electionTicks,
      requestTimeoutMs,
      snapshotBytesPerSecond: config.member.snapshotTransferBytesPerSecond,
      dialler,
      transfers: transferEvents(metrics),
    };
    const heard = withRoundTrips(metrics, events);
    const peers = new Peers(options, native, heard, systemClock, log.child('peers'));
    observePeers(metrics, memberId, () => peers.traffic());
    made(peers);
    return peers;
  };
  return factory;
}

/** Counts of clients' calls, and of what the member is asked for at each scrape. */
function meterCalls(config: ServerConfig, metrics: Metrics, member: Member, log: Logger) {
  const { extensive, warningUnaryMs, features } = config.observed;
  observeMember(metrics, member, features);
  const stats = new RequestStats(log, warningUnaryMs);
  return new CallMeters(metrics, member.errors, stats, { extensive });
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

/** Asks another member for its release. */
function versionFetcher(peers: PeerHttp) {
  return async (urls: readonly string[]) =>
    (await peers.fetchVersion(urls, { timeoutMs: VERSION_TIMEOUT_MS })).server;
}

/**
 * Opens ports and data; other members are served when it resolves. Whatever was opened is closed
 * again when something fails.
 *
 * @throws ListenError, or what prepareStart and Member.open throw
 */
export async function compose(
  config: ServerConfig,
  log: Logger,
  endings: Endings,
): Promise<Server> {
  const addon = loadAddon();
  const metrics = new Metrics();
  addProcessMetrics(metrics);
  const listening = await Listening.open(config.listen, config.dataDir, addon.network, log);
  const { dialler } = listening;
  try {
    const login = openLogin(config.auth, systemClock, log);
    mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
    const started = await prepareStart(addon, config.member.core, config.start, log, dialler);
    const peerHttp = new PeerHttp(dialler);
    const known = { fetchVersion: versionFetcher(peerHttp), tokens: login.tokens };
    const options = { ...config.member, ...started, ...endings, ...known };
    const made: { peers: Peers | null } = { peers: null };
    const makePeers = peersFactory(config, dialler, log, metrics, (peers) => {
      made.peers = peers;
    });
    const member = await Member.open(addon, options, systemClock, log, makePeers);
    needRecentServer(member.membership.version, config.member.clusterVersion);
    const operations = new MembershipOperations(member, peerHttp, systemClock);
    observeOperations(metrics, operations, member.errors);
    const leases = new Leases(member, peerHttp, systemClock, config.upkeep.renewsAtOnce);
    const upkeep = new Upkeep(member, peerHttp, config.upkeep, systemClock, log);
    const { access, auth } = login.services(member);
    const peerRequests = peerRouter({ member, operations, leases, access, log });
    listening.servePeers(peerServices(made.peers, peerRequests, log));
    const streams = new OpenStreams(member);
    const electionMs = config.member.heartbeatMs * config.member.electionTicks;
    const stopPolling = systemClock.every(electionMs, () => streams.poll());
    const calls = meterCalls(config, metrics, member, log);
    const { reflection } = config;
    const apiParts = { member, operations, leases, access, auth, calls, upkeep, reflection };
    const requestLog = config.notesRequests ? new RequestLog(member.errors) : null;
    const served = bounded(buildHandlers(apiParts, streams), config.bounds);
    const tracing = await openTracing(config.tracing, member.errors, log);
    const handlers = tracing.traced(requestLog?.tracked(served) ?? served);
    const httpParts = { member, handlers, requestLog, log };
    const { http, metricsHttp } = httpSides(config, httpParts, metrics);
    const json = new Http2Streams(http.handler, log);
    const grpc = new GrpcServer(handlers, member.errors, config.grpc, json);
    const services = clientServices(grpc, json, http);
    listening.serveMetrics(httpServices(metricsHttp, log));
    return {
      member,
      upkeep,
      serve: () => {
        listening.serveClients(services);
        systemClock.after(LOAD_METRICS_MS, () => void metrics.open());
      },
      stopServing: async () => {
        const closed = listening.closeClients();
        const drained = grpc.stop(config.stopGraceMs).then(() => json.cut());
        json.drain();
        stopPolling();
        upkeep.stop();
        streams.stop();
        await Promise.all([closed, drained]);
        await tracing.stop();
      },
      closePeerPorts: () => {
        peerHttp.close();
        return listening.closePeers();
      },
    };
  } catch (error) {
    await listening.close();
    throw error;
  }
}
