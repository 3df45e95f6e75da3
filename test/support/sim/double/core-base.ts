// The calls of the native core that a simulated cluster has no use for: watches, leases, figures,
// backups, and the stepping of a real core. Base of the simulator's core.

import type { Backup, CoreStatus } from '../../../../src/storage/native.js';
import { noPlane } from '../../fakes/no-network.js';

/** Figures that nothing in a simulation depends on. */
const idleStatus: CoreStatus = {
  revision: 0,
  compactRevision: -1,
  appliedIndex: 0,
  durableAppliedIndex: 0,
  dbSizeBytes: 1,
  dbSizeInUseBytes: 1,
  logStartIndex: 0,
  logLastIndex: 0,
  logBytes: 0,
  logSegments: 1,
  logSyncs: 0,
  logEntries: 0,
  logSyncSeconds: { buckets: [], sum: 0 },
  logBatchEntries: { buckets: [], sum: 0 },
  queuedOperations: 0,
  queuedBytes: 0,
  watchStreams: 0,
  watchers: 0,
  slowWatchers: 0,
  watchEvents: 0,
  engine: [],
};

export class CoreBase {
  status(): CoreStatus {
    return idleStatus;
  }
  compactionHashes(): Float64Array {
    return new Float64Array();
  }
  metrics(): Float64Array {
    return new Float64Array(0);
  }
  async close(): Promise<void> {}
  /** Nothing is granted here: whoever proposes takes. */
  grantProposals(): boolean {
    return false;
  }
  grantedEntries(): Float64Array {
    return new Float64Array();
  }
  revokeGrant(): Float64Array {
    return new Float64Array();
  }
  setHeader(): void {}
  leaseKeys(): void {}
  setAuth(): void {}
  checkRange(): number {
    return 0;
  }
  watchOpen(): void {}
  watchRequest(): number {
    return 0;
  }
  watchCredit(): void {}
  watchClose(): void {}
  readonly openPlane = noPlane.openPlane;
  openBackup(): Promise<Backup> {
    throw new Error('backups are not simulated');
  }
  async readBackup(): Promise<Buffer | null> {
    return null;
  }
  closeBackup(): void {}
  /** Nobody is told anything before the completions tell it. */
  revision(): number {
    return 0;
  }
  step(): boolean {
    return false;
  }
  /** A process of the simulation is killed by not running its events any more. */
  crash(): void {}
}
