// A single voter over a MemberCore, driven by hand: the shortest replica loop there can be. Tests
// of the border use it; the real loop is src/server/replica.

import { MetaStoreError } from '../../../../src/base/errors.js';
import type { CompletionHandler } from '../../../../src/storage/completions.js';
import { CompletionDecoder } from '../../../../src/storage/completions.js';
import type {
  Addon,
  MemberCore,
  MetaRow,
  OpenOptions,
  Recovered,
} from '../../../../src/storage/native.js';
import { waitFor } from '../../../support/wait.js';

/** Options of a small member in the directory. */
export function openOptions(dataDir: string, engine: 'memory' | 'rocksdb'): OpenOptions {
  return {
    dataDir,
    walDir: null,
    engine,
    clusterId: 0xcdef000000000001n,
    memberId: 0x8000000000000001n,
    unsafeNoFsync: false,
    quotaBytes: 2 ** 31,
    maxRequestBytes: 1_572_864,
    maxTxnOps: 128,
    minLeaseTtlSeconds: 2,
    walSegmentBytes: 1 << 20,
    compactionBatchLimit: 1000,
    compactionSleepMs: 0,
    compactionHashLimitBytes: 256 * 2 ** 20,
    slowApplyMs: 100,
    watchProgressNotifyMs: 600_000,
    maxQueuedOperations: 10_000,
    maxQueuedBytes: 64 << 20,
    maxApplyBacklog: 5000,
    extraRevokeBacklog: 0,
    rocks: {
      blockCacheBytes: 8 << 20,
      writeBufferBytes: 4 << 20,
      metadataCacheBytes: 8 << 20,
      backgroundJobs: 2,
      bloomBitsPerKey: 10,
    },
    fileLayer: '',
    stepped: false,
  };
}

/** Who asks; by default nobody. */
export interface Asker {
  readonly userName: string;
  readonly authRevision: number;
  readonly refusal: number;
}
const nobody: Asker = { userName: '', authRevision: 0, refusal: 0 };

interface Waiter {
  readonly resolve: (reply: Buffer) => void;
  readonly reject: (error: Error) => void;
}

export class TinyVoter implements CompletionHandler {
  readonly core: MemberCore;
  readonly recovered: Recovered;
  readonly leases: [bigint, number][] = [];
  readonly watched: [number, Buffer][] = [];
  readonly checkpoints: number[] = [];
  readonly truncations: number[] = [];
  readonly alarms: [bigint, number, boolean][] = [];
  /** What control entries leave behind, and what they answer. */
  controlRows: readonly MetaRow[] = [];
  controlAuth: Uint8Array | null = null;
  readonly controls: [number, number, Buffer][] = [];
  appliedIndex: number;
  lastIndex: number;
  fatalMessage = '';
  readonly #addon: Addon;
  readonly #decoder: CompletionDecoder;
  readonly #term: number;
  readonly #lastOfSequence = new Map<number, number>();
  readonly #waiters = new Map<number, Waiter>();
  #committed: number;
  #nextTicket = 1;
  #turnPlanned = false;

  private constructor(addon: Addon, core: MemberCore, recovered: Recovered) {
    this.#addon = addon;
    this.core = core;
    this.recovered = recovered;
    this.#decoder = new CompletionDecoder(addon.completions);
    this.#term = recovered.term + 1;
    this.lastIndex = recovered.lastIndex;
    this.appliedIndex = recovered.appliedIndex;
    this.#committed = recovered.lastIndex;
  }

  static async open(addon: Addon, options: OpenOptions): Promise<TinyVoter> {
    let voter: TinyVoter | null = null;
    const { core, recovered } = await addon.open(options, () => voter?.drain());
    voter = new TinyVoter(addon, core, recovered);
    core.setHeader(recovered.clusterId, recovered.memberId, voter.#term);
    core.setCommitted(voter.#committed);
    core.apply(voter.#committed);
    await waitFor('the log to be applied', () => voter.appliedIndex === voter.lastIndex);
    return voter;
  }

  drain(): void {
    const records = this.core.drain();
    if (records !== null) this.#decoder.decode(records, this);
  }

  /** Submits a request and drives the loop; the reply, or the MetaStoreError of its code. */
  call(method: number, request: Uint8Array, asker = nobody): Promise<Buffer> {
    const ticket = this.#nextTicket++;
    const { userName, authRevision, refusal } = asker;
    const route = this.core.submit(ticket, method, request, userName, authRevision, refusal);
    return this.await(ticket, route);
  }

  callInternal(request: Uint8Array): Promise<Buffer> {
    const ticket = this.#nextTicket++;
    return this.await(ticket, this.core.submitInternal(ticket, request, '', 0));
  }

  async await(ticket: number, route: number): Promise<Buffer> {
    if (route < 0) throw this.#error(-route);
    this.#planTurn();
    const reply = new Promise<Buffer>((resolve, reject) => {
      this.#waiters.set(ticket, { resolve, reject });
    });
    // The wake-up function does not hold the process, so something else must.
    const holder = setTimeout(() => this.result(ticket, 1, Buffer.alloc(0)), 15_000);
    try {
      return await reply;
    } finally {
      clearTimeout(holder);
    }
  }

  get term(): number {
    return this.#term;
  }

  /** A snapshot has taken the place of the whole log. */
  installed(index: number): void {
    this.lastIndex = index;
    this.appliedIndex = index;
    this.#committed = index;
  }

  ticket(): number {
    return this.#nextTicket++;
  }

  durable(sequence: number): void {
    this.#committed = this.#lastOfSequence.get(sequence) ?? this.#committed;
    this.#lastOfSequence.delete(sequence);
    this.core.setCommitted(this.#committed);
    this.core.apply(this.#committed);
  }

  applied(index: number, _revision: number): void {
    this.appliedIndex = index;
  }

  result(ticket: number, code: number, reply: Buffer): void {
    const waiter = this.#waiters.get(ticket);
    this.#waiters.delete(ticket);
    if (code === 0) waiter?.resolve(reply);
    else waiter?.reject(this.#error(code));
  }

  control(index: number, _term: number, type: number, request: Buffer): void {
    this.controls.push([index, type, request]);
    const reply = Buffer.from('decided');
    this.core.controlDone(index, this.controlRows, 0, reply, this.controlAuth);
  }

  lease(id: bigint, ttlSeconds: number): void {
    this.leases.push([id, ttlSeconds]);
  }

  leaseCheckpoint(id: bigint, remainingTtlSeconds: number): void {
    this.leases.push([id, remainingTtlSeconds]);
  }

  watch(stream: number, message: Buffer): void {
    this.watched.push([stream, message]);
  }

  checkpoint(durableAppliedIndex: number): void {
    this.checkpoints.push(durableAppliedIndex);
  }

  truncated(startIndex: number): void {
    this.truncations.push(startIndex);
  }

  log(_level: number, _message: string, fieldsJson: string): void {
    JSON.parse(fieldsJson);
  }

  alarm(memberId: bigint, alarm: number, active: boolean): void {
    this.alarms.push([memberId, alarm, active]);
  }

  quotaExceeded(): void {}

  held(): void {}
  demand(): void {}
  slow(): void {}

  fatal(message: string): void {
    this.fatalMessage = message;
  }

  #error(code: number): MetaStoreError {
    return MetaStoreError.named(this.#addon.errors[code]?.name ?? `code ${code}`);
  }

  #planTurn(): void {
    if (this.#turnPlanned) return;
    this.#turnPlanned = true;
    setImmediate(() => {
      this.#turnPlanned = false;
      this.#turn();
    });
  }

  #turn(): void {
    const sizes = this.core.takeProposals(512, 1 << 20, this.#term);
    if (sizes.length > 0) {
      const firstIndex = this.lastIndex + 1;
      this.lastIndex += sizes.length;
      this.#lastOfSequence.set(firstIndex, this.lastIndex);
      const run = { kind: 'queued', firstIndex, term: this.#term, count: sizes.length } as const;
      const hardState = { term: this.#term, vote: 1n, commit: this.#committed };
      this.core.append(firstIndex, [run], hardState, true, false);
      this.#planTurn();
    }
    const batch = this.core.freezeReads();
    if (batch !== 0) this.core.releaseReads(batch, this.#committed);
  }
}
