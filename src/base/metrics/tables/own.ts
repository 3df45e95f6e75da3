// Definitions: what only this server has, `metastore_*`: batches, stages of the pipeline, queues,
// the engine and the log.

import { BATCH, counter, gauge, histogram, STAGE_SECONDS } from '../definition.js';

export const ownMetrics = {
  replicaTurns: counter('metastore_replica_turns_total', 'Turns of the replica loop.'),
  replicaTurnSeconds: histogram(
    'metastore_replica_turn_seconds',
    'Time of a turn of the replica loop.',
    STAGE_SECONDS,
  ),
  batchOperations: histogram(
    'metastore_batch_operations',
    'Proposals taken from the queue by one turn of the replica loop.',
    BATCH,
  ),
  applyRunEntries: histogram(
    'metastore_apply_run_entries',
    'Entries that were applied as one run.',
    BATCH,
  ),
  stageSeconds: histogram(
    'metastore_stage_seconds',
    'Time that a batch of writes takes in a stage of its way, of the oldest in it.',
    STAGE_SECONDS,
    'stage',
  ),
  entryOperations: histogram(
    'metastore_entry_operations',
    'Operations in one entry of the log, where entries hold several.',
    BATCH,
  ),
  walBatchEntries: histogram(
    'metastore_wal_batch_entries',
    'Entries written to the log as one group, with one sync.',
    BATCH,
  ),
  readConfirmSeconds: histogram(
    'metastore_read_confirm_seconds',
    'Time of a round that confirms linearizable reads.',
    STAGE_SECONDS,
  ),
  tickets: gauge('metastore_open_tickets', 'Requests handed to native code without a result yet.'),
  queuedOperations: gauge('metastore_queued_operations', 'Proposals and reads that wait.'),
  queuedBytes: gauge('metastore_queued_bytes', 'Bytes of the proposals and reads that wait.'),
  applyBacklog: gauge('metastore_apply_backlog_entries', 'Entries committed and not applied.'),
  logSegments: gauge('metastore_log_segments', 'Files of the Raft log.'),
  logBytes: gauge('metastore_log_bytes', 'Bytes of the Raft log on disk.'),
  logEntries: gauge('metastore_log_entries', 'Entries that the Raft log holds.'),
  logSyncs: counter('metastore_log_syncs_total', 'Syncs of the Raft log.'),
  durableIndex: gauge(
    'metastore_durable_applied_index',
    'Applied index that would survive without the log.',
  ),
  engine: gauge('metastore_engine', 'Numbers of the storage engine, by name.', 'engine', 'number'),
  build: gauge('metastore_build_info', '1 for this build and its engine.', 'version', 'engine'),
};
