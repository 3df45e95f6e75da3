// Shapes that cross the border besides its calls (native.ts): what a core is opened with and what
// it found, what is handed to the log, rows that TypeScript stores, snapshots on their way between
// members, figures.

/** Rows of native/base/errors.def in code order: the position is the code. */
export interface ErrorRow {
  readonly name: string;
  readonly grpc: number;
  readonly text: string;
}

/** Requests that the native side understands; values are exported by the addon. */
export interface Methods {
  readonly Range: number;
  readonly Put: number;
  readonly DeleteRange: number;
  readonly Txn: number;
  readonly Compact: number;
  readonly LeaseGrant: number;
  readonly LeaseRevoke: number;
  readonly LeaseCheckpoint: number;
  readonly Alarm: number;
  readonly Hash: number;
  readonly HashKv: number;
  readonly Defragment: number;
}

/** What submit() did with a request that it accepted. */
export interface Routes {
  /** Waits in the proposal queue: call takeProposals() in this turn's batch. */
  readonly Proposed: number;
  /** A linearizable read waits: run a ReadIndex round, then releaseReads(). */
  readonly ReadWaits: number;
  /** Being served from the local state. */
  readonly Serving: number;
}

/** Kinds of completion records (layouts: src/storage/completions.ts). */
export interface CompletionKinds {
  readonly durable: number;
  readonly applied: number;
  readonly result: number;
  readonly control: number;
  readonly lease: number;
  readonly leaseCheckpoint: number;
  readonly watch: number;
  readonly checkpoint: number;
  readonly truncated: number;
  readonly log: number;
  readonly alarm: number;
  readonly quotaExceeded: number;
  readonly fatal: number;
  readonly held: number;
  readonly slow: number;
  readonly demand: number;
}

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

/** One of the native metrics. Histograms with labels have their values behind slashes. */
export interface MetricRow {
  readonly name: string;
  /** Null for a single number. */
  readonly bounds: readonly number[] | null;
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

/** What tools print of a backup. */
export interface BackupSummary {
  /** CRC-32C over all rows. */
  readonly hash: number;
  /** Of the newest row; 0 without any. */
  readonly revision: number;
  readonly totalKeys: number;
  /** Empty when it is not said. */
  readonly storageVersion: string;
}

/** A backup that becomes the state of a new member, as the effect of a log entry. */
export interface BackupRestore {
  readonly path: string;
  /** Of the file's beginning; a digest may follow. */
  readonly databaseBytes: number;
  /** The file that the state is written to: an image, to be imported. */
  readonly image: string;
  readonly index: number;
  readonly term: number;
  /** Added to the revision, below which everything is compacted then; 0 for neither. */
  readonly bumpRevision: number;
  /** Of the new cluster; rows of the old one are not taken over. */
  readonly rows: readonly { readonly key: string; readonly value: Uint8Array }[];
}

export interface RestoredImage {
  readonly sizeBytes: number;
  readonly revision: number;
  readonly compactRevision: number;
  readonly versions: number;
}

/** Work on files of backups, off the JavaScript thread. Rejects with WrongFormat, Damaged, Io. */
export interface BackupFiles {
  inspect(path: string, databaseBytes: number): Promise<BackupSummary>;
  restore(options: BackupRestore): Promise<RestoredImage>;
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

export interface OpenOptions {
  readonly dataDir: string;
  /** Directory of the log; by default <dataDir>/member/wal. */
  readonly walDir: string | null;
  readonly engine: 'memory' | 'rocksdb';
  /** Identity for a directory that is created by this call; compared when it exists. */
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly unsafeNoFsync: boolean;
  /** Negative for no limit. */
  readonly quotaBytes: number;
  readonly maxRequestBytes: number;
  readonly maxTxnOps: number;
  readonly minLeaseTtlSeconds: number;
  readonly walSegmentBytes: number;
  readonly compactionBatchLimit: number;
  readonly compactionSleepMs: number;
  /** A larger state is not hashed when it is compacted; see MemberCore.compactionHashes. */
  readonly compactionHashLimitBytes: number;
  readonly watchProgressNotifyMs: number;
  /** Entries and reads that take longer are told of (Completion 'slow'); may be a fraction. */
  readonly slowApplyMs: number;
  /** Proposals and reads that may wait, in operations and bytes; past them TooManyRequests. */
  readonly maxQueuedOperations: number;
  readonly maxQueuedBytes: number;
  /** Committed but not applied entries above which proposals are refused (5000). */
  readonly maxApplyBacklog: number;
  /** By so many more for revocations of leases, which make room. */
  readonly extraRevokeBacklog: number;
  readonly rocks: {
    readonly blockCacheBytes: number;
    readonly writeBufferBytes: number;
    readonly metadataCacheBytes: number;
    readonly backgroundJobs: number;
    readonly bloomBitsPerKey: number;
  };
  /** Tests only: '' for the operating system's files, 'lossy:<seed>' to lose what is not synced. */
  readonly fileLayer: string;
  /**
   * Tests only: nothing runs by itself. Background work happens in MemberCore.step(), and crash()
   * loses what was not synced, so that one thread can run a whole cluster from a seed.
   */
  readonly stepped: boolean;
}

export interface Recovered {
  readonly created: boolean;
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly term: number;
  readonly vote: bigint;
  readonly commit: number;
  /** The log holds entries after (startIndex, startTerm] up to lastIndex. */
  readonly startIndex: number;
  readonly startTerm: number;
  readonly lastIndex: number;
  /** Applied to the state that was loaded; entries after it are to be applied again. */
  readonly appliedIndex: number;
  readonly appliedTerm: number;
  readonly tornBytes: number;
  readonly openMs: number;
  /** Meta rows written by TypeScript earlier (putMeta), by name without their prefix. */
  readonly meta: ReadonlyMap<string, Buffer>;
  readonly leases: readonly LeaseInfo[];
  readonly alarms: readonly { readonly memberId: bigint; readonly alarm: number }[];
  readonly revision: number;
}

export interface CoreStatus {
  readonly revision: number;
  readonly compactRevision: number;
  readonly appliedIndex: number;
  readonly durableAppliedIndex: number;
  readonly dbSizeBytes: number;
  readonly dbSizeInUseBytes: number;
  readonly logStartIndex: number;
  readonly logLastIndex: number;
  readonly logBytes: number;
  readonly logSegments: number;
  readonly logSyncs: number;
  readonly logEntries: number;
  /** Buckets are accumulated: each counts all values up to its bound. */
  readonly logSyncSeconds: { readonly buckets: readonly number[]; readonly sum: number };
  readonly logBatchEntries: { readonly buckets: readonly number[]; readonly sum: number };
  readonly queuedOperations: number;
  readonly queuedBytes: number;
  readonly watchStreams: number;
  readonly watchers: number;
  readonly slowWatchers: number;
  readonly watchEvents: number;
  readonly engine: readonly (readonly [string, number])[];
}
