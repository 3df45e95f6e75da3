// The border: everything that TypeScript knows of the addon, declared once.
//
// A test compares the addon's exports with this file. Same nouns on both sides (MemberCore here is
// native/member/core.h). Work crosses in batches: TypeScript submits requests one call each, native
// code completes them through one queue that is drained once per wake-up. Nothing here blocks on
// disk. Indexes, terms and revisions are numbers (below 2^53, checked natively); ids are bigints.

import type { NativeNetwork } from './native-network.js';
import type {
  GateFlags,
  NativePlane,
  PlaneEventKinds,
  PlaneOptions,
  StreamMarks,
} from './native-plane.js';
import type {
  AppendRun,
  Backup,
  BackupFiles,
  CompletionKinds,
  CoreStatus,
  ErrorRow,
  HardStateRecord,
  InstalledSnapshot,
  MetaRow,
  Methods,
  MetricRow,
  OpenOptions,
  Recovered,
  Routes,
  SnapshotExport,
  SnapshotKind,
  StepExecutor,
} from './native-types.js';

export type * from './native-types.js';

export interface Addon {
  readonly errors: readonly ErrorRow[];
  readonly methods: Methods;
  readonly routes: Routes;
  readonly completions: CompletionKinds;
  /** Leading byte of a normal entry's payload: the InternalRaftRequest follows it. */
  readonly entryFormat: number;
  /** Stands for the revision of users and roles at the moment of a check. */
  readonly currentAuthRevision: number;
  readonly syncSecondsBounds: readonly number[];
  readonly batchEntriesBounds: readonly number[];
  /** What transports need of the system and of Node's OpenSSL. */
  readonly network: NativeNetwork;
  /** Backups as files, for tools. */
  readonly backups: BackupFiles;
  readonly planeEvents: PlaneEventKinds;
  readonly gateFlags: GateFlags;
  readonly streamMarks: StreamMarks;
  /** What NativePlane.metrics() answers, in its order. */
  readonly planeNumbers: readonly string[];
  /** The files whose functions serve the plane, by library: nghttp2, uv, zlib. */
  readonly planeLibraries: Readonly<Record<string, string>>;
  /** What MemberCore.metrics() answers, in its order. */
  readonly metrics: readonly MetricRow[];
  /**
   * Sends one datagram to a socket file, or to `@name` in Linux' abstract namespace; without bytes
   * it only looks whether somebody listens. The answer is 0, or the errno of what failed.
   */
  sendDatagram(path: string, bytes: Uint8Array): number;
  /**
   * Opens log, engine, store, watch hub and readers; the promise settles once recovered. `onWake`
   * runs on the JavaScript thread when completions wait: call drain(). It does not keep the process
   * alive by itself. A rejection is an Error whose `code` is a name of errors.def (Locked, Damaged,
   * WrongFormat, Io, ...) and whose message says what and where.
   */
  open(options: OpenOptions, onWake: () => void): Promise<OpenedCore>;
}

export interface OpenedCore {
  readonly core: MemberCore;
  readonly recovered: Recovered;
}

/**
 * One open member. Arguments of the wrong kind throw a TypeError. After close() methods that answer
 * nothing do nothing, so that completions may still be handled; submit() answers Stopped; methods
 * that cannot answer throw an Error with the code 'Stopped'.
 */
export interface MemberCore {
  /** Fields of response headers; the term changes with elections. */
  setHeader(clusterId: bigint, memberId: bigint, raftTerm: number): void;
  /** Highest committed index, for the backlog check; a lower one than before says nothing. */
  setCommitted(index: number): void;

  /**
   * Admits one request: decodes, validates in the stated order, checks limits, quota and queues.
   * Returns a route (>= 0), or -(error code). `ticket` comes back with its result. `userName` and
   * `authRevision` go into the proposal's header ('' and 0 without auth, Addon.currentAuthRevision
   * for what is as fresh as the check). `refusal` says why nobody could be identified (0 for
   * somebody, or when nobody asks): a proposal is refused with it behind the backlog and before its
   * size, a read of KV behind its wait. LeaseGrant and LeaseRevoke are refused without a user while
   * auth is on.
   */
  submit(
    ticket: number,
    method: number,
    request: Uint8Array,
    userName: string,
    authRevision: number,
    refusal: number,
  ): number;
  /** Queues an internal request that TypeScript encoded: an InternalRaftRequest without header. */
  submitInternal(
    ticket: number,
    request: Uint8Array,
    userName: string,
    authRevision: number,
  ): number;

  /**
   * The permissions that belong to the state, as a table (native/auth/table.h). Called after open()
   * and after installSnapshot(), before the next apply(): entries are held to it, and where the row
   * `auth/enabled` is '1' an entry without it ends the process, while reads are answered
   * AuthOldRevision. Later changes come with controlDone(). Throws an Error with the code Unmarshal
   * for other bytes.
   */
  setAuth(table: Uint8Array): void;
  /**
   * Whether somebody may read or write `key` (an empty `end`), all keys from `key` on (`end` one
   * zero byte) or [key, end) now: 0, or UserEmpty, AuthOldRevision, PermissionDenied; after close()
   * Stopped.
   */
  checkRange(
    userName: string,
    authRevision: number,
    isWrite: boolean,
    key: Uint8Array,
    end: Uint8Array,
  ): number;

  /**
   * Takes what waits in the proposal queue, up to the limits, nothing while fewer than `atLeast`
   * wait; the sizes of the entries' payloads in bytes. The entries stay native: append() names them
   * as a 'queued' run in the order taken. Their tickets are stamped with the term in which they
   * were handed over.
   */
  takeProposals(
    maxOperations: number,
    maxBytes: number,
    term: number,
    atLeast?: number,
  ): Uint32Array;
  /**
   * From now on proposals of the data plane wake only when so many wait; 0: each does, as at first.
   * To be let go in the turn that takes what waits: it tells of itself no more.
   */
  holdProposals(wakeAt: number): void;
  /** Up to so many of KV are taken as one entry; 1 for none. Only where every member reads it. */
  batchEntries(operations: number, bytes: number): void;
  /**
   * As takeProposals, for another member that leads: the payloads, encoded to be sent there (u32
   * CRC-32C of the rest, u64 term, u32 count, then u32 size and payload each). The tickets stay
   * here and complete when the entries are applied here. Null when nothing waits, or fewer than
   * `atLeast`.
   */
  takeForwards(
    maxOperations: number,
    maxBytes: number,
    term: number,
    atLeast?: number,
  ): Buffer | null;
  /**
   * What takeForwards gave was certainly not proposed: with code 0 it goes back to the front of the
   * queue, otherwise its tickets complete with the code. What has been answered is left out.
   */
  returnForwards(forwards: Uint8Array, code: number): void;
  /**
   * Queues another member's proposals, all or none; they are checked as apply would. Returns their
   * number, or -(error code): Unmarshal, TooManyRequests, Stopped. They are only proposed in the
   * term in which they were handed over: takeProposals in another one forgets them.
   */
  enqueueForwarded(forwards: Uint8Array): number;
  /**
   * Completes with the code every proposal that was handed over in a term before `beforeTerm` and
   * is not applied. For when an entry of `beforeTerm` has been applied: they never will be.
   */
  failHandedOver(beforeTerm: number, code: number): void;
  /**
   * Forgets proposals that wait in the queue and whose ticket is at most `ticket`; their tickets,
   * for which no completion follows.
   */
  expireQueued(ticket: number): Float64Array;
  /** Raft refused the `count` oldest taken proposals: they complete with the code. */
  dropProposals(count: number, code: number): void;
  /**
   * All that waits, queued or in flight, reads too, completes with the code (leader lost, stop).
   * Proposals that were taken but not yet named to append() or dropProposals() keep their place in
   * that order: name them still, only their tickets are gone.
   */
  failAll(code: number): void;

  /** Freezes the reads that wait now; 0 when none does. Name the batch in a ReadIndex round. */
  freezeReads(): number;
  /** Serves the batch once the applied index has reached `readIndex`. */
  releaseReads(batch: number, readIndex: number): void;
  /** The round failed: the batch completes with the code. */
  failReads(batch: number, code: number): void;

  /**
   * Writes runs and hard state to the log, without waiting. Payloads of normal entries start with
   * the entry format byte (see Addon.entryFormat); conf changes are as Raft encodes them; null is
   * an entry without data. Completion 'durable' with `sequence` when it is durable (merely written
   * when `sync` is false). `alone`: this member alone decides, so what is durable is committed:
   * entries are applied at once, and neither that nor durability, of a hard state either, wakes
   * anybody. Drain within a few milliseconds.
   */
  append(
    sequence: number,
    runs: readonly AppendRun[],
    hardState: HardStateRecord | null,
    sync: boolean,
    alone: boolean,
  ): void;
  /**
   * From now on what is proposed is appended without being taken: this member is the whole cluster,
   * leads in the term, and has appended everything before `firstIndex`, which is where the log must
   * end (else Error, Internal). Entries are applied when they are durable, and nobody is woken for
   * that but once, after grantedEntries() had nothing to tell. At most `runOperations` and
   * `runBytes` are taken together, and nothing while `aheadEntries` or `aheadBytes` of it are not
   * applied. append() takes no entries meanwhile. False: it cannot be granted, go on as before.
   */
  grantProposals(
    term: number,
    firstIndex: number,
    runOperations: number,
    runBytes: number,
    aheadEntries: number,
    aheadBytes: number,
  ): boolean;
  /**
   * What has been appended so since the last call: the index up to which all of it is durable (0:
   * none yet), the index of the first entry told of, and how many were taken together, for each
   * run. Empty when there is nothing new. Drain first: what records tell of is told of here.
   */
  grantedEntries(): Float64Array;
  /** Ends the grant, at once: nothing more is appended so. The rest as grantedEntries(). */
  revokeGrant(): Float64Array;
  /** Bookkeeping of entries [from, to] for the Raft core: [term, type, sizeBytes | -1] triples. */
  entryInfos(from: number, to: number): Float64Array;
  /** Entries [from, to] as a run (entry-run.ts), or null when one of them is not in memory. */
  cachedEntries(from: number, to: number): Buffer | null;
  /** The same from disk: Completion 'result' for the ticket, with the run or an error code. */
  readEntries(ticket: number, from: number, to: number): void;
  /**
   * Checks a run that came from another member: its checksum, layout, and that apply will
   * understand each entry. Four numbers per entry: term, type, sizeBytes | -1, offset of its
   * record; null when something is wrong.
   */
  inspectEntries(run: Uint8Array): Float64Array | null;
  /** Payload of one entry, from memory or disk, or null when it has no data. Small reads only. */
  entryData(index: number): Buffer | null;
  /**
   * Applies committed entries up to `index`; Completion 'applied' follows, with results before it,
   * and with `quiet` without a wake-up where there is nothing else to tell. At an entry that
   * TypeScript must decide (a conf change, an internal request), apply stops with Completion
   * 'control' until controlDone().
   */
  apply(index: number, quiet?: boolean): void;
  /**
   * Ends a control entry: writes the meta rows atomically with its applied index, completes the
   * ticket of whoever proposed it with the reply or code, and goes on. `auth` is the table of
   * permissions from this index on (as for setAuth, which throws alike), null when the entry does
   * not change it: reads of this index and later entries are held to it.
   */
  controlDone(
    index: number,
    meta: readonly MetaRow[],
    code: number,
    reply: Uint8Array | null,
    auth: Uint8Array | null,
  ): void;

  /** Makes applied state durable without the log (image or flush); Completion 'checkpoint'. */
  checkpoint(): void;
  /** Forgets entries up to `index`; throws unless a checkpoint covers it. Then: truncated. */
  truncateLog(index: number): void;

  /**
   * Pins the state as it is now and makes it readable as one run of bytes: an image, or a
   * checkpoint of the engine's files where `acceptCheckpoint` allows it and the engine has them.
   * Entries behind its index must stay in the log as long as it is open. Rejects with Io.
   */
  exportSnapshot(acceptCheckpoint: boolean): Promise<SnapshotExport>;
  /** Bytes of an export from `offset`, at most `maxBytes`, behind their u32 CRC-32C. */
  readExport(id: number, offset: number, maxBytes: number): Promise<Buffer>;
  /** Removes an export; reads under way are rejected. */
  closeExport(id: number): void;
  /**
   * Pins the state as it is now and finds out how large a database file for etcd's tools it makes.
   * `extra`: rows (bucket, key, value, each behind its u32 length) for what the state does not say.
   * Writing goes on meanwhile; compacted rows stay as long as it is open. Rejects with
   * TooManyRequests, Io.
   */
  openBackup(extra: Uint8Array): Promise<Backup>;
  /** The next bytes of a backup's file, as many as asked for up to 4 MiB; null at its end. */
  readBackup(id: number, maxBytes: number): Promise<Buffer | null>;
  /** Lets go of the state; reads that have not begun are rejected. */
  closeBackup(id: number): void;
  /** Room for a snapshot that is being received; its number. Rejects with Io, NoSpace. */
  openImport(kind: SnapshotKind, sizeBytes: number): Promise<number>;
  /**
   * Writes the next bytes (in readExport's form) of an import at `offset`, which must be where the
   * last ones ended. Rejects with Damaged, and writes nothing, when the checksum does not match.
   */
  writeImport(id: number, offset: number, chunk: Uint8Array): Promise<void>;
  /** Removes an import that is not installed. */
  closeImport(id: number): void;
  /**
   * Replaces the whole state by a complete import, which must hold (index, term), and the log by
   * an empty one that starts there with the hard state. Nothing may be on its way through apply.
   * Durable when it resolves; a crash before leaves either the old state or the new one. Rejects
   * with Damaged (the old state stays) or Io.
   */
  installSnapshot(
    id: number,
    index: number,
    term: number,
    hardState: HardStateRecord,
  ): Promise<InstalledSnapshot>;

  /** Keys attached to a lease: Completion 'result' for the ticket, u32-length-prefixed keys. */
  leaseKeys(ticket: number, leaseId: bigint): void;
  /** The next number of the member's id generator (request and lease ids). */
  nextId(): bigint;
  /**
   * The revision of the state: never behind what a client has been told, while `applied` records
   * may be, as the plane answers without them. 0 once closed.
   */
  revision(): number;

  watchOpen(stream: number): void;
  /**
   * Protobuf bytes of one WatchRequest; 0, or an error code that ends the stream. Who asks counts
   * for a create_request: with a `refusal`, or without permission now, it is answered as other
   * creates that fail, and the stream goes on.
   */
  watchRequest(
    stream: number,
    request: Uint8Array,
    userName: string,
    authRevision: number,
    refusal: number,
  ): number;
  watchCredit(stream: number, bytes: number): void;
  watchClose(stream: number): void;

  /**
   * Starts the threads that serve gRPC from this core, once. `onWake` runs on the JavaScript thread
   * when events wait: call drain(). close() stops them when nobody has. Throws an Error with the
   * code Stopped, Io (no descriptors left), or Internal for a second one.
   */
  openPlane(options: PlaneOptions, onWake: () => void): NativePlane;

  /**
   * Everything completed since the last call, as records (src/storage/completions.ts), or null.
   * Promises of exports, imports and installs settle in here too, or in close().
   */
  drain(): Buffer | null;

  status(): CoreStatus;
  /**
   * What the newest compactions, at most ten, have left behind, oldest first, as triples: the
   * revision that was compacted to, the one compacted to before (-1 for none), and the hash of what
   * was between them. Not remembered over a restart.
   */
  compactionHashes(): Float64Array;
  /**
   * What native code has counted: a number for each counter; for each histogram the counts of its
   * buckets, each alone, the last without a bound, and the sum. Waits for nothing.
   */
  metrics(): Float64Array;
  /** Refuses new work, drains, joins every thread, syncs and closes; then resolves. */
  close(): Promise<void>;

  /** Only with `stepped`: runs the oldest task of one executor; false when it has none. */
  step(executor: StepExecutor): boolean;
  /** Only with `stepped`: as a power cut. The directory can be opened again afterwards. */
  crash(): void;
}
