// The addon's network functions for doubles of the addon, whose users open no ports. A guard that
// cannot be set and sockets that cannot be bound.

import type { BackupFiles } from '../../../src/storage/native.js';
import type { NativeNetwork } from '../../../src/storage/native-network.js';

export const noNetwork: NativeNetwork = {
  guardTls: () => false,
  bindReusable: () => -1,
  openFilesLimit: () => 0,
};

/** Backups as files belong to tools, which use the real addon. */
export const noBackups: BackupFiles = {
  inspect: () => Promise.reject(new Error('no backups here')),
  restore: () => Promise.reject(new Error('no backups here')),
};
