// A double of the native core for whole clusters in one thread: log, apply, reads, checkpoints and
// transfers of snapshots, by the contract of src/storage/native.ts. Its threads are events of the
// simulation, and its disk survives it. Opened by SimAddon for one life of one member.

import { assert } from '../../../../src/base/assert.js';
import { EntryType } from '../../../../src/raft/index.js';
import type {
  AppendRun,
  HardStateRecord,
  InstalledSnapshot,
  MemberCore,
  Recovered,
  SnapshotExport,
} from '../../../../src/storage/native.js';
import type { Random } from '../world/random.js';
import type { Owner, Scheduler } from '../world/scheduler.js';
import { CoreBase } from './core-base.js';
import { Executor, type Pace } from './executor.js';
import { LogDisk } from './log/log-disk.js';
import { type LogObserver, LogWriter } from './log/log-writer.js';
import { encodeRun, entriesOfRun, inspectRun, type LogEntry } from './log/runs.js';
import { Completions, methods, routes } from './records.js';
import { encodePayload, PayloadKind, ProposalQueue } from './requests/proposal-queue.js';
import { WaitingReads } from './requests/waiting-reads.js';
import { Applier } from './state/applier.js';
import { type MemberDisk, Snapshots } from './state/snapshots.js';
import { decodeCommand, encodeReply, StateMachine } from './state/state-machine.js';

/** The disk of a member that has never run. */
export function emptyDisk(): MemberDisk {
  return { log: new LogDisk(), state: new StateMachine() };
}

/** What the checks want to know. */
export interface CoreObserver extends LogObserver {
  applied(entry: LogEntry, hash: number): void;
  /** A state has come from elsewhere: recovered, or a snapshot. */
  restored(index: number, hash: number): void;
}

export interface CoreParts {
  readonly disk: MemberDisk;
  readonly scheduler: Scheduler;
  readonly owner: Owner;
  readonly random: Random;
  readonly pace: Pace;
  readonly observer: CoreObserver;
  readonly onWake: () => void;
  readonly errorCode: (name: string) => number;
  /** Where request numbers begin: no two lives of members share one. */
  readonly firstRequest: number;
  /** Entries at the end of the log that are in memory. */
  readonly cachedEntries: number;
  readonly maxQueuedOperations: number;
  /** Probability, an apply step, that the state becomes durable without anybody asking. */
  readonly flushes: number;
}

/** Until native threads are heard on the JavaScript thread. */
const WAKE_MAX_MS = 0.1;

export class SimCore extends CoreBase implements MemberCore {
  readonly #parts: CoreParts;
  readonly #log: LogWriter;
  // The last entry of writes that need nobody else to be committed, by their sequence numbers.
  readonly #decided = new Map<number, number>();
  readonly #queue: ProposalQueue;
  readonly #reads = new WaitingReads();
  readonly #completions: Completions;
  readonly #applier: Applier;
  readonly #snapshots: Snapshots;
  readonly #readThread: Executor;
  #lastRequest: number;
  #committed = 0;

  constructor(parts: CoreParts) {
    super();
    this.#parts = parts;
    const { disk, scheduler, owner, random, pace, observer } = parts;
    const thread = () => new Executor(scheduler, owner, random, pace);
    this.#completions = new Completions(() => {
      scheduler.after(random.range(0, WAKE_MAX_MS), owner, parts.onWake);
    });
    this.#log = new LogWriter(disk.log, thread(), observer, (sequence) => this.#durable(sequence));
    this.#readThread = thread();
    this.#queue = new ProposalQueue(parts.maxQueuedOperations);
    this.#applier = new Applier(
      {
        log: this.#log.image,
        thread: thread(),
        random,
        completions: this.#completions,
        queue: this.#queue,
        applied: (entry, hash) => observer.applied(entry, hash),
        stepped: () => this.#stepped(),
      },
      disk.state.clone(),
    );
    this.#snapshots = new Snapshots({
      disk,
      log: this.#log,
      applier: this.#applier,
      thread: thread(),
      completions: this.#completions,
      restored: (index, hash) => observer.restored(index, hash),
    });
    this.#lastRequest = parts.firstRequest;
    const { index, hash } = this.state;
    observer.restored(index, hash);
    assert(index <= this.#log.image.lastIndex, 'state is never ahead of the log');
    assert(index >= this.#log.image.startIndex, 'the log is cut behind the state');
  }

  recovered(clusterId: bigint, memberId: bigint): Recovered {
    const { startIndex, startTerm, lastIndex, state } = this.#log.image;
    return {
      created: lastIndex === 0,
      clusterId,
      memberId,
      term: state.term,
      vote: state.vote,
      commit: Math.max(state.commit, this.state.index),
      startIndex,
      startTerm,
      lastIndex,
      appliedIndex: this.state.index,
      appliedTerm: this.state.term,
      tornBytes: 0,
      openMs: 1,
      meta: this.state.meta,
      leases: [],
      alarms: [],
      revision: this.state.index,
    };
  }

  // ---- For the checks and the simulation. ------------------------------------------------------

  termAt(index: number): number | null {
    return this.#log.image.termAt(index);
  }
  get applyTarget(): number {
    return this.#applier.target;
  }
  get startIndex(): number {
    return this.#log.image.startIndex;
  }
  get state(): StateMachine {
    return this.#applier.state;
  }

  /** A disk error, of which the member hears and must end. */
  fail(message: string): void {
    this.#completions.fatal(message);
  }

  // ---- Requests. -------------------------------------------------------------------------------

  setCommitted(index: number): void {
    assert(index >= this.#committed, 'the commit index never goes back');
    this.#committed = index;
  }

  submit(ticket: number, method: number, request: Uint8Array): number {
    const command = decodeCommand(Buffer.from(request));
    if (command === null) {
      return -this.#parts.errorCode('Unmarshal');
    }
    if (method === methods.Range) {
      this.#reads.add({ ticket, key: command.key });
      return routes.ReadWaits;
    }
    return this.#enqueue(ticket, PayloadKind.Command, request);
  }

  submitInternal(ticket: number, request: Uint8Array): number {
    return this.#enqueue(ticket, PayloadKind.Internal, request);
  }

  /** Entries hold one operation here. */
  batchEntries = () => undefined;

  holdProposals(): void {
    // Whoever waits is looked at in every turn.
  }

  takeProposals(maxOperations: number, maxBytes: number, term: number): Uint32Array {
    return this.#queue.take(maxOperations, maxBytes, term);
  }

  takeForwards(maxOperations: number, maxBytes: number, term: number): Buffer | null {
    return this.#queue.takeForwards(maxOperations, maxBytes, term);
  }

  returnForwards(forwards: Uint8Array, code: number): void {
    this.#end(this.#queue.returnForwards(forwards, code !== 0), code);
  }

  enqueueForwarded(forwards: Uint8Array): number {
    const count = this.#queue.addForwarded(forwards);
    if (count === null) {
      return -this.#parts.errorCode('Unmarshal');
    }
    return count < 0 ? -this.#parts.errorCode('TooManyRequests') : count;
  }

  failHandedOver(beforeTerm: number, code: number): void {
    this.#end(this.#queue.endBefore(beforeTerm), code);
  }

  expireQueued(ticket: number): Float64Array {
    return Float64Array.from(this.#queue.expire(ticket));
  }

  dropProposals(count: number, code: number): void {
    this.#end(this.#queue.drop(count), code);
  }

  failAll(code: number): void {
    this.#end([...this.#queue.endAll(), ...this.#reads.failAll()], code);
  }

  freezeReads(): number {
    return this.#reads.freeze();
  }

  releaseReads(batch: number, readIndex: number): void {
    this.#reads.release(batch, readIndex);
    this.#serveReads();
  }

  failReads(batch: number, code: number): void {
    this.#end(this.#reads.fail(batch), code);
  }

  drain(): Buffer | null {
    return this.#completions.drain();
  }

  nextId(): bigint {
    return BigInt(++this.#lastRequest);
  }

  // ---- The log. --------------------------------------------------------------------------------

  append(
    sequence: number,
    runs: readonly AppendRun[],
    hardState: HardStateRecord | null,
    sync: boolean,
    alone: boolean,
  ): void {
    const entries: LogEntry[] = [];
    for (const run of runs) {
      entries.push(...this.#entriesOf(run));
    }
    const first = entries[0]?.index;
    assert(
      first === undefined || first > this.#applier.target,
      'nothing that is committed is replaced',
    );
    const last = entries.at(-1);
    if (alone && last !== undefined) {
      this.#decided.set(sequence, last.index);
    }
    this.#log.append(sequence, entries, hardState, sync);
  }

  /** What this member has decided alone is applied at once. */
  #durable(sequence: number): void {
    this.#completions.durable(sequence);
    const committed = this.#decided.get(sequence);
    if (committed !== undefined) {
      this.#decided.delete(sequence);
      this.#applier.apply(committed);
    }
  }

  entryInfos(from: number, to: number): Float64Array {
    const infos: number[] = [];
    for (const { term, type, data } of this.#entries(from, to) ?? []) {
      infos.push(term, type, data === null ? -1 : data.length);
    }
    return Float64Array.from(infos);
  }

  cachedEntries(from: number, to: number): Buffer | null {
    if (from <= this.#log.image.lastIndex - this.#parts.cachedEntries) {
      return null;
    }
    const entries = this.#entries(from, to);
    return entries === null ? null : encodeRun(entries);
  }

  readEntries(ticket: number, from: number, to: number): void {
    this.#readThread.push('read', () => {
      const entries = this.#entries(from, to);
      const code = entries === null ? this.#parts.errorCode('Internal') : 0;
      this.#completions.result(ticket, code, entries === null ? null : encodeRun(entries));
    });
  }

  inspectEntries(run: Uint8Array): Float64Array | null {
    return inspectRun(run);
  }

  entryData(index: number): Buffer | null {
    return this.#log.image.at(index)?.data ?? null;
  }

  apply(index: number): void {
    this.#applier.apply(index);
  }

  controlDone(...args: Parameters<MemberCore['controlDone']>): void {
    const [index, meta, code, reply] = args;
    this.#applier.controlDone(index, meta, code, reply);
  }

  // ---- Checkpoints and snapshots. --------------------------------------------------------------

  checkpoint(): void {
    this.#snapshots.checkpoint();
  }

  truncateLog(index: number): void {
    this.#snapshots.truncate(index);
  }

  exportSnapshot(): Promise<SnapshotExport> {
    return this.#snapshots.later(() => this.#snapshots.transfers.open(this.state));
  }

  readExport(id: number, offset: number, maxBytes: number): Promise<Buffer> {
    return this.#snapshots.later(() => this.#snapshots.transfers.read(id, offset, maxBytes));
  }

  closeExport(id: number): void {
    this.#snapshots.transfers.close(id);
  }

  openImport(_kind: string, sizeBytes: number): Promise<number> {
    return this.#snapshots.later(() => this.#snapshots.transfers.openImport(sizeBytes));
  }

  writeImport(id: number, offset: number, chunk: Uint8Array): Promise<void> {
    return this.#snapshots.later(() => this.#snapshots.transfers.write(id, offset, chunk));
  }

  closeImport(id: number): void {
    this.#snapshots.transfers.closeImport(id);
  }

  installSnapshot(...args: Parameters<MemberCore['installSnapshot']>): Promise<InstalledSnapshot> {
    return this.#snapshots.install(...args);
  }

  // ---- Within. ---------------------------------------------------------------------------------

  #enqueue(ticket: number, kind: number, request: Uint8Array): number {
    const number = ++this.#lastRequest;
    const queued = this.#queue.add(ticket, number, encodePayload(kind, number, request));
    return queued ? routes.Proposed : -this.#parts.errorCode('TooManyRequests');
  }

  #end(tickets: readonly number[], code: number): void {
    for (const ticket of tickets) {
      this.#completions.result(ticket, code, null);
    }
  }

  #entriesOf(run: AppendRun): LogEntry[] {
    if (run.kind === 'received') {
      return entriesOfRun(run.run, run.offset, run.firstIndex, run.count);
    }
    if (run.kind === 'inline') {
      const data = run.data === null ? null : Buffer.from(run.data);
      return [{ index: run.index, term: run.term, type: run.type, data }];
    }
    const payloads = this.#queue.name(run.count);
    assert(payloads !== null, 'every proposal that is named has been taken');
    const { firstIndex, term } = run;
    return payloads.map((data, i) => ({
      index: firstIndex + i,
      term,
      type: EntryType.Normal,
      data,
    }));
  }

  #entries(from: number, to: number): LogEntry[] | null {
    const { startIndex, lastIndex, entries } = this.#log.image;
    if (from <= startIndex || to > lastIndex) {
      return null;
    }
    return entries.slice(from - startIndex - 1, to - startIndex);
  }

  #stepped(): void {
    const { disk, random, flushes } = this.#parts;
    this.#serveReads();
    if (random.chance(flushes)) {
      disk.state = this.state.clone();
    }
  }

  #serveReads(): void {
    const servable = this.#reads.takeServable(this.state.index);
    if (servable.length === 0) {
      return;
    }
    this.#readThread.push('read', () => {
      for (const { ticket, key } of servable) {
        const register = this.state.read(key);
        this.#completions.result(ticket, 0, encodeReply({ succeeded: true, ...register }));
      }
    });
  }
}
