// The table of flags, last part: what only this server has, its storage engines above all.
// Environment variables and keys of files follow the same rules as those of the other flags.

import { effective, type FlagRow } from '../row.js';

const transport: readonly FlagRow[] = [
  effective('client-transport', 'string', 'native', 'what carries gRPC of clients', {
    choices: ['native', 'grpc-js'],
  }),
  effective(
    'data-plane-threads',
    'uint',
    '0',
    'threads of the native transport, up to 4; 0: one less than there are processors',
  ),
];

const limits: readonly FlagRow[] = [
  effective(
    'grpc-max-receive-bytes',
    'uint',
    '0',
    'largest message of a client; 0: max-request-bytes and 512 KiB more',
  ),
  effective('grpc-max-send-bytes', 'uint', '0', 'largest message to a client; 0: no limit'),
  effective(
    'grpc-stream-window-bytes',
    'uint',
    '0',
    'flow control window of a stream; 0: the default of HTTP/2',
  ),
  effective(
    'grpc-connection-window-bytes',
    'uint',
    '0',
    'flow control window of a connection; 0: 1 MiB, or the default of HTTP/2 with grpc-js',
  ),
  effective(
    'grpc-idle-timeout',
    'duration',
    '0s',
    'close connections without calls after this time; 0: never',
  ),
  effective(
    'stop-grace',
    'duration',
    '0s',
    'time that a stop waits for calls under way; 0: the time that a request may take',
  ),
  effective('raft-max-message-bytes', 'uint', '1048576', 'entries in one message, in bytes'),
  effective('raft-max-inflight-messages', 'uint', '512', 'messages that a member has not answered'),
  effective(
    'raft-max-uncommitted-bytes',
    'uint',
    '268435456',
    'entries proposed and not applied, above which proposals are refused; 0: no limit',
  ),
];

const batches: readonly FlagRow[] = [
  effective('proposal-batch', 'bool', 'true', 'propose together what waits; false: one by one'),
  effective(
    'proposal-batch-max-operations',
    'uint',
    '0',
    'proposals of one batch; 0: all that have come while the one before was written',
  ),
  effective(
    'proposal-batch-max-wait',
    'duration',
    '0s',
    'time that a batch waits to be full; 0: none',
  ),
  effective(
    'entry-batch',
    'bool',
    'false',
    'put several operations into one entry of the log, once every member reads such entries',
  ),
  effective('entry-batch-max-operations', 'uint', '512', 'operations of one entry'),
  effective('entry-batch-max-bytes', 'uint', '1048576', 'bytes of one entry of several operations'),
];

export const ownFlags: readonly FlagRow[] = [
  ...transport,
  ...limits,
  ...batches,
  effective('enable-grpc-reflection', 'bool', 'false', 'tell gRPC tools what this server speaks'),
  effective('max-connections', 'uint', '0', 'open connections of clients; 0: no limit'),
  effective('max-concurrent-requests', 'uint', '0', 'unary requests under way; 0: no limit'),
  effective('max-memory-bytes', 'uint', '0', 'memory above which writes are refused; 0: no limit'),
  effective(
    'snapshot-transfer-rate-bytes',
    'uint',
    '134217728',
    'bytes per second of a snapshot sent to another member; 0: no limit',
  ),
  effective('storage-engine', 'string', 'rocksdb', 'memory or rocksdb', {
    choices: ['memory', 'rocksdb'],
  }),
  effective('rocksdb-block-cache-bytes', 'uint', '134217728', 'memory for blocks read'),
  effective('rocksdb-write-buffer-bytes', 'uint', '67108864', 'memory for writes not flushed'),
  effective('rocksdb-metadata-cache-bytes', 'uint', '268435456', 'memory for keys and versions'),
  effective('rocksdb-background-jobs', 'uint', '2', 'threads of flushes and compactions'),
  effective('rocksdb-bloom-bits-per-key', 'uint', '10', 'bits of the bloom filters'),
];
