// An in-memory double of the native core, for tests of src/server without the addon. It does
// nothing by itself: tests say when the log becomes durable and when entries are applied, so that
// every order of things can be tried. Replies echo the request's bytes.

import { assert } from '../../../src/base/assert.js';
import { bootstrapMemberId } from '../../../src/cluster/ids.js';
import { EntryType } from '../../../src/raft/index.js';
import type { MemberOptions } from '../../../src/server/options.js';
import type {
  Addon,
  AppendRun,
  CoreStatus,
  HardStateRecord,
  MemberCore,
  MetaRow,
  OpenedCore,
  OpenOptions,
  Recovered,
} from '../../../src/storage/native.js';
import { kinds, methods, routes } from '../sim/double/records.js';
import { FakeCoreBase } from './fake-core-base.js';
import { nativeErrorRows } from './native-errors.js';
import { noBackups, noNetwork, noPlane } from './no-network.js';

interface Proposal {
  readonly ticket: number;
  readonly request: Buffer;
  /** Whether TypeScript decides the entry. */
  readonly control: boolean;
}

export interface LogEntry {
  readonly index: number;
  readonly term: number;
  readonly type: number;
  readonly data: Buffer | null;
  readonly proposal: Proposal | null;
}

function f64(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, i) => {
    bytes.writeDoubleLE(value, i * 8);
  });
  return bytes;
}

function record(kind: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from([kind]), ...parts] as unknown as Uint8Array[]);
  const head = Buffer.alloc(4);
  head.writeUInt32LE(body.length);
  return Buffer.concat([head, body] as unknown as Uint8Array[]);
}

export class FakeCore extends FakeCoreBase implements MemberCore {
  /** Everything that was handed to the log; durable up to `durableAppends` calls of append. */
  readonly log: LogEntry[] = [];
  readonly meta = new Map<string, Buffer>();
  /** Writes under way; `decided`: the last entry of one that needs nobody else, or 0. */
  readonly appends: {
    readonly sequence: number;
    readonly hardState: HardStateRecord | null;
    readonly decided: number;
  }[] = [];
  readonly header: { clusterId: bigint; memberId: bigint; term: number }[] = [];
  committed = 0;
  appliedIndex = 0;
  applyTarget = 0;
  checkpoints = 0;
  truncatedTo: number | null = null;
  closed = false;
  /** Error code that the next submit is refused with; 0 for none. */
  refuseWith = 0;
  logBytes = 0;
  #onWake: () => void;
  #records: Buffer[] = [];
  #queue: Proposal[] = [];
  #taken: Proposal[] = [];
  #reads: number[] = [];
  #frozen = new Map<number, number[]>();
  #lastBatch = 0;
  #lastOfPlane = 0;
  #demand = 0;
  #haltedAt = 0;
  #ids = 0n;

  readonly #memberId: bigint;

  constructor(onWake: () => void, memberId: bigint) {
    super();
    this.#onWake = onWake;
    this.#memberId = memberId;
  }

  // ---- What tests do. --------------------------------------------------------------------------

  /** All writes handed over so far become durable. */
  flushLog(): void {
    for (const { sequence, decided } of this.appends.splice(0)) {
      this.#complete(record(kinds.durable, f64(sequence)));
      this.applyTarget = Math.max(this.applyTarget, decided);
    }
  }

  /** Applies what may be applied, up to an entry that TypeScript has to decide. */
  applyAll(): void {
    while (this.#haltedAt === 0 && this.appliedIndex < this.applyTarget) {
      const entry = this.entryAt(this.appliedIndex + 1);
      if (entry.type !== EntryType.Normal || entry.proposal?.control === true) {
        this.#haltedAt = entry.index;
        const type = Buffer.from([entry.type]);
        const request = entry.data ?? Buffer.alloc(0);
        this.#complete(record(kinds.control, f64(entry.index, entry.term), type, request));
        return;
      }
      this.appliedIndex = entry.index;
      if (entry.proposal !== null) {
        this.complete(entry.proposal.ticket, 0, entry.proposal.request);
      }
      this.#complete(record(kinds.applied, f64(entry.index, entry.index)));
    }
  }

  /** Results of calls of the data plane, by their tickets, which are below 0. */
  readonly ofPlane = new Map<number, { readonly code: number; readonly reply: string }>();

  /** A call of the data plane has put its request into a queue; its ticket. */
  submitOfPlane(method: number, request: Buffer): number {
    const ticket = --this.#lastOfPlane;
    const route = this.submit(ticket, method, request);
    const bit = route === routes.Proposed ? 1 : 2;
    if (this.#demand === 0) {
      this.#demand = bit;
      setImmediate(this.#onWake);
    }
    this.#demand |= bit;
    return ticket;
  }

  /** A result for a ticket. */
  complete(ticket: number, code: number, reply: Buffer): void {
    if (ticket < 0) {
      assert(!this.ofPlane.has(ticket), 'one result for each call');
      this.ofPlane.set(ticket, { code, reply: reply.toString() });
      return;
    }
    const status = Buffer.alloc(2);
    status.writeUInt16LE(code);
    this.#complete(record(kinds.result, f64(ticket), status, reply));
  }

  entryAt(index: number): LogEntry {
    const found = this.log.find((entry) => entry.index === index);
    assert(found !== undefined, `the log holds ${index}`);
    return found;
  }

  /** What a start on this core's state would find. */
  recovered(): Recovered {
    const last = this.log.at(-1);
    return {
      created: last === undefined,
      clusterId: 1n,
      memberId: this.#memberId,
      term: last?.term ?? 0,
      vote: 0n,
      commit: this.committed,
      startIndex: 0,
      startTerm: 0,
      lastIndex: last?.index ?? 0,
      appliedIndex: this.appliedIndex,
      appliedTerm: 0,
      tornBytes: 0,
      openMs: 1,
      meta: this.meta,
      leases: [],
      alarms: [],
      revision: 1,
    };
  }

  /** The same state under another member: the process has been started again. */
  reopen(onWake: () => void): void {
    this.#onWake = onWake;
    this.#records = [];
    this.#queue = [];
    this.#taken = [];
    this.#haltedAt = 0;
    this.applyTarget = this.appliedIndex;
    this.appends.length = 0;
  }

  // ---- What the server does. -------------------------------------------------------------------

  setHeader(clusterId: bigint, memberId: bigint, term: number): void {
    this.header.push({ clusterId, memberId, term });
  }

  setCommitted(index: number): void {
    this.committed = index;
  }

  submit(ticket: number, method: number, request: Uint8Array): number {
    if (this.refuseWith !== 0) {
      return -this.refuseWith;
    }
    if (method === methods.Range) {
      this.#reads.push(ticket);
      return routes.ReadWaits;
    }
    if (method === methods.Hash) {
      return routes.Serving;
    }
    this.#queue.push({ ticket, request: Buffer.from(request), control: false });
    return routes.Proposed;
  }

  submitInternal(ticket: number, request: Uint8Array): number {
    this.#queue.push({ ticket, request: Buffer.from(request), control: true });
    return routes.Proposed;
  }

  batchEntries(): void {
    // Entries hold one operation here.
  }

  holdProposals(): void {
    // Whoever waits is looked at in every turn.
  }

  takeProposals(maxOperations: number): Uint32Array {
    const taken = this.#queue.splice(0, maxOperations);
    this.#taken.push(...taken);
    return Uint32Array.from(taken, ({ request }) => request.length);
  }

  expireQueued(ticket: number): Float64Array {
    const isExpired = (proposal: Proposal) => proposal.ticket > 0 && proposal.ticket <= ticket;
    const expired = this.#queue.filter(isExpired);
    this.#queue = this.#queue.filter((proposal) => !isExpired(proposal));
    return Float64Array.from(expired, (proposal) => proposal.ticket);
  }

  dropProposals(count: number, code: number): void {
    for (const { ticket } of this.#taken.splice(0, count)) {
      this.complete(ticket, code, Buffer.alloc(0));
    }
  }

  failAll(code: number): void {
    const tickets = [...this.#queue, ...this.#taken].map(({ ticket }) => ticket);
    this.#queue = [];
    for (const ticket of [...tickets, ...this.#reads.splice(0)]) {
      this.complete(ticket, code, Buffer.alloc(0));
    }
  }

  freezeReads(): number {
    if (this.#reads.length === 0) {
      return 0;
    }
    this.#frozen.set(++this.#lastBatch, this.#reads.splice(0));
    return this.#lastBatch;
  }

  releaseReads(batch: number, readIndex: number): void {
    for (const ticket of this.#frozen.get(batch) ?? []) {
      this.complete(ticket, 0, Buffer.from(`read at ${readIndex}`));
    }
    this.#frozen.delete(batch);
  }

  failReads(batch: number, code: number): void {
    for (const ticket of this.#frozen.get(batch) ?? []) {
      this.complete(ticket, code, Buffer.alloc(0));
    }
    this.#frozen.delete(batch);
  }

  append(
    sequence: number,
    runs: readonly AppendRun[],
    hardState: HardStateRecord | null,
    _sync: boolean,
    alone: boolean,
  ): void {
    for (const run of runs) {
      if (run.kind === 'inline') {
        const data = run.data === null ? null : Buffer.from(run.data);
        this.#write({ index: run.index, term: run.term, type: run.type, data, proposal: null });
        continue;
      }
      assert(run.kind === 'queued', 'nobody sends entries here');
      const { term, firstIndex } = run;
      const named = this.#taken.splice(0, run.count);
      assert(named.length === run.count, 'every proposal named has been taken');
      named.forEach((proposal, i) => {
        const index = firstIndex + i;
        const data = proposal.request;
        this.#write({ index, term, type: EntryType.Normal, data, proposal });
      });
    }
    const decided = alone ? (this.log.at(-1)?.index ?? 0) : 0;
    this.appends.push({ sequence, hardState, decided });
  }

  entryInfos(from: number, to: number): Float64Array {
    const infos: number[] = [];
    for (let index = from; index <= to; index++) {
      const { term, type, data } = this.entryAt(index);
      infos.push(term, type, data === null ? -1 : data.length);
    }
    return Float64Array.from(infos);
  }

  entryData(index: number): Buffer | null {
    return this.entryAt(index).data;
  }

  apply(index: number): void {
    this.applyTarget = Math.max(this.applyTarget, index);
  }

  controlDone(
    index: number,
    meta: readonly MetaRow[],
    code: number,
    reply: Uint8Array | null,
    auth: Uint8Array | null,
  ): void {
    assert(index === this.#haltedAt, 'apply stands at this entry');
    for (const { key, value } of meta) {
      if (value === null) {
        this.meta.delete(key);
      } else {
        this.meta.set(key, Buffer.from(value));
      }
    }
    if (auth !== null) {
      this.setAuth(auth);
    }
    this.#haltedAt = 0;
    this.appliedIndex = index;
    const { proposal } = this.entryAt(index);
    if (proposal !== null) {
      this.complete(proposal.ticket, code, Buffer.from(reply ?? []));
    }
    this.#complete(record(kinds.applied, f64(index, index)));
  }

  checkpoint(): void {
    this.checkpoints++;
  }

  /** A checkpoint that was asked for is done. */
  finishCheckpoint(): void {
    this.#complete(record(kinds.checkpoint, f64(this.appliedIndex)));
  }

  truncateLog(index: number): void {
    this.truncatedTo = index;
    this.log.splice(
      0,
      this.log.findIndex((entry) => entry.index > index),
    );
    this.#complete(record(kinds.truncated, f64(index)));
  }

  leaseKeys(ticket: number): void {
    this.complete(ticket, 0, Buffer.alloc(0));
  }

  nextId(): bigint {
    return ++this.#ids;
  }

  watchOpen(): void {}
  watchRequest(): number {
    return 0;
  }
  watchCredit(): void {}
  watchClose(): void {}

  drain(): Buffer | null {
    if (this.#demand !== 0) {
      this.#records.push(record(kinds.demand, Buffer.from([this.#demand])));
      this.#demand = 0;
    }
    if (this.#records.length === 0) {
      return null;
    }
    return Buffer.concat(this.#records.splice(0) as unknown as Uint8Array[]);
  }

  compactionHashes(): Float64Array {
    return new Float64Array();
  }
  metrics(): Float64Array {
    return new Float64Array(0);
  }

  status(): CoreStatus {
    const empty = { buckets: [], sum: 0 };
    return {
      revision: this.appliedIndex,
      compactRevision: -1,
      appliedIndex: this.appliedIndex,
      durableAppliedIndex: 0,
      dbSizeBytes: 1,
      dbSizeInUseBytes: 1,
      logStartIndex: 0,
      logLastIndex: this.log.at(-1)?.index ?? 0,
      logBytes: this.logBytes,
      logSegments: 1,
      logSyncs: 0,
      logEntries: this.log.length,
      logSyncSeconds: empty,
      logBatchEntries: empty,
      queuedOperations: this.#queue.length,
      queuedBytes: 0,
      watchStreams: 0,
      watchers: 0,
      slowWatchers: 0,
      watchEvents: 0,
      engine: [],
    };
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  #write(entry: LogEntry): void {
    while ((this.log.at(-1)?.index ?? 0) >= entry.index) {
      this.log.pop();
    }
    this.log.push(entry);
  }

  #complete(bytes: Buffer): void {
    this.#records.push(bytes);
    setImmediate(() => this.#onWake());
  }
}

/** An addon whose `open` gives fake cores; `core` is the latest. */
export class FakeAddon implements Addon {
  readonly errors = nativeErrorRows();
  readonly methods = methods;
  readonly routes = routes;
  readonly completions = kinds;
  readonly entryFormat = 1;
  readonly currentAuthRevision = Number.MAX_SAFE_INTEGER;
  readonly network = noNetwork;
  readonly backups = noBackups;
  readonly syncSecondsBounds = [0.001];
  readonly batchEntriesBounds = [1];
  readonly metrics = [];
  readonly planeEvents = noPlane.planeEvents;
  readonly gateFlags = noPlane.gateFlags;
  readonly streamMarks = noPlane.streamMarks;
  readonly planeNumbers = noPlane.planeNumbers;
  readonly planeLibraries = noPlane.planeLibraries;

  sendDatagram(): number {
    return 0;
  }

  core: FakeCore | null = null;

  async open(options: OpenOptions, onWake: () => void): Promise<OpenedCore> {
    if (this.core === null) {
      this.core = new FakeCore(onWake, options.memberId);
    } else {
      this.core.reopen(onWake);
    }
    return { core: this.core, recovered: this.core.recovered() };
  }
}

/** Options of a sole member over the fake, with the defaults that tests count on. */
export function memberOptions(onFatal: (message: string) => void): MemberOptions {
  return {
    name: 'm1',
    clientUrls: ['http://c'],
    peerUrls: ['http://p'],
    bootstrap: { kind: 'new', members: [{ name: 'm1', peerUrls: ['http://p'] }], token: 'token' },
    core: { memberId: bootstrapMemberId(['http://p'], 'token'), clusterId: 1n } as OpenOptions,
    heartbeatMs: 100,
    electionTicks: 10,
    preVote: true,
    initialElectionTickAdvance: true,
    strictReconfigCheck: true,
    maxLearners: 1,
    snapshotTransferBytesPerSecond: 0,
    requestTimeoutMs: 7000,
    checkpoints: { snapshotCount: 20, catchupEntries: 5, maxLogBytes: 1e9, maxAgeMs: 60_000 },
    leaseCheckpointIntervalMs: null,
    clusterVersion: '3.7.0',
    seed: 1,
    onFatal,
    onRemoved: () => undefined,
  };
}
