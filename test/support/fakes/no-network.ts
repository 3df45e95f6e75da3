// The addon's network functions for doubles of the addon, whose users open no ports. A guard that
// cannot be set and sockets that cannot be bound.

import type { NativeNetwork } from '../../../src/storage/native-network.js';

export const noNetwork: NativeNetwork = {
  guardTls: () => false,
  bindReusable: () => -1,
  openFilesLimit: () => 0,
};
