// Options of a small plane, for tests of the border.
// What they are: src/storage/native-plane.ts.

import type { PlaneOptions } from '../../../../src/storage/native-plane.js';

export const planeOptions: PlaneOptions = {
  lanes: 1,
  maxReceiveBytes: 1 << 20,
  maxSendBytes: 0,
  maxConcurrentStreams: 100,
  streamWindowBytes: 65535,
  connectionWindowBytes: 1 << 20,
  keepAliveIntervalMs: 0,
  keepAliveTimeoutMs: 0,
  minPingMs: 0,
  idleMs: 0,
  heldBytesMost: 1 << 20,
  maxRequests: 1000,
  slowCallMs: 300,
};
