// From the numbers that native code counts to families: which of them is which. The names on the
// left are native/base/metrics.cc's; a test compares the two lists.

import { assert } from '../../base/assert.js';
import type { Counter, Gauge, Histogram } from '../../base/metrics/definition.js';
import type { Metrics } from '../../base/metrics/metrics.js';
import { diskMetrics } from '../../base/metrics/tables/disk.js';
import { mvccMetrics } from '../../base/metrics/tables/mvcc.js';
import { ownMetrics } from '../../base/metrics/tables/own.js';
import { serverMetrics } from '../../base/metrics/tables/server.js';
import type { MetricRow } from '../../storage/native.js';

/** Families by native name. */
export const nativeFamilies: Readonly<Record<string, Counter | Gauge | Histogram>> = {
  puts: mvccMetrics.puts,
  putBytes: mvccMetrics.putBytes,
  deletes: mvccMetrics.deletes,
  ranges: mvccMetrics.ranges,
  txns: mvccMetrics.txns,
  keys: mvccMetrics.keys,
  leasesGranted: serverMetrics.leasesGranted,
  leasesRevoked: serverMetrics.leasesRevoked,
  leaseTtl: serverMetrics.leaseTtl,
  compactedKeys: mvccMetrics.compactedKeys,
  compactionLast: mvccMetrics.compactionLast,
  indexCompactionPause: mvccMetrics.indexCompactionPause,
  compactionPause: mvccMetrics.compactionPause,
  compactionTotal: mvccMetrics.compactionTotal,
  commitSeconds: diskMetrics.commitSeconds,
  commitWriteSeconds: diskMetrics.commitWriteSeconds,
  defragInflight: diskMetrics.defragInflight,
  defragSeconds: diskMetrics.defragSeconds,
  hashSeconds: mvccMetrics.hashSeconds,
  hashRevSeconds: mvccMetrics.hashRevSeconds,
  openReads: mvccMetrics.openReads,
  slowApplies: serverMetrics.slowApplies,
  applyRunEntries: ownMetrics.applyRunEntries,
  walBytes: diskMetrics.walBytes,
  walWriteSeconds: diskMetrics.walWriteSeconds,
  fsyncSeconds: diskMetrics.fsyncSeconds,
  walBatchEntries: ownMetrics.walBatchEntries,
  stageSeconds: ownMetrics.stageSeconds,
  entryOperations: ownMetrics.entryOperations,
  snapSaveSeconds: diskMetrics.snapSaveSeconds,
  pendingEvents: mvccMetrics.pendingEvents,
  watchControlSeconds: mvccMetrics.watchControlSeconds,
  watchProgressSeconds: mvccMetrics.watchProgressSeconds,
  watchResponseSeconds: mvccMetrics.watchResponseSeconds,
  watchEventSeconds: mvccMetrics.watchEventSeconds,
  applySeconds: serverMetrics.applySeconds,
  rangeSeconds: serverMetrics.rangeSeconds,
};

function loadHistogram(
  metrics: Metrics,
  definition: Histogram,
  labels: readonly string[],
  counts: Float64Array,
  sum: number,
): void {
  // A child with labels comes into being with its first value.
  if (labels.length === 0 || counts.some((count) => count > 0)) {
    metrics.distribution(definition, ...labels).load(counts, sum);
  }
}

/** Takes over what native code has counted; `rows` says what `values` are. */
export function loadNative(
  metrics: Metrics,
  rows: readonly MetricRow[],
  values: Float64Array,
): void {
  let at = 0;
  for (const { name, bounds } of rows) {
    const [key = '', ...labels] = name.split('/');
    const family = nativeFamilies[key];
    assert(family !== undefined, `the native metric ${key} is known`);
    if (family.kind !== 'histogram') {
      metrics.value(family, ...labels).set(values[at] as number);
      at++;
    } else {
      const buckets = (bounds?.length ?? 0) + 1;
      const counts = values.subarray(at, at + buckets);
      loadHistogram(metrics, family, labels, counts, values[at + buckets] as number);
      at += buckets + 1;
    }
  }
  assert(at === values.length, 'as many numbers as are named');
}
