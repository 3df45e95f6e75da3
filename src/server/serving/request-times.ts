// How long requests take from being handed over to their result, by kind, and how many of them
// consensus has failed. Kept here as plain numbers; a scrape takes them over. Called by Tickets for
// each result, so it must cost next to nothing.

import { bytesOf } from '../../base/bytes.js';
import { SECONDS } from '../../base/metrics/definition.js';
import { Distribution } from '../../base/metrics/family.js';
import { internalRaftRequest } from '../../base/proto/messages.js';

/** The times of one kind of request. */
export interface RequestTime {
  readonly type: string;
  readonly succeeded: Distribution;
  readonly failed: Distribution;
  /** Whether a result with an error still counts as a result: it does for proposals. */
  readonly anyResult: boolean;
}

/** Errors that mean that consensus has given no result. */
const withoutResult: ReadonlySet<string> = new Set([
  'Timeout',
  'TimeoutLeaderFailure',
  'TimeoutConnectionLost',
  'TimeoutWaitApplied',
  'DeadlineExceeded',
  'ProposalDropped',
  'NoLeader',
  'LeaderChanged',
  'Stopped',
  'TooManyRequests',
]);

/** Where a metric names a request otherwise than its method. */
const proposalTypes: Readonly<Record<string, string>> = { Compact: 'Compaction' };
/** Reads that are counted. */
const readTypes: Readonly<Record<string, string>> = { Range: 'Range', Txn: 'ReadonlyTxn' };

/** `lease_grant` as `LeaseGrant`. */
function typeOfField(field: string): string {
  return field
    .split('_')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}

/** What an InternalRaftRequest asks for, as metrics name it; `Unknown` for what nobody knows. */
export function typeOfInternal(request: Buffer): string {
  try {
    const decoded: object = internalRaftRequest.decode(bytesOf(request));
    for (const [field, value] of Object.entries(decoded)) {
      if (value !== null && field !== 'header' && field !== 'ID' && typeof value === 'object') {
        return typeOfField(field);
      }
    }
  } catch {
    // Bytes of a newer version: they are decided elsewhere.
  }
  return 'Unknown';
}

export class RequestTimes {
  readonly all: RequestTime[] = [];
  // By method, those that are not counted too.
  readonly #proposals = new Map<string, RequestTime | null>();
  readonly #reads = new Map<string, RequestTime | null>();
  /** Proposals without a result. */
  proposalsFailed = 0;

  /**
   * Where a request is counted; null for those that are not.
   *
   * @param method as native code names it, or the type of an internal request
   */
  of(method: string, isProposal: boolean): RequestTime | null {
    const known = (isProposal ? this.#proposals : this.#reads).get(method);
    if (known !== undefined) {
      return known;
    }
    const type = isProposal ? (proposalTypes[method] ?? method) : readTypes[method];
    const time = type === undefined ? null : this.#add(type, isProposal);
    (isProposal ? this.#proposals : this.#reads).set(method, time);
    return time;
  }

  #add(type: string, anyResult: boolean): RequestTime {
    const [succeeded, failed] = [new Distribution(SECONDS), new Distribution(SECONDS)];
    const time = { type, succeeded, failed, anyResult };
    this.all.push(time);
    return time;
  }

  /** A request has ended; `error` is the name of its error, or null. */
  ended(time: RequestTime | null, isProposal: boolean, tookMs: number, error: string | null): void {
    const lost = error !== null && withoutResult.has(error);
    if (isProposal && lost) {
      this.proposalsFailed++;
    }
    if (time !== null) {
      const ok = error === null || (time.anyResult && !lost);
      (ok ? time.succeeded : time.failed).observe(tookMs / 1000);
    }
  }
}
