// One measurement: a row on a server, its CPU time and what the generator saw. Called by main.ts
// and scenarios.ts; a measurement with a failed request or a wrong answer is an error, not a
// figure.

import { countedOf, type Row } from '../rows.js';
import { cpuMicroseconds } from '../servers.js';
import { answeredInAll, failuresText, type LoadResult, runGenerator } from './generator.js';
import { leaderOf, type Target } from './targets.js';

export interface Sample {
  readonly row: string;
  readonly server: string;
  readonly round: number;
  /** Requests, or events of a watch. */
  readonly perSecond: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  /** Of all its processes, for each request or event; null where the system does not tell. */
  readonly cpuMicros: number | null;
  readonly generatorMicros: number;
  /** Of an open loop. */
  readonly rate: number | null;
}

export interface Timing {
  readonly seconds: number;
  readonly warmUp: number;
}

/** CPU time of all its processes so far, microseconds; null where the system does not tell. */
export function cpuOf(target: Target): number | null {
  const each = target.pids.map(cpuMicroseconds);
  return each.reduce((sum, one) => (sum === null || one === null ? null : sum + one), 0);
}

/** Puts all keys, so that the rows that read find them and none of them pays for it. */
export async function fill(target: Target): Promise<void> {
  const args = [...target.args, '--mix=get', '--count=1', '--in-flight=1', '--connections=1'];
  const result = await runGenerator(args, 0);
  if (result.failed > 0) throw new Error(`${target.server}: filling: ${failuresText(result)}`);
}

function argsOf(target: Target, row: Row, timing: Timing, rate: number | null): string[] {
  const byTime = [`--duration=${timing.seconds}`, `--warm-up=${timing.warmUp}`];
  return [
    ...target.args,
    '--preloaded',
    ...row.args,
    ...(rate === null ? [] : [`--rate=${rate.toFixed(0)}`]),
    ...(row.isCounted === true ? [] : byTime),
  ];
}

/**
 * Measures a row.
 *
 * @param rate requests a second for a row that goes by another row's figure; else null
 * @throws Error when a request failed or was answered wrongly
 */
export async function measure(
  target: Target,
  row: Row,
  timing: Timing,
  rate: number | null,
): Promise<Omit<Sample, 'round'> & { readonly result: LoadResult }> {
  const args = argsOf(target, row, timing, rate);
  // The last of repeated flags wins.
  if (row.atLeader === true) args.push(`--endpoints=${await leaderOf(target)}`);
  const before = cpuOf(target);
  const result = await runGenerator(args, timing.seconds);
  const after = cpuOf(target);
  if (result.failed > 0) {
    throw new Error(`${row.id} on ${target.server}: ${failuresText(result)}`);
  }
  const counted = countedOf(result);
  const cpu = before === null || after === null ? null : after - before;
  return {
    row: row.id,
    server: target.server,
    perSecond: counted.per_second,
    meanUs: counted.mean_us,
    p50Us: counted.p50_us,
    p99Us: counted.p99_us,
    maxUs: counted.max_us,
    cpuMicros: cpu === null ? null : cpu / Math.max(1, answeredInAll(result)),
    generatorMicros: result.generator_cpu_us_each,
    rate,
    result,
  };
}
