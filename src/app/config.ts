// The configuration of one server as its parts want it, made out of validated flags. The rules
// about defaults that depend on other flags stand here.

import { randomInt } from 'node:crypto';
import type { InitialMember } from '../server/bootstrap.js';
import { hasLog, type Identity, newIdentity } from '../server/bootstrap.js';
import type { MemberOptions } from '../server/options.js';
import { CLUSTER_VERSION } from '../server/versions.js';
import type { OpenOptions } from '../storage/native.js';
import type { GrpcServerOptions } from '../transport/grpc-js/server.js';
import { enabledGates } from './feature-gates.js';
import type { Flags } from './flags/sources.js';
import type { ServiceUrl } from './flags/urls.js';
import { ConfigError, urlsOf } from './validate.js';

const DEFAULT_QUOTA_BYTES = 2 * 2 ** 30;
const WAL_SEGMENT_BYTES = 64 * 2 ** 20;
/** A message may be this much larger than the request in it. */
const MESSAGE_OVERHEAD_BYTES = 512 * 1024;
const MAX_QUEUED_OPERATIONS = 100_000;
const MAX_QUEUED_BYTES = 256 * 2 ** 20;
const MAX_APPLY_BACKLOG = 5000;
const MAX_LOG_BYTES = 2 ** 30;
const CHECKPOINT_MAX_AGE_MS = 5 * 60_000;
const LEASE_CHECKPOINT_INTERVAL_MS = 5 * 60_000;
const PROGRESS_NOTIFY_MS = 10 * 60_000;
const PROGRESS_NOTIFY_MIN_MS = 100;

export interface ServerConfig {
  readonly dataDir: string;
  readonly listenClientUrls: readonly ServiceUrl[];
  readonly member: Omit<MemberOptions, 'onFatal' | 'onRemoved'>;
  readonly grpc: GrpcServerOptions;
  /** How long a stop waits for calls under way. */
  readonly stopGraceMs: number;
}

/** `name=url,name2=url2`: a name may come several times. */
function parseInitialCluster(text: string): InitialMember[] {
  const urls = new Map<string, string[]>();
  for (const part of text.split(',').filter((piece) => piece !== '')) {
    const equals = part.indexOf('=');
    const name = part.slice(0, equals).trim();
    if (equals <= 0) {
      throw new ConfigError(`error setting up initial cluster: "${part}" is not name=url`);
    }
    urls.set(name, [...(urls.get(name) ?? []), part.slice(equals + 1).trim()]);
  }
  return [...urls].map(([name, peerUrls]) => ({ name, peerUrls }));
}

function checkInitialCluster(members: readonly InitialMember[], text: string): void {
  const all = members.flatMap(({ peerUrls }) => peerUrls);
  if (new Set(all).size !== all.length) {
    throw new ConfigError(`initial cluster ${text} has duplicate url`, 'discovery failed');
  }
}

function initialMembers(flags: Flags): InitialMember[] {
  const name = flags.text('name');
  const advertised = flags.list('initial-advertise-peer-urls');
  const text = flags.text('initial-cluster') || advertised.map((url) => `${name}=${url}`).join(',');
  const members = parseInitialCluster(text);
  checkInitialCluster(members, text);
  const own = members.find((member) => member.name === name);
  if (own === undefined) {
    throw new ConfigError(
      `couldn't find local name "${name}" in the initial cluster configuration`,
      'discovery failed',
    );
  }
  const missing = own.peerUrls.find((url) => !advertised.includes(url));
  if (missing !== undefined || own.peerUrls.length !== advertised.length) {
    const given = advertised.join(',');
    throw new ConfigError(
      `--initial-cluster has ${own.peerUrls.map((url) => `${name}=${url}`).join(',')} but ` +
        `missing from --initial-advertise-peer-urls=${given} (resolved urls: ` +
        `"${given}" != "${own.peerUrls.join(',')}")`,
      'discovery failed',
    );
  }
  return members;
}

/** What a member that starts on a fresh directory is; for an existing one the directory says. */
function identity(flags: Flags, dataDir: string, members: readonly InitialMember[]): Identity {
  if (hasLog(dataDir, flags.text('wal-dir') || null)) {
    return { memberId: 0n, clusterId: 0n };
  }
  if (flags.text('initial-cluster-state') === 'existing') {
    throw new ConfigError(
      'joining an existing cluster is not supported by this version of MetaStore yet',
      'discovery failed',
    );
  }
  if (members.length > 1) {
    throw new ConfigError(
      'clusters of several members are not supported by this version of MetaStore yet',
      'discovery failed',
    );
  }
  return newIdentity(members, flags.text('name'), flags.text('initial-cluster-token'));
}

/** Leases below this are raised to it: a lease must outlive the loss of a leader. */
export function minLeaseTtlSeconds(heartbeatMs: number, electionMs: number): number {
  const electionTicks = Math.floor(electionMs / heartbeatMs);
  return Math.ceil((Math.floor((3 * electionTicks) / 2) * heartbeatMs) / 1000);
}

function coreOptions(
  flags: Flags,
  dataDir: string,
  ids: Identity,
  environment: Readonly<Record<string, string | undefined>>,
): OpenOptions {
  const quota = flags.number('quota-backend-bytes');
  const progressMs = flags.number('watch-progress-notify-interval') || PROGRESS_NOTIFY_MS;
  return {
    dataDir,
    walDir: flags.text('wal-dir') || null,
    engine: flags.text('storage-engine') as OpenOptions['engine'],
    clusterId: ids.clusterId,
    memberId: ids.memberId,
    unsafeNoFsync: flags.bool('unsafe-no-fsync'),
    quotaBytes: quota === 0 ? DEFAULT_QUOTA_BYTES : Math.max(0, quota),
    maxRequestBytes: flags.number('max-request-bytes'),
    maxTxnOps: flags.number('max-txn-ops'),
    minLeaseTtlSeconds: minLeaseTtlSeconds(
      flags.number('heartbeat-interval'),
      flags.number('election-timeout'),
    ),
    walSegmentBytes: WAL_SEGMENT_BYTES,
    compactionBatchLimit: flags.number('compaction-batch-limit') || 1000,
    compactionSleepMs: flags.number('compaction-sleep-interval') || 10,
    watchProgressNotifyMs: Math.max(PROGRESS_NOTIFY_MIN_MS, progressMs),
    maxQueuedOperations: MAX_QUEUED_OPERATIONS,
    maxQueuedBytes: MAX_QUEUED_BYTES,
    maxApplyBacklog: MAX_APPLY_BACKLOG,
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
  const members = initialMembers(flags);
  const gates = enabledGates(flags.text('feature-gates'));
  return {
    dataDir,
    listenClientUrls: urlsOf(flags, 'listen-client-urls'),
    member: {
      name,
      clientUrls: flags.list('advertise-client-urls'),
      initialMembers: members,
      initialToken: flags.text('initial-cluster-token'),
      core: coreOptions(flags, dataDir, identity(flags, dataDir, members), environment),
      heartbeatMs,
      electionTicks: Math.floor(electionMs / heartbeatMs),
      preVote: flags.bool('pre-vote'),
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
    grpc: {
      maxReceiveBytes: flags.number('max-request-bytes') + MESSAGE_OVERHEAD_BYTES,
      maxConcurrentStreams: flags.number('max-concurrent-streams'),
      keepaliveIntervalMs: flags.number('grpc-keepalive-interval'),
      keepaliveTimeoutMs: flags.number('grpc-keepalive-timeout'),
    },
    stopGraceMs: requestTimeoutMs,
  };
}
