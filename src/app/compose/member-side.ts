// The member and what belongs to it alone, whoever asks: its transport to others, membership,
// leases, upkeep, who may do what. Opens the data directory. Called by compose.

import { mkdirSync } from 'node:fs';

import { Leases } from '../../api/leases.js';
import { observeOperations } from '../../api/metrics/member.js';
import { observePeers, transferEvents, withRoundTrips } from '../../api/metrics/peers.js';
import { systemClock } from '../../base/clock.js';
import type { Logger } from '../../base/log/logger.js';
import type { Metrics } from '../../base/metrics/metrics.js';
import { ETCD_VERSION, MIN_CLUSTER_VERSION } from '../../base/package.js';
import { PeerHttp } from '../../cluster/http/client.js';
import type { SecureDialler } from '../../cluster/http/secure.js';
import { Peers } from '../../cluster/peers/peers.js';
import type { PeersFactory } from '../../cluster/peers/types.js';
import { prepareStart } from '../../server/bootstrap/prepare.js';
import { Member } from '../../server/member.js';
import { MembershipOperations } from '../../server/membership/operations.js';
import { needRecentServer } from '../../server/upkeep/downgrades.js';
import { Upkeep } from '../../server/upkeep/upkeep.js';
import type { Addon } from '../../storage/native.js';
import type { ServerConfig } from '../config/config.js';
import { openLogin } from './auth.js';

/** What ends the process from within. */
export interface Endings {
  /** Disk or engine failed: nothing may be acknowledged any more. */
  readonly onFatal: (message: string) => void;
  /** The member has been removed from its cluster for good. */
  readonly onRemoved: () => void;
}

/** What everything here is made with. */
export interface Surroundings {
  readonly config: ServerConfig;
  readonly addon: Addon;
  readonly dialler: SecureDialler;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** `grpc`: as members of versions without raw streams do, which need not be. */
const STREAMS_VARIABLE = 'METASTORE_PEER_STREAMS';

/** How long another member may take to say its version. */
const VERSION_TIMEOUT_MS = 2000;

/**
 * How the member reaches the others; `made` gets the transport, which also serves the peer port.
 */
function peersFactory(
  { config, dialler, log, metrics }: Surroundings,
  made: (peers: Peers) => void,
): PeersFactory {
  const { heartbeatMs, electionTicks, requestTimeoutMs, core, peerUrls } = config.member;
  return ({ clusterId, memberId }, native, events) => {
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
      rawStreams: process.env[STREAMS_VARIABLE] !== 'grpc',
      transfers: transferEvents(metrics),
    };
    const heard = withRoundTrips(metrics, events);
    const peers = new Peers(options, native, heard, systemClock, log.child('peers'));
    observePeers(metrics, memberId, () => peers.traffic());
    made(peers);
    return peers;
  };
}

/** Asks another member for its release. */
function versionFetcher(peers: PeerHttp) {
  return async (urls: readonly string[]) =>
    (await peers.fetchVersion(urls, { timeoutMs: VERSION_TIMEOUT_MS })).server;
}

/** @throws what prepareStart, openLogin and Member.open throw */
export async function openMember(around: Surroundings, endings: Endings) {
  const { config, addon, dialler, metrics, log } = around;
  const login = openLogin(config.auth, systemClock, log);
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const started = await prepareStart(addon, config.member.core, config.start, log, dialler);
  const peerHttp = new PeerHttp(dialler);
  const known = { fetchVersion: versionFetcher(peerHttp), tokens: login.tokens };
  const options = { ...config.member, ...started, ...endings, ...known };
  const made: { peers: Peers | null } = { peers: null };
  const makePeers = peersFactory(around, (peers) => {
    made.peers = peers;
  });
  const member = await Member.open(addon, options, systemClock, log, makePeers);
  needRecentServer(member.membership.version, config.member.clusterVersion);
  const operations = new MembershipOperations(member, peerHttp, systemClock);
  observeOperations(metrics, operations, member.errors);
  const leases = new Leases(member, peerHttp, systemClock, config.upkeep.renewsAtOnce);
  const upkeep = new Upkeep(member, peerHttp, config.upkeep, systemClock, log);
  const { access, auth } = login.services(member);
  return { member, operations, leases, upkeep, access, auth, peerHttp, peers: made.peers };
}

export type MemberSide = Awaited<ReturnType<typeof openMember>>;
