// The log line that lists the whole effective configuration, in the names that etcd has for it, and
// the warnings about settings that are allowed and unwise. Called by the life cycle.

import { arch, availableParallelism, cpus, platform } from 'node:os';
import { join } from 'node:path';
import type { LogFields, Logger } from '../../base/log/logger.js';
import { ETCD_VERSION, packageVersion } from '../../base/package.js';
import { sizeText } from '../../server/upkeep/sizes.js';
import type { ServerConfig } from '../config/config.js';
import { enabledGates, featureGatesText } from '../flags/feature-gates.js';
import type { Flags } from '../flags/sources.js';
import { ownFlags } from '../flags/tables/own.js';
import { formatDuration } from '../flags/values/values.js';

const RECOMMENDED_REQUEST_BYTES = 10 * 2 ** 20;
const LARGEST_QUOTA_BYTES = 8 * 2 ** 30;

/** What the flags say of the cluster to be made or joined. */
function initialCluster({ start: { request } }: ServerConfig): LogFields {
  if (request.kind !== 'new' && request.kind !== 'existing') {
    return { 'initial-cluster': '', 'initial-cluster-state': '', 'initial-cluster-token': '' };
  }
  const each = request.members.map(({ name, peerUrls }) =>
    peerUrls.map((url) => `${name}=${url}`).join(','),
  );
  return {
    'initial-cluster': each.join(','),
    'initial-cluster-state': request.kind,
    'initial-cluster-token': request.token,
  };
}

function processFields(): LogFields {
  return {
    'etcd-version': ETCD_VERSION,
    'metastore-version': packageVersion(),
    'node-version': process.version,
    'go-os': platform(),
    'go-arch': arch() === 'x64' ? 'amd64' : arch(),
    'max-cpu-set': availableParallelism(),
    'max-cpu-available': cpus().length,
  };
}

function memberFields(config: ServerConfig, flags: Flags): LogFields {
  const { member, dataDir } = config;
  const walDir = flags.text('wal-dir');
  return {
    'member-initialized': config.start.request.kind === 'restart',
    name: member.name,
    'data-dir': dataDir,
    'wal-dir': walDir,
    'wal-dir-dedicated': walDir,
    'member-dir': join(dataDir, 'member'),
    'storage-engine': member.core.engine,
    'force-new-cluster': flags.bool('force-new-cluster'),
    'heartbeat-interval': formatDuration(member.heartbeatMs),
    'election-timeout': formatDuration(flags.number('election-timeout')),
    'initial-election-tick-advance': member.initialElectionTickAdvance,
    'snapshot-count': member.checkpoints.snapshotCount,
    'max-wals': flags.number('max-wals'),
    'max-snapshots': flags.number('max-snapshots'),
    'snapshot-catchup-entries': member.checkpoints.catchupEntries,
    'initial-advertise-peer-urls': member.peerUrls,
    'listen-peer-urls': config.listen.peerUrls.map((url) => url.text),
    'advertise-client-urls': member.clientUrls,
    'listen-client-urls': config.listen.clientUrls.map((url) => url.text),
    'listen-metrics-urls': flags.list('listen-metrics-urls'),
    'local-address': '',
    cors: flags.list('cors'),
    'host-whitelist': flags.list('host-whitelist'),
  };
}

function limitFields(config: ServerConfig, flags: Flags): LogFields {
  const gates = flags.text('feature-gates');
  return {
    'quota-backend-bytes': config.member.core.quotaBytes,
    'max-request-bytes': config.member.core.maxRequestBytes,
    'max-concurrent-streams': config.grpc.maxConcurrentStreams,
    'pre-vote': config.member.preVote,
    'feature-gates': featureGatesText(gates),
    'initial-corrupt-check': enabledGates(gates).has('InitialCorruptCheck'),
    'corrupt-check-time-interval': formatDuration(flags.number('corrupt-check-time')),
    'compact-check-time-interval': formatDuration(flags.number('compact-hash-check-time')),
    'auto-compaction-mode': flags.text('auto-compaction-mode'),
    'auto-compaction-retention': flags.text('auto-compaction-retention'),
  };
}

function discoveryFields(flags: Flags): LogFields {
  const texts = ['token', 'cert', 'key', 'cacert', 'user'];
  const times = ['dial-timeout', 'request-timeout', 'keepalive-time', 'keepalive-timeout'];
  const switches = ['insecure-transport', 'insecure-skip-tls-verify'];
  const fields: Record<string, unknown> = {};
  for (const name of texts) {
    // A password may follow the name of the user.
    fields[`discovery-${name}`] = flags.text(`discovery-${name}`).replace(/:.*$/, '');
  }
  fields['discovery-endpoints'] = flags.list('discovery-endpoints').join(',');
  for (const name of times) {
    fields[`discovery-${name}`] = formatDuration(flags.number(`discovery-${name}`));
  }
  for (const name of switches) {
    fields[`discovery-${name}`] = flags.bool(`discovery-${name}`);
  }
  return fields;
}

/** Flags that only this server has, unless they stand somewhere else in the line. */
function ownFields(flags: Flags): LogFields {
  const rows = ownFlags.filter(({ name }) => name !== 'storage-engine');
  return Object.fromEntries(
    rows.map(({ name, kind }) => [
      name,
      kind === 'duration' ? formatDuration(flags.number(name)) : flags.value(name),
    ]),
  );
}

function logQuota(log: Logger, quotaBytes: number): void {
  const text = quotaBytes < 0 ? 'disabled backend quota' : 'enabled backend quota';
  const size = quotaBytes < 0 ? {} : { 'quota-size': sizeText(quotaBytes) };
  log.info(text, { 'quota-name': 'v3-applier', 'quota-size-bytes': quotaBytes, ...size });
}

function warn(log: Logger, { member }: ServerConfig): void {
  if (member.name === 'default') {
    log.warn(
      "it isn't recommended to use default name, please set a value for --name. Note that " +
        'etcd might run into issue when multiple members have the same default name',
      { name: member.name },
    );
  }
  const { maxRequestBytes, quotaBytes, unsafeNoFsync } = member.core;
  if (maxRequestBytes > RECOMMENDED_REQUEST_BYTES) {
    log.warn('exceeded recommended request limit', {
      'max-request-bytes': maxRequestBytes,
      'recommended-request-bytes': RECOMMENDED_REQUEST_BYTES,
    });
  }
  logQuota(log, quotaBytes);
  if (quotaBytes > LARGEST_QUOTA_BYTES) {
    log.warn('quota exceeds the maximum value', {
      'quota-size-bytes': quotaBytes,
      'quota-maximum-size-bytes': LARGEST_QUOTA_BYTES,
    });
  }
  if (unsafeNoFsync) {
    log.warn('the log is not synced: acknowledged writes can be lost', { flag: 'unsafe-no-fsync' });
  }
}

/** Says what is started, and with which settings. Passwords are not among them. */
export function logStart(log: Logger, config: ServerConfig, flags: Flags): void {
  log.info('configuring peer listeners', {
    'listen-peer-urls': config.listen.peerUrls.map((url) => url.text),
  });
  log.info('configuring client listeners', {
    'listen-client-urls': config.listen.clientUrls.map((url) => url.text),
  });
  log.info('starting an etcd server', {
    ...processFields(),
    ...memberFields(config, flags),
    ...initialCluster(config),
    ...limitFields(config, flags),
    ...discoveryFields(flags),
    'downgrade-check-interval': formatDuration(flags.number('downgrade-check-time')),
    'max-learners': config.member.maxLearners,
    'v2-deprecation': 'write-only',
    ...ownFields(flags),
  });
  warn(log, config);
}
