// The table of flags, last part: what only this server has, its storage engines above all.
// Environment variables and keys of files follow the same rules as those of the other flags.

import { effective, type FlagRow } from '../row.js';

export const ownFlags: readonly FlagRow[] = [
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
