// What tests ask that are about others being served while one request is long: how long a server's
// event loop was at work meanwhile. Time on the clock would also count what else the machine does.

import { readFileSync } from 'node:fs';

/** Of the system's accounts of processes, everywhere on Linux. */
const TICK_MS = 10;
const UTIME = 11;
const STIME = 12;

/** CPU time of a process's first thread so far, ms, in steps of ten; null where none is told. */
export function mainThreadMs(pid: number): number | null {
  try {
    const line = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'latin1');
    // The name in front may hold anything, and ends at the last parenthesis.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return TICK_MS * (Number(fields[UTIME]) + Number(fields[STIME]));
  } catch {
    return null;
  }
}

/**
 * How long the work kept the caller waiting for the server: the time that it took, or that the
 * server's first thread was busy for, if that is less. Then the machine was busy with others.
 */
export async function waitedMs(pid: number, work: () => Promise<unknown>): Promise<number> {
  const busyBefore = mainThreadMs(pid);
  const from = performance.now();
  await work();
  const tookMs = performance.now() - from;
  const busyAfter = mainThreadMs(pid);
  if (busyBefore === null || busyAfter === null) return tookMs;
  return Math.min(tookMs, busyAfter - busyBefore + TICK_MS);
}
