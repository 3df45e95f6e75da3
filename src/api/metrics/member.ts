// What a scrape asks the member for: numbers that it keeps anyway. Called once when the server is
// composed; runs at the beginning of each scrape and waits for nothing.

import { hexId } from '../../base/bytes.js';
import type { ErrorTable } from '../../base/errors.js';
import type { Histogram } from '../../base/metrics/definition.js';
import type { Distribution } from '../../base/metrics/family.js';
import type { Metrics } from '../../base/metrics/metrics.js';
import { diskMetrics } from '../../base/metrics/tables/disk.js';
import { mvccMetrics } from '../../base/metrics/tables/mvcc.js';
import { networkMetrics } from '../../base/metrics/tables/network.js';
import { ownMetrics } from '../../base/metrics/tables/own.js';
import { rpcMetrics } from '../../base/metrics/tables/rpc.js';
import { serverMetrics } from '../../base/metrics/tables/server.js';
import { ETCD_VERSION } from '../../base/package.js';
import type { Member } from '../../server/member.js';
import type { MembershipOperations } from '../../server/membership/operations.js';
import type { MemberCounts } from '../../server/serving/counts.js';
import type { CoreStatus } from '../../storage/native.js';
import { loadNative } from './native.js';

const alarmNames: Readonly<Record<number, string>> = { 1: 'NOSPACE', 2: 'CORRUPT' };

/** A feature gate of this server. */
export interface Feature {
  readonly name: string;
  readonly stage: 'ALPHA' | 'BETA';
  readonly enabled: boolean;
}

function flag(value: boolean): number {
  return value ? 1 : 0;
}

function observeOnce(metrics: Metrics, member: Member, features: readonly Feature[]): void {
  metrics.value(serverMetrics.id, hexId(member.id)).set(1);
  metrics.value(serverMetrics.version, ETCD_VERSION).set(1);
  metrics.value(serverMetrics.runtimeVersion, `node ${process.version}`).set(1);
  metrics.value(serverMetrics.quotaBytes).set(member.options.core.quotaBytes);
  for (const code of ['200', '500', '503']) {
    metrics.value(rpcMetrics.scrapes, code);
  }
  metrics.value(ownMetrics.build, ETCD_VERSION, member.options.core.engine).set(1);
  for (const { name, stage, enabled } of features) {
    metrics.value(serverMetrics.featureEnabled, name, stage).set(flag(enabled));
  }
}

function observeConsensus(metrics: Metrics, member: Member): void {
  metrics.value(serverMetrics.hasLeader).set(flag(member.leader !== 0n));
  metrics.value(serverMetrics.isLeader).set(flag(member.isLeader));
  metrics.value(serverMetrics.isLearner).set(flag(member.isLearner));
  metrics.value(serverMetrics.proposalsCommitted).set(member.committedIndex);
  metrics.value(serverMetrics.proposalsApplied).set(member.appliedIndex);
  const backlog = Math.max(0, member.committedIndex - member.appliedIndex);
  metrics.value(ownMetrics.applyBacklog).set(backlog);
  metrics.value(ownMetrics.replicaTurns).set(member.turns);
  metrics.value(serverMetrics.authRevision).set(member.auth.revision);
}

function observeCluster(metrics: Metrics, member: Member): void {
  const { version } = member.membership;
  if (version !== null) {
    const versions = metrics.values(serverMetrics.clusterVersion);
    for (const cell of versions.cells()) {
      cell.set(0);
    }
    versions.with(version.split('.').slice(0, 2).join('.')).set(1);
  }
  const known = metrics.values(networkMetrics.knownPeers);
  known.clear();
  for (const { id } of member.membership.list()) {
    known.with(hexId(member.id), hexId(id)).set(1);
  }
  const alarms = metrics.values(serverMetrics.alarms);
  for (const cell of alarms.cells()) {
    cell.set(0);
  }
  for (const { memberId, alarm } of member.alarms.list()) {
    alarms.with(hexId(memberId), alarmNames[alarm] ?? 'UNKNOWN').set(1);
  }
}

function observeCore(metrics: Metrics, core: CoreStatus, engine: string): void {
  const set = (definition: Parameters<Metrics['value']>[0], value: number) =>
    metrics.value(definition).set(value);
  set(mvccMetrics.dbSize, core.dbSizeBytes);
  set(mvccMetrics.dbSizeInUse, core.dbSizeInUseBytes);
  set(mvccMetrics.currentRevision, core.revision);
  set(mvccMetrics.compactRevision, core.compactRevision);
  set(mvccMetrics.watchStreams, core.watchStreams);
  set(mvccMetrics.watchers, core.watchers);
  set(mvccMetrics.slowWatchers, core.slowWatchers);
  set(mvccMetrics.events, core.watchEvents);
  set(ownMetrics.queuedOperations, core.queuedOperations);
  set(ownMetrics.queuedBytes, core.queuedBytes);
  set(ownMetrics.logSegments, core.logSegments);
  set(ownMetrics.logBytes, core.logBytes);
  set(ownMetrics.logEntries, core.logLastIndex - core.logStartIndex);
  set(ownMetrics.logSyncs, core.logSyncs);
  set(ownMetrics.durableIndex, core.durableAppliedIndex);
  const numbers = metrics.values(ownMetrics.engine);
  for (const [name, value] of core.engine) {
    numbers.with(engine, name).set(value);
  }
}

function observeRequests(metrics: Metrics, { parts, expiry, plane }: MemberCounts): void {
  plane?.take();
  const { requestTimes, controlTimes, tickets, reads, heartbeats, leadership, lessor } = parts;
  for (const { type, succeeded, failed } of requestTimes.all) {
    for (const [success, times] of [['true', succeeded] as const, ['false', failed] as const]) {
      load(metrics, serverMetrics.requestSeconds, [type, success], times);
    }
  }
  for (const [op, { succeeded, failed }] of controlTimes.all) {
    load(metrics, serverMetrics.applySeconds, ['v3', op, 'true'], succeeded);
    load(metrics, serverMetrics.applySeconds, ['v3', op, 'false'], failed);
  }
  metrics.value(serverMetrics.proposalsFailed).set(requestTimes.proposalsFailed);
  metrics
    .value(serverMetrics.proposalsPending)
    .set(tickets.countProposals() + (plane?.proposals ?? 0));
  metrics.value(ownMetrics.tickets).set(tickets.size + (plane?.waiting ?? 0));
  metrics.value(serverMetrics.readIndexesFailed).set(reads.failedRounds);
  metrics.value(serverMetrics.slowReadIndexes).set(reads.slowRounds);
  load(metrics, ownMetrics.readConfirmSeconds, [], reads.confirmSeconds);
  load(metrics, ownMetrics.replicaTurnSeconds, [], parts.loop.turnSeconds);
  load(metrics, ownMetrics.batchOperations, [], parts.proposals.batchOperations);
  load(metrics, diskMetrics.snapDbFsyncSeconds, [], parts.writes.installSeconds);
  metrics.value(serverMetrics.snapshotApplying).set(flag(parts.writes.installing));
  metrics.value(serverMetrics.heartbeatFailures).set(heartbeats.late);
  metrics.value(serverMetrics.leaderChanges).set(leadership.changes);
  metrics.value(serverMetrics.leasesRenewed).set(lessor.renewals);
  metrics.value(serverMetrics.leasesExpired).set(expiry.revoked);
}

/** A child comes into being with its first value. */
function load(
  metrics: Metrics,
  definition: Histogram,
  labels: readonly string[],
  from: Distribution,
): void {
  if (labels.length === 0 || from.count > 0) {
    metrics.distribution(definition, ...labels).load(from.counts, from.sum);
  }
}

/** Counts promotions of learners, while this member leads. */
export function observeOperations(
  metrics: Metrics,
  operations: MembershipOperations,
  errors: ErrorTable,
): void {
  operations.onPromoteFailure = (error) =>
    metrics.value(serverMetrics.learnerPromoteFailures, errors.status(error).text).add();
  metrics.onScrape(() =>
    metrics.value(serverMetrics.learnerPromoteSuccesses).set(operations.promotions),
  );
}

/** Registers what each scrape asks the member for. */
export function observeMember(
  metrics: Metrics,
  member: Member,
  features: readonly Feature[],
): void {
  observeOnce(metrics, member, features);
  metrics.onScrape(() => {
    if (member.stopping) {
      return; // the numbers stay as they were
    }
    observeConsensus(metrics, member);
    observeCluster(metrics, member);
    observeCore(metrics, member.coreStatus(), member.options.core.engine);
    observeRequests(metrics, member.counts);
    const { nativeRows, parts } = member.counts;
    loadNative(metrics, nativeRows, member.counts.native());
    // A checkpoint is nothing but making durable.
    const saved = metrics.distribution(diskMetrics.snapSaveSeconds);
    load(metrics, diskMetrics.snapFsyncSeconds, [], saved);
    // Native code has counted its own.
    metrics.value(serverMetrics.slowApplies).add(parts.slow.decidedSlowly);
  });
}
