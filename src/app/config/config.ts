// The configuration of one server as its parts want it, made out of validated flags. The rules
// about defaults that depend on other flags stand here.

import { randomInt } from 'node:crypto';
import type { HttpOptions } from '../../api/http/router.js';
import type { Feature } from '../../api/metrics/member.js';
import { CLUSTER_VERSION } from '../../base/package.js';
import { hasLog } from '../../server/bootstrap/directory.js';
import type {
  DiscoveryOptions,
  InitialMember,
  StartConfig,
  StartRequest,
} from '../../server/bootstrap/plan.js';
import type { MemberOptions } from '../../server/options.js';
import type { UpkeepOptions } from '../../server/upkeep/options.js';
import type { OpenOptions } from '../../storage/native.js';
import type { GrpcServerOptions } from '../../transport/grpc-js/server.js';
import type { RequestBounds } from '../../transport/limits.js';
import { type AuthConfig, authConfig } from '../compose/auth.js';
import { enabledGates, features } from '../flags/feature-gates.js';
import type { Flags } from '../flags/sources.js';
import { defaultHost } from '../flags/values/default-host.js';
import { parseUrl } from '../flags/values/urls.js';
import type { ListenConfig } from '../listen/listening.js';
import { tlsFilesOf } from '../listen/tls.js';
import { type TracingOptions, tracingOptions } from '../tracing/tracing.js';
import {
  batching,
  type ClientTransportKind,
  grpcOptions,
  maxReceiveBytes,
  planeThreads,
  raftLimits,
} from './limits.js';
import { upkeepOptions } from './upkeep.js';
import { ConfigError, urlsOf } from './validate.js';

const DEFAULT_QUOTA_BYTES = 2 * 2 ** 30;
const WAL_SEGMENT_BYTES = 64 * 2 ** 20;
const MAX_QUEUED_OPERATIONS = 100_000;
const MAX_QUEUED_BYTES = 256 * 2 ** 20;
const MAX_APPLY_BACKLOG = 5000;
/** Hashing more at each compaction is worth its time only where members compare it. */
const COMPACTION_HASH_LIMIT_BYTES = 256 * 2 ** 20;
const MAX_LOG_BYTES = 2 ** 30;
const CHECKPOINT_MAX_AGE_MS = 5 * 60_000;
const LEASE_CHECKPOINT_INTERVAL_MS = 5 * 60_000;
const PROGRESS_NOTIFY_MS = 10 * 60_000;
const PROGRESS_NOTIFY_MIN_MS = 100;

/** What is counted and warned of. */
export interface ObservedOptions {
  /** `--metrics=extensive`. */
  readonly extensive: boolean;
  /** Calls that take longer are warned of, milliseconds. */
  readonly warningUnaryMs: number;
  readonly features: readonly Feature[];
}

export interface ServerConfig {
  readonly dataDir: string;
  readonly listen: ListenConfig;
  readonly bounds: RequestBounds;
  /** How the member comes to be; `prepareStart` makes it a plan and puts the ids into `core`. */
  readonly start: StartConfig;
  readonly member: Omit<MemberOptions, 'onFatal' | 'onRemoved' | 'bootstrap'>;
  readonly upkeep: UpkeepOptions;
  readonly auth: AuthConfig;
  readonly clientTransport: ClientTransportKind;
  /** Threads of the native transport. */
  readonly planeThreads: number;
  readonly grpc: GrpcServerOptions;
  readonly observed: ObservedOptions;
  readonly http: HttpOptions;
  /** Whether calls are noted for /debug/requests. */
  readonly notesRequests: boolean;
  /** Whether clients may ask for the services and their descriptors. */
  readonly reflection: boolean;
  /** Null when no traces are sent. */
  readonly tracing: TracingOptions | null;
  /** How long a stop waits for calls under way. */
  readonly stopGraceMs: number;
}

/** `name=url,name2=url2`: a name may come several times. */
function parseInitialCluster(text: string): InitialMember[] {
  const urls = new Map<string, string[]>();
  for (const part of text.split(',').filter((piece) => piece !== '')) {
    const equals = part.indexOf('=');
    const name = equals < 0 ? part : part.slice(0, equals);
    const url = parseUrl(equals < 0 ? '' : part.slice(equals + 1).trim());
    if (typeof url === 'string') {
      throw new ConfigError(`error setting up initial cluster: ${url}`, 'discovery failed');
    }
    urls.set(name, [...(urls.get(name) ?? []), url.text]);
  }
  return [...urls].map(([name, peerUrls]) => ({ name, peerUrls }));
}

function discoveryOptions(flags: Flags): DiscoveryOptions {
  return {
    token: flags.text('discovery-token'),
    endpoints: flags.list('discovery-endpoints'),
    dialTimeoutMs: flags.number('discovery-dial-timeout'),
    requestTimeoutMs: flags.number('discovery-request-timeout'),
    keepaliveTimeMs: flags.number('discovery-keepalive-time'),
    keepaliveTimeoutMs: flags.number('discovery-keepalive-timeout'),
    user: flags.text('discovery-user'),
    password: flags.text('discovery-password'),
    tls: {
      insecureTransport: flags.bool('discovery-insecure-transport'),
      insecureSkipVerify: flags.bool('discovery-insecure-skip-tls-verify'),
      certFile: flags.text('discovery-cert'),
      keyFile: flags.text('discovery-key'),
      caFile: flags.text('discovery-cacert'),
    },
  };
}

/**
 * What others are told to connect to. localhost, which stands there when nobody says anything,
 * means nothing to other hosts: a member that listens everywhere names its address instead.
 */
function advertisedUrls(flags: Flags, name: string, listenName: string): readonly string[] {
  const urls = urlsOf(flags, name);
  const [listen] = urlsOf(flags, listenName);
  const isUntold = !flags.given(name) && urls.length === 1 && urls[0]?.host === 'localhost';
  const host = isUntold && listen?.host === '0.0.0.0' ? defaultHost() : null;
  return host === null
    ? urls.map(({ text }) => text)
    : [`${listen?.scheme}://${host}:${listen?.port}`];
}

/** What the flags ask for; in a directory that has a log they mean nothing, and are not read. */
function startRequest(flags: Flags, dataDir: string, advertised: readonly string[]): StartRequest {
  if (hasLog(dataDir, flags.text('wal-dir') || null)) {
    return { kind: 'restart', forceNewCluster: flags.bool('force-new-cluster') };
  }
  if (flags.number('max-learners') < 0) {
    const problem = 'membership: too many learner members in cluster';
    throw new ConfigError(problem, 'discovery failed');
  }
  const existing = flags.text('initial-cluster-state') === 'existing';
  if (flags.list('discovery-endpoints').length > 0) {
    if (existing) {
      throw new ConfigError(
        'discovery URL should not be set when joining existing initial cluster',
        'discovery failed',
      );
    }
    return { kind: 'discover', discovery: discoveryOptions(flags) };
  }
  const token = flags.text('initial-cluster-token');
  const domain = flags.text('discovery-srv');
  if (domain !== '') {
    const serviceName = flags.text('discovery-srv-name');
    return { kind: 'dns', domain, serviceName, existing, token };
  }
  const own = advertised.map((url) => `${flags.text('name')}=${url}`).join(',');
  const members = parseInitialCluster(flags.text('initial-cluster') || own);
  return { kind: existing ? 'existing' : 'new', members, token };
}

/** Leases below this are raised to it: a lease must outlive the loss of a leader. */
export function minLeaseTtlSeconds(heartbeatMs: number, electionMs: number): number {
  const electionTicks = Math.floor(electionMs / heartbeatMs);
  return Math.ceil((Math.floor((3 * electionTicks) / 2) * heartbeatMs) / 1000);
}

function coreOptions(
  flags: Flags,
  dataDir: string,
  environment: Readonly<Record<string, string | undefined>>,
  gates: ReadonlySet<string>,
): OpenOptions {
  const quota = flags.number('quota-backend-bytes');
  const progressMs = flags.number('watch-progress-notify-interval') || PROGRESS_NOTIFY_MS;
  return {
    dataDir,
    walDir: flags.text('wal-dir') || null,
    engine: flags.text('storage-engine') as OpenOptions['engine'],
    clusterId: 0n,
    memberId: 0n,
    unsafeNoFsync: flags.bool('unsafe-no-fsync'),
    quotaBytes: quota === 0 ? DEFAULT_QUOTA_BYTES : quota,
    maxRequestBytes: flags.number('max-request-bytes'),
    maxTxnOps: flags.number('max-txn-ops'),
    minLeaseTtlSeconds: minLeaseTtlSeconds(
      flags.number('heartbeat-interval'),
      flags.number('election-timeout'),
    ),
    walSegmentBytes: WAL_SEGMENT_BYTES,
    compactionBatchLimit: flags.number('compaction-batch-limit') || 1000,
    compactionHashLimitBytes: gates.has('CompactHashCheck')
      ? Number.MAX_SAFE_INTEGER
      : COMPACTION_HASH_LIMIT_BYTES,
    compactionSleepMs: flags.number('compaction-sleep-interval') || 10,
    slowApplyMs: flags.number('warning-apply-duration'),
    watchProgressNotifyMs: Math.max(PROGRESS_NOTIFY_MIN_MS, progressMs),
    maxQueuedOperations: MAX_QUEUED_OPERATIONS,
    maxQueuedBytes: MAX_QUEUED_BYTES,
    maxApplyBacklog: MAX_APPLY_BACKLOG,
    extraRevokeBacklog: gates.has('PriorityRequest') ? MAX_APPLY_BACKLOG : 0,
    rocks: {
      blockCacheBytes: flags.number('rocksdb-block-cache-bytes'),
      writeBufferBytes: flags.number('rocksdb-write-buffer-bytes'),
      metadataCacheBytes: flags.number('rocksdb-metadata-cache-bytes'),
      backgroundJobs: flags.number('rocksdb-background-jobs'),
      bloomBitsPerKey: flags.number('rocksdb-bloom-bits-per-key'),
    },
    fileLayer: environment.METASTORE_TEST_FILE_LAYER ?? '',
    stepped: false,
  };
}

function httpOptions(flags: Flags): HttpOptions {
  return {
    cors: flags.list('cors'),
    hostWhitelist: flags.list('host-whitelist'),
    gateway: flags.bool('enable-grpc-gateway'),
    pprof: flags.bool('enable-pprof') || flags.text('log-level') === 'debug',
    clientCertAuth: flags.bool('client-cert-auth'),
    maxReceiveBytes: maxReceiveBytes(flags),
  };
}

function listenConfig(flags: Flags, localAddressOf: readonly string[] | null): ListenConfig {
  return {
    clientUrls: urlsOf(flags, 'listen-client-urls'),
    clientHttpUrls: urlsOf(flags, 'listen-client-http-urls'),
    metricsUrls: urlsOf(flags, 'listen-metrics-urls'),
    peerUrls: urlsOf(flags, 'listen-peer-urls'),
    clientTls: tlsFilesOf(flags, 'client'),
    peerTls: tlsFilesOf(flags, 'peer'),
    reusePort: flags.bool('socket-reuse-port'),
    localAddressOf,
    maxConnections: flags.number('max-connections'),
  };
}

/**
 * The configuration that validated flags stand for.
 *
 * @throws ConfigError
 */
export function buildConfig(
  flags: Flags,
  environment: Readonly<Record<string, string | undefined>>,
): ServerConfig {
  const name = flags.text('name');
  const dataDir = flags.text('data-dir') || `${name}.etcd`;
  const heartbeatMs = flags.number('heartbeat-interval');
  const electionMs = flags.number('election-timeout');
  const requestTimeoutMs = 5000 + 2 * electionMs;
  const peerUrls = advertisedUrls(flags, 'initial-advertise-peer-urls', 'listen-peer-urls');
  const gates = enabledGates(flags.text('feature-gates'));
  return {
    dataDir,
    listen: listenConfig(flags, gates.has('SetMemberLocalAddr') ? peerUrls : null),
    bounds: {
      maxRequests: flags.number('max-concurrent-requests') || Number.POSITIVE_INFINITY,
      maxMemoryBytes: flags.number('max-memory-bytes') || Number.POSITIVE_INFINITY,
    },
    start: { name, peerUrls, request: startRequest(flags, dataDir, peerUrls) },
    member: {
      name,
      clientUrls: advertisedUrls(flags, 'advertise-client-urls', 'listen-client-urls'),
      peerUrls,
      core: coreOptions(flags, dataDir, environment, gates),
      heartbeatMs,
      electionTicks: Math.floor(electionMs / heartbeatMs),
      preVote: flags.bool('pre-vote'),
      raft: raftLimits(flags),
      batching: batching(flags),
      initialElectionTickAdvance: flags.bool('initial-election-tick-advance'),
      strictReconfigCheck: flags.bool('strict-reconfig-check'),
      maxLearners: flags.number('max-learners'),
      snapshotTransferBytesPerSecond: flags.number('snapshot-transfer-rate-bytes'),
      requestTimeoutMs,
      checkpoints: {
        snapshotCount: flags.number('snapshot-count') || 10_000,
        catchupEntries: flags.number('snapshot-catchup-entries'),
        maxLogBytes: MAX_LOG_BYTES,
        maxAgeMs: CHECKPOINT_MAX_AGE_MS,
      },
      leaseCheckpointIntervalMs: gates.has('LeaseCheckpoint') ? LEASE_CHECKPOINT_INTERVAL_MS : null,
      clusterVersion: CLUSTER_VERSION,
      seed: randomInt(2 ** 32),
    },
    upkeep: upkeepOptions(flags, gates),
    auth: authConfig(flags),
    clientTransport: flags.text('client-transport') as ClientTransportKind,
    planeThreads: planeThreads(flags),
    grpc: grpcOptions(flags),
    observed: {
      extensive: flags.text('metrics') === 'extensive',
      warningUnaryMs: flags.number('warning-unary-request-duration'),
      features: features(flags.text('feature-gates')),
    },
    http: httpOptions(flags),
    reflection: flags.bool('enable-grpc-reflection'),
    notesRequests: flags.text('log-level') === 'debug',
    tracing: tracingOptions(flags),
    stopGraceMs: flags.number('stop-grace') || requestTimeoutMs,
  };
}
