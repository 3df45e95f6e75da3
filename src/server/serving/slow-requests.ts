// The log's word about requests that took long to carry out, or failed where they were applied.
// Native code measures and tells of them by completions; entries that TypeScript decides are told
// of here as well. Requests are shown without what clients stored.

import { formatDuration } from '../../base/clock.js';
import type { ErrorTable } from '../../base/errors.js';
import type { LogFields, Logger } from '../../base/log/logger.js';
import { messageText } from '../../base/proto/text.js';
import type { SlowRequest } from '../../storage/completions.js';

const messages = {
  entry: 'etcdserverpb.InternalRaftRequest',
  failed: 'etcdserverpb.InternalRaftRequest',
  range: 'etcdserverpb.RangeRequest',
  txn: 'etcdserverpb.TxnRequest',
} as const;

const prefixes = {
  entry: '',
  failed: '',
  range: 'read-only range ',
  txn: 'read-only txn ',
} as const;

function responseText({ kind, code, replyBytes, rows }: SlowRequest): string {
  if (code !== 0) {
    return '';
  }
  return kind === 'range' && rows >= 0
    ? `range_response_count:${rows} size:${replyBytes}`
    : `size:${replyBytes}`;
}

export class SlowRequests {
  readonly #log: Logger;
  readonly #errors: ErrorTable;
  readonly thresholdMs: number;
  /** Entries decided in TypeScript that were too slow; native code counts its own. */
  decidedSlowly = 0;

  constructor(log: Logger, errors: ErrorTable, thresholdMs: number) {
    this.#log = log;
    this.#errors = errors;
    this.thresholdMs = thresholdMs;
  }

  /** A request of native code. */
  tell(slow: SlowRequest): void {
    const { kind, seconds, code, request } = slow;
    const took = formatDuration(seconds * 1000);
    const text = messageText(messages[kind], request);
    const response = responseText(slow);
    const error: LogFields =
      code === 0 ? {} : { error: this.#errors.status(this.#errors.fromCode(code)).text };
    if (kind === 'failed') {
      this.#log.warn('failed to apply request', { took, request: text, response, ...error });
    } else {
      this.#log.warn('apply request took too long', {
        took,
        'expected-duration': formatDuration(this.thresholdMs),
        prefix: prefixes[kind],
        request: text,
        response,
        ...error,
      });
    }
  }

  /** An entry that TypeScript has decided: told of when it was slow, or failed. */
  decided(request: Buffer, seconds: number, code: number, replyBytes: number): void {
    const measured = { seconds, code, replyBytes, rows: -1, request };
    if (seconds * 1000 > this.thresholdMs) {
      this.decidedSlowly++;
      this.tell({ kind: 'entry', ...measured });
    }
    if (code !== 0) {
      this.tell({ kind: 'failed', ...measured });
    }
  }
}
