// The addon's network functions, backups and plane for doubles of the addon, whose users open no
// ports. A guard that cannot be set and sockets that cannot be bound.

import type { BackupFiles } from '../../../src/storage/native.js';
import type { NativeNetwork } from '../../../src/storage/native-network.js';
import type { NativePlane } from '../../../src/storage/native-plane.js';

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

/** What an addon without a plane exports of it; the numbers are those of the real one. */
export const noPlane = {
  planeEvents: {
    call: 1,
    message: 2,
    halfClose: 3,
    ended: 4,
    taken: 5,
    http: 6,
    output: 7,
    closed: 8,
    keepAlives: 9,
    caller: 10,
    slow: 11,
    log: 12,
  },
  gateFlags: { open: 1, leader: 2, solo: 4, auth: 8, growth: 16, lessor: 32 },
  streamMarks: { watcher: 1, renewal: 2, opened: 3, askAgain: -65536 },
  planeNumbers: [],
  planeLibraries: {},
  openPlane(): NativePlane {
    throw new Error('no plane here');
  },
};
