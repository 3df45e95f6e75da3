// What a metric is: name, kind, meaning, labels, bounds. Every metric of this server stands as such
// a definition in tables/, from which the registry makes families and docs/metrics.md is written.
// The names are those that dashboards and alerts for etcd use, and `metastore_` for our own.

export type Kind = 'counter' | 'gauge' | 'histogram';

export interface Definition<K extends Kind = Kind> {
  readonly kind: K;
  readonly name: string;
  readonly help: string;
  /** With labels a family is absent until it has its first child; without them it has one. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, ascending, without the infinite one. */
  readonly bounds: readonly number[];
}

export type Counter = Definition<'counter'>;
export type Gauge = Definition<'gauge'>;
export type Histogram = Definition<'histogram'>;

export function counter(name: string, help: string, ...labels: readonly string[]): Counter {
  return { kind: 'counter', name, help, labels, bounds: [] };
}

export function gauge(name: string, help: string, ...labels: readonly string[]): Gauge {
  return { kind: 'gauge', name, help, labels, bounds: [] };
}

export function histogram(
  name: string,
  help: string,
  bounds: readonly number[],
  ...labels: readonly string[]
): Histogram {
  return { kind: 'histogram', name, help, labels, bounds };
}

/**
 * `count` bounds from `start` on, each `factor` times the last. Multiplied step by step, so that
 * they are the same floating-point numbers as those of other implementations.
 */
export function exponential(start: number, factor: number, count: number): readonly number[] {
  const bounds: number[] = [];
  for (let bound = start; bounds.length < count; bound *= factor) {
    bounds.push(bound);
  }
  return bounds;
}

/** Bounds that most durations have, in seconds: 1 ms to 8 s. */
export const SECONDS = exponential(0.001, 2, 14);

/** Bounds of the stages of a request, in seconds: 50 µs to 6.5 s. */
export const STAGE_SECONDS = exponential(0.00005, 2, 18);

/** Bounds of how much goes together. */
export const BATCH = exponential(1, 2, 13);
