// What the samples of a report come to: medians with their spread, and ratios to etcd round by
// round, held against what each row has to reach. Used by the tables and the charts.

import type { Sample } from '../measure/sample.js';
import type { Figure, Goal, Row } from '../rows.js';
import { count, median, spread } from '../statistics.js';

export const reference = 'etcd';

export function valuesOf(samples: readonly Sample[], figure: Figure): number[] {
  return samples.flatMap((one) => one[figure] ?? []);
}

export function samplesOf(samples: readonly Sample[], row: Row, server: string): Sample[] {
  return samples.filter((one) => one.row === row.id && one.server === server);
}

/** Of a server's figure to etcd's in the same round. */
export function ratios(
  samples: readonly Sample[],
  row: Row,
  server: string,
  figure: Figure,
): number[] {
  const beside = new Map(samplesOf(samples, row, reference).map((one) => [one.round, one[figure]]));
  return samplesOf(samples, row, server).flatMap((one) => {
    const own = one[figure];
    const theirs = beside.get(one.round) ?? null;
    return own === null || theirs === null || theirs === 0 ? [] : [own / theirs];
  });
}

export function isReached(goal: Goal, ratio: number): boolean {
  return ratio >= (goal.atLeast ?? 0) && ratio <= (goal.atMost ?? Number.POSITIVE_INFINITY);
}

const figureNames: Record<Figure, string> = {
  perSecond: 'a second',
  p99Us: 'p99',
  cpuMicros: 'server CPU each',
};

export function goalText({ figure, atLeast, atMost }: Goal): string {
  const bound = atLeast === undefined ? `≤ ${fraction(atMost ?? 0)}` : `≥ ${atLeast}`;
  return `${figureNames[figure]} ${bound} ×`;
}

function fraction(value: number): string {
  return value < 1 ? `1/${Math.round(1 / value)}` : String(value);
}

export function figureText(figure: Figure, value: number): string {
  if (figure === 'perSecond') return `${count(value)}/s`;
  if (figure === 'p99Us') return `${(value / 1000).toFixed(value < 1000 ? 3 : 2)} ms`;
  return `${value.toFixed(value < 10 ? 2 : 1)} µs`;
}

export function spreadText(samples: readonly Sample[], figure: Figure): string {
  return spread(valuesOf(samples, figure), (value) => figureText(figure, value));
}

/** `5.31 (5.02 - 5.60)` and whether the median reaches the goal. */
export function ratioText(values: readonly number[], goal: Goal | null): string {
  if (values.length === 0) return '-';
  const text = spread(values, (value) => value.toFixed(2));
  if (goal === null) return text;
  return `${text} ${isReached(goal, median(values)) ? 'reached' : '**missed**'}`;
}
