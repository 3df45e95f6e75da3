// What the plane tells TypeScript, decoded from one Buffer per wake-up.
//
// Record layout (little-endian): u32 length of what follows, u8 kind, then the fields below. Kinds
// are exported by the addon (`planeEvents`). Byte fields are views into the drained Buffer. Numbers
// travel as f64, texts behind their u32 length, pairs as u32 count and two texts each; the last
// byte field of a record has no length of its own. Headers are latin1, as HTTP has them.

import { assert } from '../base/assert.js';
import type { PlaneEventKinds } from './native-plane.js';

/** What a call says before its messages. */
export interface PlaneCallHead {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Time that the client gives it; -1 for all it takes. The plane ends it then by itself. */
  readonly timeoutNs: number;
  /** Name, value, name, value ... in order, names in lower case. */
  readonly metadata: readonly string[];
}

/** A request that is not gRPC. */
export interface PlaneHttpHead {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  /** As PlaneCallHead.metadata. */
  readonly headers: readonly string[];
}

/** Handlers, one a kind; called in the order in which things happened on a connection. */
export interface PlaneHandler {
  /**
   * A call for TypeScript. With a `message` it is the whole request: nothing more follows from the
   * client. Otherwise messages do, as they are asked for, and halfClose.
   */
  call(call: number, connection: number, head: PlaneCallHead, message: Buffer | null): void;
  /** A message of a call, or a piece of a request's body. */
  message(call: number, bytes: Buffer): void;
  /** The client sends no more; all it has sent came before. */
  halfClose(call: number): void;
  /** Nobody waits for the answer any more. Not for calls that have been finished. */
  ended(call: number): void;
  /** So many more messages that were sent have left. */
  taken(call: number, messages: number): void;
  http(call: number, connection: number, head: PlaneHttpHead): void;
  /** Bytes for the client of an attached connection. */
  output(connection: number, bytes: Buffer): void;
  /** A connection is over; everything of it came before. */
  closed(connection: number): void;
  /** Lease keep-alives to be answered: (f64 call, i64 lease) each, or as their service says. */
  keepAlives(record: Buffer): void;
  /** Somebody is to be identified: the call, then what it says of itself. */
  caller(record: Buffer): void;
  /** A request that was served natively took long. */
  slow(record: Buffer): void;
  /** Something to log: level 0 info, 1 warn, 2 error. */
  log(level: number, text: string): void;
}

type Decode = (records: Buffer, at: number, end: number, to: PlaneHandler) => void;

/** Reads texts one after another. */
class Cursor {
  readonly #records: Buffer;
  at: number;

  constructor(records: Buffer, at: number) {
    this.#records = records;
    this.at = at;
  }

  text(): string {
    const start = this.at + 4;
    const end = start + this.#records.readUInt32LE(this.at);
    assert(end <= this.#records.length, 'a text runs past its record');
    this.at = end;
    return this.#records.toString('latin1', start, end);
  }

  pairs(): string[] {
    const count = this.#records.readUInt32LE(this.at);
    this.at += 4;
    const texts: string[] = [];
    for (let left = 2 * count; left > 0; left -= 1) texts.push(this.text());
    return texts;
  }
}

function decodeCall(records: Buffer, at: number, end: number, to: PlaneHandler): void {
  const cursor = new Cursor(records, at + 25);
  const head = {
    path: cursor.text(),
    timeoutNs: records.readDoubleLE(at + 16),
    metadata: cursor.pairs(),
  };
  const message = records.readUInt8(at + 24) === 0 ? null : records.subarray(cursor.at, end);
  to.call(records.readDoubleLE(at), records.readDoubleLE(at + 8), head, message);
}

function decodeMessage(records: Buffer, at: number, end: number, to: PlaneHandler): void {
  to.message(records.readDoubleLE(at), records.subarray(at + 8, end));
}

function decodeHalfClose(records: Buffer, at: number, _end: number, to: PlaneHandler): void {
  to.halfClose(records.readDoubleLE(at));
}

function decodeEnded(records: Buffer, at: number, _end: number, to: PlaneHandler): void {
  to.ended(records.readDoubleLE(at));
}

function decodeTaken(records: Buffer, at: number, _end: number, to: PlaneHandler): void {
  to.taken(records.readDoubleLE(at), records.readDoubleLE(at + 8));
}

function decodeHttp(records: Buffer, at: number, _end: number, to: PlaneHandler): void {
  const cursor = new Cursor(records, at + 16);
  const head = {
    method: cursor.text(),
    path: cursor.text(),
    authority: cursor.text(),
    headers: cursor.pairs(),
  };
  to.http(records.readDoubleLE(at), records.readDoubleLE(at + 8), head);
}

function decodeOutput(records: Buffer, at: number, end: number, to: PlaneHandler): void {
  to.output(records.readDoubleLE(at), records.subarray(at + 8, end));
}

function decodeClosed(records: Buffer, at: number, _end: number, to: PlaneHandler): void {
  to.closed(records.readDoubleLE(at));
}

function decodeKeepAlives(records: Buffer, at: number, end: number, to: PlaneHandler): void {
  to.keepAlives(records.subarray(at, end));
}

function decodeCaller(records: Buffer, at: number, end: number, to: PlaneHandler): void {
  to.caller(records.subarray(at, end));
}

function decodeSlow(records: Buffer, at: number, end: number, to: PlaneHandler): void {
  to.slow(records.subarray(at, end));
}

function decodeLog(records: Buffer, at: number, end: number, to: PlaneHandler): void {
  to.log(records.readUInt8(at), records.toString('utf8', at + 1, end));
}

/** Decodes drained Buffers; one per process is enough. */
export class PlaneDecoder {
  /** By kind. Invariant: exactly the kinds that the addon exports have a decoder. */
  readonly #decoders: readonly (Decode | undefined)[];

  /** `kinds` is the addon's `planeEvents` export. */
  constructor(kinds: PlaneEventKinds) {
    const decoders: Record<keyof PlaneEventKinds, Decode> = {
      call: decodeCall,
      message: decodeMessage,
      halfClose: decodeHalfClose,
      ended: decodeEnded,
      taken: decodeTaken,
      http: decodeHttp,
      output: decodeOutput,
      closed: decodeClosed,
      keepAlives: decodeKeepAlives,
      caller: decodeCaller,
      slow: decodeSlow,
      log: decodeLog,
    };
    const table: (Decode | undefined)[] = [];
    for (const [name, decode] of Object.entries(decoders)) {
      table[kinds[name as keyof PlaneEventKinds]] = decode;
    }
    this.#decoders = table;
  }

  /**
   * Calls the handler once per record, in order. `records` is what plane.drain() returned; Buffers
   * that the handler receives share its memory and stay valid as long as they are referenced.
   */
  decode(records: Buffer, handler: PlaneHandler): void {
    let at = 0;
    while (at < records.length) {
      const end = at + 4 + records.readUInt32LE(at);
      assert(end <= records.length, 'plane event runs past its buffer');
      const decode = this.#decoders[records.readUInt8(at + 4)];
      assert(decode !== undefined, 'plane event of an unknown kind');
      decode(records, at + 5, end, handler);
      at = end;
    }
  }
}
