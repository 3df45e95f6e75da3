// What this server lets operators choose beside etcd's flags: sizes of messages and windows, how
// much Raft has under way, how long a stop may take. Read by the validation and by buildConfig.

import { availableParallelism } from 'node:os';

import type { RaftLimits } from '../../server/bootstrap/raft-node.js';
import type { Batching } from '../../server/replica/requests/batching.js';
import type { GrpcServerOptions } from '../../transport/grpc-js/server.js';
import type { Flags } from '../flags/sources.js';

/** A message may be this much larger than the request in it. */
const MESSAGE_OVERHEAD_BYTES = 512 * 1024;

/** More threads than this have nothing to do: the log and the engine are one for all of them. */
const MAX_PLANE_THREADS = 4;

/** Smallest and largest values; 0 means the default where it is not in the range. */
const ranges: Readonly<Record<string, readonly [number, number]>> = {
  // A message must fit the queue of what goes to another member.
  'raft-max-message-bytes': [1, 32 * 2 ** 20],
  'raft-max-inflight-messages': [1, 65_536],
  // HTTP/2 begins with windows of 65535 bytes and ends at 2^31 - 1.
  'grpc-stream-window-bytes': [65_535, 2 ** 31 - 1],
  'grpc-connection-window-bytes': [65_535, 2 ** 31 - 1],
  'grpc-max-receive-bytes': [1024, 2 ** 31 - 1],
  'grpc-max-send-bytes': [1024, 2 ** 31 - 1],
  'data-plane-threads': [1, MAX_PLANE_THREADS],
  // An entry's format has these bounds (docs/formats/entry.md).
  'entry-batch-max-operations': [1, 512],
  'entry-batch-max-bytes': [1, 2 ** 20],
};

/** Rows of the table where 0 stands for the default. */
const hasDefault = (name: string) => name.startsWith('grpc-') || name.startsWith('data-');

/** The first of these flags that has a value out of its range, or null. */
export function limitsProblem(flags: Flags): string | null {
  for (const [name, [least, most]] of Object.entries(ranges)) {
    const value = flags.number(name);
    const isDefault = value === 0 && hasDefault(name);
    if (!isDefault && (value < least || value > most)) {
      return `--${name} must be from ${least} to ${most} (set to ${value})`;
    }
  }
  return null;
}

export function raftLimits(flags: Flags): RaftLimits {
  return {
    maxMessageBytes: flags.number('raft-max-message-bytes'),
    maxInflightMessages: flags.number('raft-max-inflight-messages'),
    maxUncommittedBytes: flags.number('raft-max-uncommitted-bytes'),
  };
}

export function batching(flags: Flags): Batching {
  const shared = flags.bool('entry-batch');
  return {
    enabled: flags.bool('proposal-batch'),
    maxOperations: flags.number('proposal-batch-max-operations'),
    maxWaitMs: flags.number('proposal-batch-max-wait'),
    entryOperations: shared ? flags.number('entry-batch-max-operations') : 1,
    entryBytes: flags.number('entry-batch-max-bytes'),
  };
}

/** The largest message of a client, whichever way it comes. */
export function maxReceiveBytes(flags: Flags): number {
  const given = flags.number('grpc-max-receive-bytes');
  return given || flags.number('max-request-bytes') + MESSAGE_OVERHEAD_BYTES;
}

export function grpcOptions(flags: Flags): GrpcServerOptions {
  return {
    maxReceiveBytes: maxReceiveBytes(flags),
    maxSendBytes: flags.number('grpc-max-send-bytes'),
    maxConcurrentStreams: flags.number('max-concurrent-streams'),
    keepaliveIntervalMs: flags.number('grpc-keepalive-interval'),
    keepaliveTimeoutMs: flags.number('grpc-keepalive-timeout'),
    minPingMs: flags.number('grpc-keepalive-min-time'),
    idleMs: flags.number('grpc-idle-timeout'),
    windows: {
      streamBytes: flags.number('grpc-stream-window-bytes'),
      connectionBytes: flags.number('grpc-connection-window-bytes'),
    },
  };
}

/** What carries gRPC of clients. */
export type ClientTransportKind = 'native' | 'grpc-js';

/** Threads of the data plane: what is asked for, or what leaves a processor to JavaScript. */
export function planeThreads(flags: Flags, processors = availableParallelism()): number {
  const fitting = Math.min(Math.max(processors - 1, 1), MAX_PLANE_THREADS);
  return flags.number('data-plane-threads') || fitting;
}
