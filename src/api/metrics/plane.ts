// What the plane counts of KV's calls that it serves by itself, added to what TypeScript counts of
// the same methods, so that a call counts the same whoever serves it. Numbers come in the order of
// native/plane/hot/counts.h, as sums since the start; a scrape adds what is new.

import { assert } from '../../base/assert.js';
import type { Distribution } from '../../base/metrics/family.js';
import type { Metrics } from '../../base/metrics/metrics.js';
import { networkMetrics } from '../../base/metrics/tables/network.js';
import { rpcMetrics } from '../../base/metrics/tables/rpc.js';
import { serverMetrics } from '../../base/metrics/tables/server.js';
import type { RequestTimes } from '../../server/serving/request-times.js';
import type { NativePlane } from '../../storage/native-plane.js';
import { codeNames } from './calls.js';

const methods = ['Range', 'Put', 'DeleteRange', 'Txn'] as const;

/** Times of requests: the method, and whether it is of those that are proposed. */
const requests = [
  ['Range', false],
  ['Txn', false],
  ['Put', true],
  ['DeleteRange', true],
  ['Txn', true],
] as const;

/** Buckets of the handling time, and of the times of requests, one more than their bounds. */
const HANDLING_BUCKETS = 12;
const REQUEST_BUCKETS = 15;

export type CountedPlane = Pick<NativePlane, 'hotCounts' | 'hotVersions'>;

export interface PlaneCountParts {
  readonly metrics: Metrics;
  readonly requestTimes: RequestTimes;
  /** Whether the time of calls is shown. */
  readonly extensive: boolean;
}

/** Takes numbers off a list, one after the other. */
class Numbers {
  readonly #values: Float64Array;
  #at = 0;

  constructor(values: Float64Array) {
    this.#values = values;
  }

  next(): number {
    assert(this.#at < this.#values.length, 'as many numbers as are named');
    return this.#values[this.#at++] as number;
  }

  slice(length: number): Float64Array {
    const slice = this.#values.subarray(this.#at, this.#at + length);
    assert(slice.length === length, 'as many numbers as are named');
    this.#at += length;
    return slice;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#values.length;
  }
}

function addTimes(to: Distribution, counts: Float64Array, sum: number): void {
  assert(counts.length === to.counts.length, 'the same bounds on both sides');
  for (let i = 0; i < counts.length; i++) {
    to.counts[i] = (to.counts[i] as number) + (counts[i] as number);
  }
  to.sum += sum;
}

export class PlaneCounts {
  readonly #parts: PlaneCountParts;
  readonly #plane: CountedPlane;
  readonly #versions = new Map<string, number>();
  #last: Float64Array | null = null;
  /** Under way now: proposals, and all that wait. */
  proposals = 0;
  waiting = 0;

  constructor(plane: CountedPlane, parts: PlaneCountParts) {
    this.#plane = plane;
    this.#parts = parts;
  }

  /** Adds what is new since the last call; before the times of requests are shown. */
  take(): void {
    const now = this.#plane.hotCounts();
    const last = this.#last;
    this.#last = now;
    const numbers = new Numbers(
      last === null ? now : now.map((value, i) => value - (last[i] ?? 0)),
    );
    for (const method of methods) {
      this.#addMethod(method, numbers);
    }
    const { requestTimes } = this.#parts;
    for (const [method, isProposal] of requests) {
      this.#addRequests(method, isProposal, numbers);
    }
    requestTimes.proposalsFailed += numbers.next();
    // Not sums, but how many there are.
    numbers.slice(2);
    assert(numbers.isAtEnd, 'as many numbers as are named');
    this.proposals = now.at(-2) ?? 0;
    this.waiting = now.at(-1) ?? 0;
    this.#addVersions();
  }

  #addMethod(method: string, numbers: Numbers): void {
    const { metrics, extensive } = this.#parts;
    const labels = ['unary', 'etcdserverpb.KV', method];
    const started = numbers.next();
    metrics.value(rpcMetrics.started, ...labels).add(started);
    metrics.value(rpcMetrics.received, ...labels).add(started);
    metrics.value(networkMetrics.clientReceivedBytes).add(numbers.next());
    metrics.value(networkMetrics.clientSentBytes).add(numbers.next());
    let handled = 0;
    for (const code of codeNames) {
      const calls = numbers.next();
      handled += calls;
      metrics.value(rpcMetrics.handled, ...labels, code).add(calls);
    }
    metrics.value(rpcMetrics.sent, ...labels).add(handled);
    const counts = numbers.slice(HANDLING_BUCKETS);
    const sum = numbers.next();
    if (extensive) {
      addTimes(metrics.distribution(rpcMetrics.handlingSeconds, ...labels), counts, sum);
    }
  }

  #addRequests(method: string, isProposal: boolean, numbers: Numbers): void {
    for (const outcome of ['failed', 'succeeded'] as const) {
      const counts = numbers.slice(REQUEST_BUCKETS);
      const sum = numbers.next();
      // What was never asked for is not shown.
      if (counts.some((count) => count > 0)) {
        const time = this.#parts.requestTimes.of(method, isProposal);
        assert(time !== null, 'these requests are counted');
        addTimes(time[outcome], counts, sum);
      }
    }
  }

  #addVersions(): void {
    for (const { version, calls } of this.#plane.hotVersions()) {
      const known = this.#versions.get(version) ?? 0;
      if (calls > known) {
        const cell = this.#parts.metrics.value(serverMetrics.clientRequests, 'unary', version);
        cell.add(calls - known);
        this.#versions.set(version, calls);
      }
    }
  }
}

/** A `slow` event, for the log's word about the call (native/plane/hot/hot_lane.cc). */
export function readSlowCall(record: Buffer) {
  let at = 9;
  const next = () => {
    const begin = at + 4;
    at = begin + record.readUInt32LE(at);
    return record.subarray(begin, at);
  };
  const [path, peer, request] = [next().toString('latin1'), next().toString(), next()];
  const tookMs = record.readDoubleLE(0);
  const reply = record.readUInt8(8) === 0 ? null : record.subarray(at);
  return { path, peer, tookMs, request, reply };
}
