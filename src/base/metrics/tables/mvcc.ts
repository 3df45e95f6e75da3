// Definitions: the multi-version store, its compaction and watches. Most of them are counted by
// native code (src/api/metrics/native.ts).

import { counter, exponential, gauge, histogram, SECONDS } from '../definition.js';

const SEND_LOOP = 'etcd_debugging_server_watch_send_loop_';

export const mvccMetrics = {
  compactRevision: gauge(
    'etcd_debugging_mvcc_compact_revision',
    'Revision of the last compaction.',
  ),
  currentRevision: gauge('etcd_debugging_mvcc_current_revision', 'Revision of the store.'),
  compactedKeys: counter(
    'etcd_debugging_mvcc_db_compaction_keys_total',
    'Versions of keys that compactions have removed.',
  ),
  compactionLast: gauge(
    'etcd_debugging_mvcc_db_compaction_last',
    'Unix time of the last compaction; 0 before the first since the start.',
  ),
  compactionPause: histogram(
    'etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds',
    'Time of each step of a compaction, during which apply does nothing else.',
    exponential(1, 2, 13),
  ),
  compactionTotal: histogram(
    'etcd_debugging_mvcc_db_compaction_total_duration_milliseconds',
    'Time of whole compactions.',
    exponential(100, 2, 14),
  ),
  indexCompactionPause: histogram(
    'etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds',
    'Time in which a compaction takes effect, before anything is removed.',
    exponential(0.5, 2, 14),
  ),
  events: counter('etcd_debugging_mvcc_events_total', 'Events sent to watchers.'),
  keys: gauge('etcd_debugging_mvcc_keys_total', 'Keys that exist.'),
  pendingEvents: gauge('etcd_debugging_mvcc_pending_events_total', 'Events on their way out.'),
  slowWatchers: gauge(
    'etcd_debugging_mvcc_slow_watcher_total',
    'Watchers that are behind and read history.',
  ),
  putBytes: gauge(
    'etcd_debugging_mvcc_total_put_size_in_bytes',
    'Bytes of all pairs put since the start.',
  ),
  watchStreams: gauge('etcd_debugging_mvcc_watch_stream_total', 'Open watch streams.'),
  watchers: gauge('etcd_debugging_mvcc_watcher_total', 'Watchers.'),
  watchControlSeconds: histogram(
    `${SEND_LOOP}control_stream_duration_seconds`,
    'Time to hand out an answer to a create or cancel request.',
    SECONDS,
  ),
  watchProgressSeconds: histogram(
    `${SEND_LOOP}progress_duration_seconds`,
    'Time to hand out a notification of progress.',
    SECONDS,
  ),
  watchEventSeconds: histogram(
    `${SEND_LOOP}watch_stream_duration_per_event_seconds`,
    'Time to hand out a response with events, per event.',
    SECONDS,
  ),
  watchResponseSeconds: histogram(
    `${SEND_LOOP}watch_stream_duration_seconds`,
    'Time to hand out a response with events.',
    SECONDS,
  ),
  openReads: gauge('etcd_mvcc_db_open_read_transactions', 'Reads that hold a state of the store.'),
  dbSize: gauge('etcd_mvcc_db_total_size_in_bytes', 'Size of the store, as accounted.'),
  dbSizeInUse: gauge('etcd_mvcc_db_total_size_in_use_in_bytes', 'Part of the size that is in use.'),
  deletes: counter('etcd_mvcc_delete_total', 'Deletions of ranges.'),
  hashSeconds: histogram(
    'etcd_mvcc_hash_duration_seconds',
    'Time of a hash over all that is stored.',
    exponential(0.01, 2, 15),
  ),
  hashRevSeconds: histogram(
    'etcd_mvcc_hash_rev_duration_seconds',
    'Time of a hash over keys up to a revision.',
    exponential(0.01, 2, 15),
  ),
  puts: counter('etcd_mvcc_put_total', 'Puts.'),
  ranges: counter('etcd_mvcc_range_total', 'Ranges read, those within writes included.'),
  txns: counter('etcd_mvcc_txn_total', 'Transactions that changed more than one thing.'),
};
