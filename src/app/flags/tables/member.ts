// The table of flags, first part: the member itself, and what it does in the
// background. Names and defaults are those of etcd 3.7.

import { featureGatesProblem } from '../feature-gates.js';
import { accepted, effective, type FlagRow } from '../row.js';

const ownKeepalive = 'connections between members are kept alive by pings of their own';

export const memberFlags: readonly FlagRow[] = [
  effective('name', 'string', 'default', 'human-readable name of this member'),
  effective('data-dir', 'string', '', 'directory of all data; by default <name>.etcd'),
  effective('wal-dir', 'string', '', 'directory of the Raft log; by default <data-dir>/member/wal'),
  effective('snapshot-count', 'uint', '10000', 'applied entries between snapshots'),
  effective('snapshot-catchup-entries', 'uint', '5000', 'entries kept behind a snapshot'),
  effective('heartbeat-interval', 'uint', '100', 'milliseconds between heartbeats'),
  effective('election-timeout', 'uint', '1000', 'milliseconds until an election starts'),
  effective(
    'initial-election-tick-advance',
    'bool',
    'true',
    'shorten the first election timeout after a start',
  ),
  effective('listen-peer-urls', 'urls', 'http://localhost:2380', 'where other members connect'),
  effective('listen-client-urls', 'urls', 'http://localhost:2379', 'where clients are served'),
  effective('listen-client-http-urls', 'urls', '', 'where HTTP alone is served to clients'),
  effective('listen-metrics-urls', 'urls', '', 'where metrics and health alone are served'),
  accepted('max-snapshots', 'uint', '5', 'old snapshots are removed as soon as they are replaced'),
  accepted('max-wals', 'uint', '5', 'log segments are removed as soon as nothing needs them'),
  accepted('memory-mlock', 'bool', 'false', 'data is not mapped into memory'),
  effective('quota-backend-bytes', 'int', '0', 'size limit; 0 is 2 GiB, negative is none'),
  accepted('backend-bbolt-freelist-type', 'string', 'map', 'there is no bbolt here'),
  accepted('backend-batch-interval', 'duration', '0s', 'state is committed with every batch'),
  accepted('backend-batch-limit', 'int', '0', 'state is committed with every batch'),
  effective('max-txn-ops', 'uint', '128', 'operations in a transaction'),
  effective('max-request-bytes', 'uint', '1572864', 'size of a request, in bytes'),
  effective('max-concurrent-streams', 'uint32', '4294967295', 'streams of a client connection'),
  effective('grpc-keepalive-min-time', 'duration', '5s', 'clients that ping sooner are sent away'),
  effective('grpc-keepalive-interval', 'duration', '2h0m0s', 'idle time before a ping; 0: never'),
  effective('grpc-keepalive-timeout', 'duration', '20s', 'time that a ping may take; 0: no pings'),
  effective('socket-reuse-port', 'bool', 'false', 'listen with SO_REUSEPORT', {
    configKey: 'socket-options.reuse-port',
  }),
  accepted('socket-reuse-address', 'bool', 'false', 'listeners have SO_REUSEADDR in any case', {
    configKey: 'socket-options.reuse-address',
  }),
  accepted('raft-read-timeout', 'duration', '5s', ownKeepalive, { configKey: null }),
  accepted('raft-write-timeout', 'duration', '5s', ownKeepalive, { configKey: null }),
  effective('feature-gates', 'string', '', 'features to switch on or off, as A=true,B=false', {
    check: featureGatesProblem,
  }),
];

export const featureFlags: readonly FlagRow[] = [
  effective('corrupt-check-time', 'duration', '0s', 'interval of comparing data between members'),
  effective('compact-hash-check-time', 'duration', '1m0s', 'interval of comparing compactions'),
  effective('compaction-batch-limit', 'int', '0', 'revisions per step of a compaction'),
  effective('compaction-sleep-interval', 'duration', '0s', 'pause between steps of a compaction'),
  effective(
    'watch-progress-notify-interval',
    'duration',
    '0s',
    'interval of progress notifications; 0 is 10 minutes',
  ),
  effective(
    'warning-apply-duration',
    'duration',
    '100ms',
    'log a warning about an entry or a read that takes longer',
  ),
  effective(
    'warning-unary-request-duration',
    'duration',
    '300ms',
    'log a warning about a call that takes longer',
  ),
  effective(
    'bootstrap-defrag-threshold-megabytes',
    'uint',
    '0',
    'free space at the start if it is at least so much; 0: never',
  ),
  effective(
    'downgrade-check-time',
    'duration',
    '5s',
    'interval of looking whether a downgrade is done',
  ),
  effective('enable-grpc-gateway', 'bool', 'true', 'JSON over HTTP'),
  effective('unsafe-no-fsync', 'bool', 'false', 'do not sync the log: dangerous'),
  effective('force-new-cluster', 'bool', 'false', 'make a cluster of one out of existing data'),
];
