// Definitions: the log, the engine's commits, snapshots on disk. Families of parts that this server
// does not have are there, empty or 0, as dashboards ask for them.

import { counter, exponential, gauge, histogram, SECONDS } from '../definition.js';

const COMMIT = 'etcd_debugging_disk_backend_commit_';

export const diskMetrics = {
  commitRebalanceSeconds: histogram(
    `${COMMIT}rebalance_duration_seconds`,
    'The engines do not rebalance: always empty.',
    SECONDS,
  ),
  commitSpillSeconds: histogram(
    `${COMMIT}spill_duration_seconds`,
    'The engines do not spill pages: always empty.',
    SECONDS,
  ),
  commitWriteSeconds: histogram(
    `${COMMIT}write_duration_seconds`,
    'Time of an engine batch, without publication.',
    SECONDS,
  ),
  commitSeconds: histogram(
    'etcd_disk_backend_commit_duration_seconds',
    'Time to commit a run of entries to the engine and publish it.',
    SECONDS,
  ),
  defragSeconds: histogram(
    'etcd_disk_backend_defrag_duration_seconds',
    'Time of a defragmentation.',
    exponential(0.1, 2, 13),
  ),
  snapshotSeconds: histogram(
    'etcd_disk_backend_snapshot_duration_seconds',
    'Time to hand out the whole state.',
    exponential(0.01, 2, 17),
  ),
  defragInflight: gauge('etcd_disk_defrag_inflight', 'Whether a defragmentation runs.'),
  fsyncSeconds: histogram(
    'etcd_disk_wal_fsync_duration_seconds',
    'Time to sync the Raft log.',
    SECONDS,
  ),
  walBytes: gauge('etcd_disk_wal_write_bytes_total', 'Bytes written to the Raft log.'),
  walWriteSeconds: histogram(
    'etcd_disk_wal_write_duration_seconds',
    'Time to write a group of records to the Raft log, without its sync.',
    SECONDS,
  ),
  snapMarshalSeconds: histogram(
    'etcd_debugging_snap_save_marshalling_duration_seconds',
    'Nothing is encoded for a checkpoint: always empty.',
    SECONDS,
  ),
  snapSaveSeconds: histogram(
    'etcd_debugging_snap_save_total_duration_seconds',
    'Time of a checkpoint: an image, or a flush of the engine.',
    SECONDS,
  ),
  snapFsyncSeconds: histogram(
    'etcd_snap_fsync_duration_seconds',
    'Time to make a checkpoint durable.',
    SECONDS,
  ),
  snapDbFsyncSeconds: histogram(
    'etcd_snap_db_fsync_duration_seconds',
    'Time to make a received snapshot the durable state.',
    SECONDS,
  ),
  snapDbSaveSeconds: histogram(
    'etcd_snap_db_save_total_duration_seconds',
    'Time to receive and save a snapshot.',
    exponential(0.1, 2, 10),
  ),
  fdLimit: gauge('os_fd_limit', 'Files that the process may have open.'),
  fdUsed: gauge('os_fd_used', 'Files that the process has open.'),
  storeExpires: counter(
    'etcd_debugging_store_expires_total',
    'The store that this belongs to does not exist here: always 0.',
  ),
  storeWatchRequests: counter(
    'etcd_debugging_store_watch_requests_total',
    'The store that this belongs to does not exist here: always 0.',
  ),
  storeWatchers: gauge(
    'etcd_debugging_store_watchers',
    'The store that this belongs to does not exist here: always 0.',
  ),
};
