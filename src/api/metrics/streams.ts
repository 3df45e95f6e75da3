// Counts of the streams that the plane serves by itself, added to those of the same methods that
// TypeScript has served. Order of the numbers: native/plane/streams/counts.h.

import { assert } from '../../base/assert.js';
import type { Metrics } from '../../base/metrics/metrics.js';
import { networkMetrics } from '../../base/metrics/tables/network.js';
import { rpcMetrics } from '../../base/metrics/tables/rpc.js';
import { codeNames } from './calls.js';

/** In the order of NativePlane.streamCounts. */
const methods = [
  ['etcdserverpb.Watch', 'Watch'],
  ['etcdserverpb.Lease', 'LeaseKeepAlive'],
] as const;

/** Adds what has been counted since the last scrape to the cells of one method. */
function addMethod(
  metrics: Metrics,
  [service, method]: readonly [string, string],
  numbers: Float64Array,
  extensive: boolean,
): void {
  const labels = ['bidi_stream', service, method];
  let at = 0;
  const next = () => numbers[at++] as number;
  metrics.value(rpcMetrics.started, ...labels).add(next());
  metrics.value(rpcMetrics.received, ...labels).add(next());
  metrics.value(rpcMetrics.sent, ...labels).add(next());
  metrics.value(networkMetrics.clientReceivedBytes).add(next());
  metrics.value(networkMetrics.clientSentBytes).add(next());
  for (const code of codeNames) {
    metrics.value(rpcMetrics.handled, ...labels, code).add(next());
  }
  if (extensive) {
    const seconds = metrics.distribution(rpcMetrics.handlingSeconds, ...labels);
    const { counts } = seconds;
    counts.forEach((count, bucket) => {
      counts[bucket] = count + next();
    });
    seconds.sum += next();
    assert(at === numbers.length, 'both sides know the same numbers');
  }
}

/**
 * @param extensive whether the time of calls is shown
 * @param read the numbers so far, none once the plane has ended
 */
export function observeStreams(
  metrics: Metrics,
  extensive: boolean,
  read: () => Float64Array,
): void {
  let before: Float64Array | null = null;
  metrics.onScrape(() => {
    const now = read();
    if (now.length === 0) {
      return;
    }
    const added = now.map((value, place) => value - (before?.[place] ?? 0));
    before = now;
    const size = now.length / methods.length;
    methods.forEach((method, place) => {
      addMethod(metrics, method, added.subarray(place * size, (place + 1) * size), extensive);
    });
  });
}
