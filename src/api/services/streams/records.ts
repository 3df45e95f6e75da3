// What the plane asks about the streams that it serves by itself, and what it is answered: the
// fields of its `keepAlives` and `caller` events (native/plane/streams/streams.h), and of
// NativePlane.keepAlivesDone. Little-endian; numbers travel as f64, leases as i64, texts behind
// their u32 length in latin1, as HTTP has them.

import { assert } from '../../../base/assert.js';
import { bytesOf } from '../../../base/bytes.js';
import * as rpc from '../../../base/proto/messages.js';
import type { StreamMarks } from '../../../storage/native-plane.js';

/** A lease to be renewed for a call. */
export interface Renewal {
  readonly call: number;
  readonly lease: bigint;
}

/** Its TTL in seconds, or an error's code times -1, or StreamMarks.askAgain. */
export interface Answer {
  readonly call: number;
  readonly result: number;
}

/** What a call says of who makes it. */
export interface Credentials {
  readonly metadata: ReadonlyMap<string, string>;
  /** Empty without a verified certificate. */
  readonly commonName: string;
  readonly peer: string;
}

export type Question =
  | { readonly kind: 'watcher'; readonly call: number; readonly credentials: Credentials }
  | { readonly kind: 'renewal'; readonly renewal: Renewal; readonly credentials: Credentials }
  | { readonly kind: 'opened'; readonly version: string | undefined };

const RENEWAL_BYTES = 16;
const ANSWER_BYTES = 16;
const LENGTH_BYTES = 4;
/** A question's call and kind. */
const QUESTION_HEAD_BYTES = 9;

export function decodeRenewals(record: Buffer): Renewal[] {
  assert(record.length % RENEWAL_BYTES === 0, 'a batch of renewals is whole');
  const renewals: Renewal[] = [];
  for (let at = 0; at < record.length; at += RENEWAL_BYTES) {
    renewals.push({ call: record.readDoubleLE(at), lease: record.readBigInt64LE(at + 8) });
  }
  return renewals;
}

/** A text and where it ends. */
function textAt(record: Buffer, at: number): readonly [string, number] {
  const start = at + LENGTH_BYTES;
  const end = start + record.readUInt32LE(at);
  assert(end <= record.length, 'a text ends inside its record');
  return [record.toString('latin1', start, end), end];
}

function decodeCredentials(record: Buffer, from: number): Credentials {
  const metadata = new Map<string, string>();
  let at = from + LENGTH_BYTES;
  for (let left = record.readUInt32LE(from); left > 0; left--) {
    const [name, nameEnd] = textAt(record, at);
    const [value, valueEnd] = textAt(record, nameEnd);
    metadata.set(name, value);
    at = valueEnd;
  }
  const [commonName, nameEnd] = textAt(record, at);
  const [peer] = textAt(record, nameEnd);
  return { metadata, commonName, peer };
}

export function decodeQuestion(record: Buffer, marks: StreamMarks): Question {
  const call = record.readDoubleLE(0);
  const kind = record.readUInt8(QUESTION_HEAD_BYTES - 1);
  const at = QUESTION_HEAD_BYTES;
  if (kind === marks.opened) {
    const version = record.length > at ? textAt(record, at)[0] : undefined;
    return { kind: 'opened', version };
  }
  if (kind === marks.watcher) {
    return { kind: 'watcher', call, credentials: decodeCredentials(record, at) };
  }
  assert(kind === marks.renewal, 'a question of a known kind');
  const renewal = { call, lease: record.readBigInt64LE(at) };
  return { kind: 'renewal', renewal, credentials: decodeCredentials(record, at + 8) };
}

/** Answers that carry one header: it is to be of a moment before the renewals. */
export function encodeAnswers(header: rpc.ResponseHeader, answers: readonly Answer[]): Uint8Array {
  const head = rpc.responseHeader.encode(header);
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + head.length + answers.length * ANSWER_BYTES);
  let at = bytes.writeUInt32LE(head.length, 0);
  bytes.set(bytesOf(head), at);
  at += head.length;
  for (const { call, result } of answers) {
    at = bytes.writeDoubleLE(call, at);
    at = bytes.writeDoubleLE(result, at);
  }
  assert(at === bytes.length, 'the answers fill their bytes');
  return bytesOf(bytes);
}
