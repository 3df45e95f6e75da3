// The log's word about single calls: every call at debug level, and a warning for one that took
// longer than `--warning-unary-request-duration`. What it asked for is decoded only then; values
// are left out, since they are large and the clients' secrets.

import { bytesOf } from '../../base/bytes.js';
import type { CallContext } from '../../base/call.js';
import { formatDuration } from '../../base/clock.js';
import { formatTimestamp, type LogFields, type Logger } from '../../base/log/logger.js';
import {
  deleteRangeResponse,
  rangeResponse,
  txnRequest,
  txnResponse,
} from '../../base/proto/kv-messages.js';
import { messageText } from '../../base/proto/text.js';

interface Sizes {
  readonly requests: number;
  readonly requestBytes: number;
  readonly responses: number;
  readonly content: string;
}

type Measure = (request: Buffer, reply: Buffer | null) => Sizes;

/** Up to here a transaction is told of in full; the text of a larger one would hold up others. */
const TOLD_MAX_BYTES = 64 * 1024;

function txnSizes(request: Buffer, reply: Buffer | null): Sizes {
  if (request.length > TOLD_MAX_BYTES) {
    const content = `a transaction of ${request.length} bytes`;
    return { requests: 0, requestBytes: request.length, responses: 0, content };
  }
  const content = messageText('etcdserverpb.TxnRequest', request);
  if (reply === null) {
    return { requests: 0, requestBytes: 0, responses: 0, content };
  }
  // Only what was carried out counts.
  const { success, failure } = txnRequest.decode(bytesOf(request));
  const chosen = txnResponse.decode(bytesOf(reply)).succeeded ? success : failure;
  const bytes = txnRequest.encode({ success: chosen }).length;
  return { requests: chosen.length, requestBytes: bytes, responses: 0, content };
}

const measures: Readonly<Record<string, Measure>> = {
  '/etcdserverpb.KV/Range': (request, reply) => ({
    requests: 0,
    requestBytes: request.length,
    responses: reply === null ? 0 : Number(rangeResponse.decode(bytesOf(reply)).count),
    content: messageText('etcdserverpb.RangeRequest', request),
  }),
  '/etcdserverpb.KV/Put': (request) => ({
    requests: 1,
    requestBytes: request.length,
    responses: 0,
    content: messageText('etcdserverpb.PutRequest', request),
  }),
  '/etcdserverpb.KV/DeleteRange': (request, reply) => ({
    requests: 0,
    requestBytes: request.length,
    responses: reply === null ? 0 : Number(deleteRangeResponse.decode(bytesOf(reply)).deleted),
    content: messageText('etcdserverpb.DeleteRangeRequest', request),
  }),
  '/etcdserverpb.KV/Txn': txnSizes,
};

export class RequestStats {
  readonly #log: Logger;
  readonly #warningMs: number;

  /** @param warningMs calls that take longer are warned of; 0 or less warns of each */
  constructor(log: Logger, warningMs: number) {
    this.#log = log;
    this.#warningMs = warningMs;
  }

  /** A unary call has ended, with a reply or (null) with an error. */
  ended(
    path: string,
    context: Pick<CallContext, 'peer'>,
    startMs: number,
    tookMs: number,
    request: Buffer,
    reply: Buffer | null,
  ): void {
    // At debug level every call is told of, and slow ones only there.
    const isTraced = this.#log.enabled('debug');
    if (isTraced || tookMs > this.#warningMs) {
      const fields = this.#fields(path, context, startMs, tookMs, request, reply);
      this.#log[isTraced ? 'debug' : 'warn']('request stats', fields);
    }
  }

  #fields(
    path: string,
    context: Pick<CallContext, 'peer'>,
    startMs: number,
    tookMs: number,
    request: Buffer,
    reply: Buffer | null,
  ): LogFields {
    const sizes = this.#measure(path, request, reply);
    return {
      'start time': formatTimestamp(performance.timeOrigin + startMs),
      'time spent': formatDuration(tookMs),
      remote: context.peer,
      'response type': path,
      'request count': sizes?.requests ?? -1,
      'request size': sizes?.requestBytes ?? -1,
      'response count': sizes?.responses ?? -1,
      'response size': sizes === null ? -1 : (reply?.length ?? 0),
      'request content': sizes?.content ?? '',
    };
  }

  #measure(path: string, request: Buffer, reply: Buffer | null): Sizes | null {
    try {
      return measures[path]?.(request, reply) ?? null;
    } catch {
      return null; // no message at all: its call has failed for that
    }
  }
}
