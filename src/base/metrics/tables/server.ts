// Definitions: the member and consensus, what clients ask of it, leases, alarms, health. Some are
// gauges in spite of `_total` in their names: that is how they are known.

import { counter, exponential, gauge, histogram, SECONDS } from '../definition.js';

const APPLY_SECONDS = exponential(0.0001, 2, 20);

export const serverMetrics = {
  clusterVersion: gauge(
    'etcd_cluster_version',
    '1 for the version that the cluster has agreed on, 0 for earlier ones.',
    'cluster_version',
  ),
  authRevision: gauge('etcd_debugging_auth_revision', 'Revision of users and roles.'),
  leasesGranted: counter('etcd_debugging_lease_granted_total', 'Leases granted.'),
  leasesRenewed: counter('etcd_debugging_lease_renewed_total', 'Leases renewed by this leader.'),
  leasesRevoked: counter('etcd_debugging_lease_revoked_total', 'Leases revoked.'),
  leaseTtl: histogram(
    'etcd_debugging_lease_ttl_total',
    'Time to live of leases when they were granted, seconds.',
    exponential(1, 2, 24),
  ),
  leasesExpired: counter(
    'etcd_debugging_server_lease_expired_total',
    'Leases that this leader has revoked because their time was over.',
  ),
  alarms: gauge(
    'etcd_debugging_server_alarms',
    '1 for an active alarm, 0 for one that was active since the start.',
    'server_id',
    'alarm_type',
  ),
  applySeconds: histogram(
    'etcd_server_apply_duration_seconds',
    'Time to apply an entry of the log, by what it asks for.',
    APPLY_SECONDS,
    'version',
    'op',
    'success',
  ),
  clientRequests: counter(
    'etcd_server_client_requests_total',
    'Calls of clients, by the API version that they name.',
    'type',
    'client_api_version',
  ),
  featureEnabled: gauge(
    'etcd_server_feature_enabled',
    'Whether a feature gate is on.',
    'name',
    'stage',
  ),
  runtimeVersion: gauge(
    'etcd_server_go_version',
    '1 for the version of the language runtime.',
    'server_go_version',
  ),
  hasLeader: gauge('etcd_server_has_leader', 'Whether this member knows a leader.'),
  isLeader: gauge('etcd_server_is_leader', 'Whether this member leads.'),
  isLearner: gauge('etcd_server_is_learner', 'Whether this member is a learner.'),
  leaderChanges: counter(
    'etcd_server_leader_changes_seen_total',
    'Times that this member has learned of a new leader.',
  ),
  learnerPromoteFailures: counter(
    'etcd_server_learner_promote_failures',
    'Refused promotions of learners while this member led, by reason.',
    'Reason',
  ),
  learnerPromoteSuccesses: counter(
    'etcd_server_learner_promote_successes',
    'Promotions of learners while this member led.',
  ),
  healthFailures: counter('etcd_server_health_failures', 'Failed health checks.'),
  healthSuccess: counter('etcd_server_health_success', 'Successful health checks.'),
  healthcheck: gauge(
    'etcd_server_healthcheck',
    'The last result of each check: 1 is healthy.',
    'type',
    'name',
  ),
  healthchecks: counter(
    'etcd_server_healthchecks_total',
    'Results of each check.',
    'type',
    'name',
    'status',
  ),
  heartbeatFailures: counter(
    'etcd_server_heartbeat_send_failures_total',
    'Heartbeats that this leader sent much too late: the machine is overloaded.',
  ),
  id: gauge('etcd_server_id', '1 for the id of this member, in hexadecimal digits.', 'server_id'),
  proposalsApplied: gauge('etcd_server_proposals_applied_total', 'Applied index of the log.'),
  proposalsCommitted: gauge('etcd_server_proposals_committed_total', 'Committed index of the log.'),
  proposalsFailed: counter(
    'etcd_server_proposals_failed_total',
    'Proposals without a result: refused by consensus, lost or timed out.',
  ),
  proposalsPending: gauge('etcd_server_proposals_pending', 'Proposals that wait for a result.'),
  quotaBytes: gauge('etcd_server_quota_backend_bytes', 'Size from which on writes are refused.'),
  rangeSeconds: histogram(
    'etcd_server_range_duration_seconds',
    'Time of a range itself, without waiting.',
    APPLY_SECONDS,
    'success',
  ),
  readIndexesFailed: counter(
    'etcd_server_read_indexes_failed_total',
    'Rounds that were to confirm a linearizable read and failed.',
  ),
  slowReadIndexes: counter(
    'etcd_server_slow_read_indexes_total',
    'Rounds for linearizable reads that were asked again or timed out.',
  ),
  requestSeconds: histogram(
    'etcd_server_request_duration_seconds',
    'Time from a request to its result, by kind of request.',
    SECONDS,
    'type',
    'success',
  ),
  slowApplies: counter(
    'etcd_server_slow_apply_total',
    'Entries and reads that took longer than the warning threshold.',
  ),
  snapshotApplying: gauge(
    'etcd_server_snapshot_apply_in_progress_total',
    '1 while a received snapshot is installed.',
  ),
  version: gauge('etcd_server_version', '1 for the version that is served.', 'server_version'),
};
