// Runs metastore_load, the load generator of bench/load/native, and reads what it prints as JSON.
// Called by every benchmark that puts load on a server. METASTORE_LOAD names another program than
// the one that bench/run builds.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../src/base/package.js';

export interface Latencies {
  readonly count: number;
  readonly per_second: number;
  readonly mean_us: number;
  readonly p50_us: number;
  readonly p90_us: number;
  readonly p99_us: number;
  readonly p999_us: number;
  readonly max_us: number;
}

/** What metastore_load prints; times in microseconds, `requests` are all operations together. */
export interface LoadResult {
  readonly title: string;
  readonly load: string;
  readonly seconds: number;
  readonly requests: Latencies;
  readonly operations: Readonly<Record<string, Latencies>>;
  readonly events?: Latencies;
  readonly failed: number;
  readonly errors: Readonly<Record<string, { count: number; sample: string }>>;
  readonly writes: number;
  readonly generator_cpu_us_each: number;
  readonly warm_up_intervals: number;
  readonly intervals: readonly {
    readonly seconds: number;
    readonly done: number;
    readonly errors: number;
    readonly p50_us: number;
    readonly p99_us: number;
  }[];
}

const failuresCode = 3;
const spareMs = 60_000;

/** Where the generator lies; null when it has not been built. */
export function findGenerator(): string | null {
  const built = [
    join(packageRoot, 'build', 'load', 'metastore_load'),
    join(packageRoot, 'build', 'units-plain', 'load', 'metastore_load'),
  ];
  const candidates = process.env.METASTORE_LOAD ? [process.env.METASTORE_LOAD] : built;
  return candidates.find((path) => existsSync(path)) ?? null;
}

/**
 * One run. Failed requests and wrong answers are in the result, for the caller to judge.
 *
 * @throws Error when the generator is not there, cannot run the load, or takes a minute
 * longer than `seconds`
 */
export function runGenerator(args: readonly string[], seconds: number): Promise<LoadResult> {
  const program = findGenerator();
  if (program === null) {
    throw new Error('metastore_load is not built: bench/run builds it, or METASTORE_LOAD names it');
  }
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args, '--no-progress', '--json=-'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000 + spareMs);
    let output = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      if (code === 0 || code === failuresCode) resolve(JSON.parse(output) as LoadResult);
      else reject(new Error(`${args.join(' ')}: ended with ${code}: ${complaint.trim()}`));
    });
  });
}

/** What went wrong, for a message; empty when nothing did. */
export function failuresText(result: LoadResult): string {
  const parts = Object.entries(result.errors).map(
    ([what, { count, sample }]) => `${count} × ${what} (${sample})`,
  );
  return parts.join(', ');
}

/** Everything that was answered, also in the warm-up: what a server's CPU time was spent on. */
export function answeredInAll(result: LoadResult): number {
  return result.intervals.reduce((sum, one) => sum + one.done + one.errors, 0);
}

const connectionsMax = 10;

/** A load of one kind at a number of requests in flight. */
export interface Workload {
  readonly name: string;
  readonly args: readonly string[];
  readonly inFlight: number;
}

/** As many connections as there may be that all get the same number of requests. */
export function connectionsFor(inFlight: number): number {
  for (let count = Math.min(connectionsMax, inFlight); count > 1; count -= 1) {
    if (inFlight % count === 0) return count;
  }
  return 1;
}

/** Time before a measurement of so many seconds that is not counted. */
export function warmUpSeconds(seconds: number): number {
  return Math.min(1, seconds);
}

export const valueBytes = 256;

/** Durable Put and linearizable Range at each number of requests in flight. */
export function workloads(inFlight: readonly number[]): Workload[] {
  const kinds = [
    { kind: 'Put', args: ['--mix=put'] },
    { kind: 'Range', args: ['--mix=get', '--keys=100'] },
  ];
  return kinds.flatMap(({ kind, args }) =>
    inFlight.map((count) => ({ name: `${kind} [${count}]`, args, inFlight: count })),
  );
}

/** Runs a workload against endpoints (`host:port`), spread over them evenly. */
export function runWorkload(
  endpoints: readonly string[],
  workload: Workload,
  seconds: number,
): Promise<LoadResult> {
  const { args, inFlight } = workload;
  // A connection to each endpoint at least, where there are enough requests for that.
  const connections = Math.max(connectionsFor(inFlight), Math.min(endpoints.length, inFlight));
  return runGenerator(
    [
      ...[`--endpoints=${endpoints.join()}`, ...args, `--in-flight=${inFlight}`],
      ...[`--connections=${connections}`, `--duration=${seconds}`],
      `--warm-up=${warmUpSeconds(seconds)}`,
    ],
    seconds,
  );
}
