// What native code tells TypeScript, decoded from one Buffer per wake-up.
//
// Record layout (little-endian): u32 length of what follows, u8 kind, then the fields below. Kinds
// are exported by the addon (`completions`). Byte fields are views into the drained Buffer.
// Called by server/completions dispatch once per wake-up; kept free of closures for that reason.
// Numbers travel as f64, 64-bit ids as u64 (lease ids i64), the last byte field of a record has no
// length of its own.

import { assert } from '../base/assert.js';
import type { CompletionKinds } from './native.js';

/** What a slow request was; positions are native. */
const slowKinds = ['entry', 'range', 'txn', 'failed'] as const;

/** Bits of a demand; native. */
const DEMAND_PROPOSALS = 1;
const DEMAND_READS = 2;

/** A request that took long, or (`failed`) an entry that ended with an error. */
export interface SlowRequest {
  readonly kind: (typeof slowKinds)[number];
  readonly seconds: number;
  /** 0, or an error code. */
  readonly code: number;
  readonly replyBytes: number;
  /** Of a range; -1 for others. */
  readonly rows: number;
  /** Of an entry the InternalRaftRequest, otherwise the client's own. */
  readonly request: Buffer;
}

/** Handlers, one a kind; called in the order in which things happened. */
export interface CompletionHandler {
  /** Log writes named by append(sequence) are durable. */
  durable(sequence: number): void;
  /** State holds everything up to the index; results of its entries came before. */
  applied(index: number, revision: number): void;
  /** One request has ended: code 0 and the reply message, or an error code. */
  result(ticket: number, code: number, reply: Buffer): void;
  /**
   * Apply stands at this entry until controlDone(). `request` is the InternalRaftRequest or conf
   * change.
   */
  control(index: number, term: number, type: number, request: Buffer): void;
  /** A lease has been granted (ttl > 0), or revoked (ttl = -1). In log order. */
  lease(id: bigint, ttlSeconds: number): void;
  /** A lease's remaining time was checkpointed. */
  leaseCheckpoint(id: bigint, remainingTtlSeconds: number): void;
  /** One watch message for a stream. */
  watch(stream: number, message: Buffer): void;
  /** State up to the index is durable without the log. */
  checkpoint(durableAppliedIndex: number): void;
  truncated(startIndex: number): void;
  /** Something to log: level 0 info, 1 warn, 2 error; text and JSON fields. */
  log(level: number, message: string, fieldsJson: string): void;
  /** The alarm set changed through the log. */
  alarm(memberId: bigint, alarm: number, active: boolean): void;
  /** A write pushed this member over its quota: propose the NOSPACE alarm. */
  quotaExceeded(): void;
  /** The ticket's operation is applied; its result waits for background work, without limit. */
  held(ticket: number): void;
  /** A request took longer than the threshold, or an entry failed. */
  slow(request: SlowRequest): void;
  /** Calls of the data plane wait: for proposals to be taken, or for a ReadIndex round. */
  demand(proposals: boolean, reads: boolean): void;
  /** Disk or engine failed: nothing may be acknowledged any more; end the process. */
  fatal(message: string): void;
}

type Decode = (records: Buffer, at: number, end: number, handler: CompletionHandler) => void;

function decodeDurable(records: Buffer, at: number, _end: number, to: CompletionHandler): void {
  to.durable(records.readDoubleLE(at));
}

function decodeApplied(records: Buffer, at: number, _end: number, to: CompletionHandler): void {
  to.applied(records.readDoubleLE(at), records.readDoubleLE(at + 8));
}

function decodeResult(records: Buffer, at: number, end: number, to: CompletionHandler): void {
  const reply = records.subarray(at + 10, end);
  to.result(records.readDoubleLE(at), records.readUInt16LE(at + 8), reply);
}

function decodeControl(records: Buffer, at: number, end: number, to: CompletionHandler): void {
  const index = records.readDoubleLE(at);
  const term = records.readDoubleLE(at + 8);
  to.control(index, term, records.readUInt8(at + 16), records.subarray(at + 17, end));
}

function decodeLease(records: Buffer, at: number, _end: number, to: CompletionHandler): void {
  to.lease(records.readBigInt64LE(at), records.readDoubleLE(at + 8));
}

function decodeLeaseCheckpoint(
  records: Buffer,
  at: number,
  _end: number,
  to: CompletionHandler,
): void {
  to.leaseCheckpoint(records.readBigInt64LE(at), records.readDoubleLE(at + 8));
}

function decodeWatch(records: Buffer, at: number, end: number, to: CompletionHandler): void {
  to.watch(records.readDoubleLE(at), records.subarray(at + 8, end));
}

function decodeCheckpoint(records: Buffer, at: number, _end: number, to: CompletionHandler): void {
  to.checkpoint(records.readDoubleLE(at));
}

function decodeTruncated(records: Buffer, at: number, _end: number, to: CompletionHandler): void {
  to.truncated(records.readDoubleLE(at));
}

function decodeLog(records: Buffer, at: number, end: number, to: CompletionHandler): void {
  const split = at + 5 + records.readUInt32LE(at + 1);
  assert(split <= end, 'log record: message longer than the record');
  const message = records.toString('utf8', at + 5, split);
  to.log(records.readUInt8(at), message, records.toString('utf8', split, end));
}

function decodeAlarm(records: Buffer, at: number, _end: number, to: CompletionHandler): void {
  const memberId = records.readBigUInt64LE(at);
  to.alarm(memberId, records.readInt32LE(at + 8), records.readUInt8(at + 12) !== 0);
}

function decodeQuotaExceeded(
  _records: Buffer,
  _at: number,
  _end: number,
  to: CompletionHandler,
): void {
  to.quotaExceeded();
}

function decodeHeld(records: Buffer, at: number, _end: number, to: CompletionHandler): void {
  to.held(records.readDoubleLE(at));
}

function decodeDemand(records: Buffer, at: number, _end: number, to: CompletionHandler): void {
  const bits = records.readUInt8(at);
  to.demand((bits & DEMAND_PROPOSALS) !== 0, (bits & DEMAND_READS) !== 0);
}

function decodeSlow(records: Buffer, at: number, end: number, to: CompletionHandler): void {
  to.slow({
    kind: slowKinds[records.readUInt8(at)] ?? 'entry',
    seconds: records.readDoubleLE(at + 1),
    code: records.readUInt16LE(at + 9),
    replyBytes: records.readDoubleLE(at + 11),
    rows: records.readDoubleLE(at + 19),
    request: records.subarray(at + 27, end),
  });
}

function decodeFatal(records: Buffer, at: number, end: number, to: CompletionHandler): void {
  to.fatal(records.toString('utf8', at, end));
}

/** Decodes drained Buffers; one per process is enough. */
export class CompletionDecoder {
  /** By kind. Invariant: exactly the kinds that the addon exports have a decoder. */
  readonly #decoders: readonly (Decode | undefined)[];

  /** `kinds` is the addon's `completions` export. */
  constructor(kinds: CompletionKinds) {
    const decoders: Record<keyof CompletionKinds, Decode> = {
      durable: decodeDurable,
      applied: decodeApplied,
      result: decodeResult,
      control: decodeControl,
      lease: decodeLease,
      leaseCheckpoint: decodeLeaseCheckpoint,
      watch: decodeWatch,
      checkpoint: decodeCheckpoint,
      truncated: decodeTruncated,
      log: decodeLog,
      alarm: decodeAlarm,
      quotaExceeded: decodeQuotaExceeded,
      fatal: decodeFatal,
      held: decodeHeld,
      slow: decodeSlow,
      demand: decodeDemand,
    };
    const table: (Decode | undefined)[] = [];
    for (const [name, decode] of Object.entries(decoders)) {
      table[kinds[name as keyof CompletionKinds]] = decode;
    }
    this.#decoders = table;
  }

  /**
   * Calls the handler once per record, in order. `records` is what core.drain() returned; reply,
   * request and message Buffers that the handler receives share its memory and stay valid as long
   * as they are referenced. A handler that throws ends the process: later records would be lost.
   */
  decode(records: Buffer, handler: CompletionHandler): void {
    let at = 0;
    while (at < records.length) {
      const end = at + 4 + records.readUInt32LE(at);
      assert(end <= records.length, 'completion record runs past its buffer');
      const decode = this.#decoders[records.readUInt8(at + 4)];
      assert(decode !== undefined, 'completion record of an unknown kind');
      decode(records, at + 5, end, handler);
      at = end;
    }
  }
}

/** The keys in the reply to MemberCore.leaseKeys. */
export function unpackKeys(reply: Buffer): Buffer[] {
  const keys: Buffer[] = [];
  for (let at = 0; at < reply.length; ) {
    const end = at + 4 + reply.readUInt32LE(at);
    keys.push(reply.subarray(at + 4, end));
    at = end;
  }
  return keys;
}
