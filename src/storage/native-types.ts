// Shapes that cross the border besides its calls (native.ts): what is handed to the log, rows that
// TypeScript stores, snapshots on their way between members.

/**
 * What append() takes: a run from the proposal queue, entries that another member sent (`offset` is
 * where the first one's record begins in an entry run, see entry-run.ts), or a single entry with
 * its bytes.
 */
export type AppendRun =
  | {
      readonly kind: 'queued';
      readonly firstIndex: number;
      readonly term: number;
      readonly count: number;
    }
  | {
      readonly kind: 'received';
      readonly firstIndex: number;
      readonly count: number;
      readonly run: Uint8Array;
      readonly offset: number;
    }
  | {
      readonly kind: 'inline';
      readonly index: number;
      readonly term: number;
      readonly type: number;
      readonly data: Uint8Array | null;
    };

export interface HardStateRecord {
  readonly term: number;
  readonly vote: bigint;
  readonly commit: number;
}

export interface MetaRow {
  readonly key: string;
  readonly value: Uint8Array | null;
}

export interface LeaseInfo {
  readonly id: bigint;
  readonly ttlSeconds: number;
  readonly remainingTtlSeconds: number;
}

/** Which executor step() runs a task of. */
export type StepExecutor = 'log' | 'apply' | 'watch' | 'upkeep' | 'read';

/** An engine-neutral image, or the files of a rocksdb checkpoint. */
export type SnapshotKind = 'image' | 'checkpoint';

export interface SnapshotExport {
  readonly id: number;
  readonly kind: SnapshotKind;
  readonly index: number;
  readonly term: number;
  readonly sizeBytes: number;
  /** The meta row `conf_state` of the exported state. */
  readonly confState: Buffer | null;
}

/** A state as a file that is read from its beginning to its end. */
export interface Backup {
  readonly id: number;
  readonly sizeBytes: number;
}

/** What the state holds now, as in Recovered. */
export interface InstalledSnapshot {
  readonly appliedIndex: number;
  readonly appliedTerm: number;
  readonly revision: number;
  readonly meta: ReadonlyMap<string, Buffer>;
  readonly leases: readonly LeaseInfo[];
  readonly alarms: readonly { readonly memberId: bigint; readonly alarm: number }[];
}
