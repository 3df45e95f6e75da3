// A transport of a member that has nobody to talk to; what it is asked to send is remembered.
// For tests of single members.

import type { PeersFactory } from '../../../src/cluster/peers/types.js';

export const noPeers: PeersFactory = () => ({
  send: () => undefined,
  sendSnapshot: () => undefined,
  forward: () => Promise.reject(new Error('there is nobody')),
  update: () => undefined,
  activeTransfers: () => 0,
  connectedSinceMs: () => null,
  stop: () => Promise.resolve(),
});
