// The servers that a benchmark measures side by side, each on a fresh directory, and what their
// processes cost: CPU time and memory as the operating system counts them (Linux; elsewhere null).

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Engine,
  hasReference,
  type ProgramOptions,
  scratchDirectory,
} from '../../test/conformance/support/programs.js';

const clockTicksPerSecond = 100;

/** CPU time that a process has used so far, in microseconds. */
export function cpuMicroseconds(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return ((Number(fields[11]) + Number(fields[12])) / clockTicksPerSecond) * 1e6;
  } catch {
    return null;
  }
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
  } catch {
    return null;
  }
}

export function serverOptions(name: string, flags: readonly string[] = []): ProgramOptions {
  const common = { name: `bench-${name}`, dataDir: join(scratchDirectory('bench'), 'data'), flags };
  if (name === 'etcd') return { kind: 'etcd', ...common };
  return { kind: 'metastore', engine: name as Engine, ...common };
}

/** Names out of `etcd,memory,rocksdb`; etcd is left out where there is none. */
export function chosenServers(list: string): { names: string[]; missing: string[] } {
  const names = list.split(',').filter(Boolean);
  const missing = names.filter((name) => name === 'etcd' && !hasReference());
  return { names: names.filter((name) => !missing.includes(name)), missing };
}

/** Of the etcd that METASTORE_ETCD names. */
export function etcdVersion(): string {
  const program = process.env.METASTORE_ETCD;
  if (!program) return 'none';
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return /etcd Version: (\S+)/.exec(stdout)?.[1] ?? 'unknown';
}
