// The requests that the load generators send, as finished gRPC messages: one body that is sent over
// and over, since neither generator builds messages while it measures. Called by main.ts.

import { putRequest, rangeRequest } from '../../src/base/proto/kv-messages.js';

export const valueBytes = 256;
export const benchKey = Buffer.from('bench/key/000000');

/** A message behind gRPC's five bytes: not compressed, length big-endian. */
export function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export interface Workload {
  readonly name: string;
  readonly path: string;
  readonly body: Buffer;
  /** Requests in flight. */
  readonly inFlight: number;
}

const put = framed(putRequest.encode({ key: benchKey, value: Buffer.alloc(valueBytes, 'v') }));
const range = framed(rangeRequest.encode({ key: benchKey }));

/** Durable Put and linearizable Range at each number of requests in flight. */
export function workloads(inFlight: readonly number[]): Workload[] {
  const kinds = [
    { kind: 'Put', path: '/etcdserverpb.KV/Put', body: put },
    { kind: 'Range', path: '/etcdserverpb.KV/Range', body: range },
  ];
  return kinds.flatMap(({ kind, path, body }) =>
    inFlight.map((count) => ({ name: `${kind} [${count}]`, path, body, inFlight: count })),
  );
}
