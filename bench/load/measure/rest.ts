// The rest before a row: what the rows before have left to be done (compactions, checkpoints, pages
// to be written) is no part of what is measured, least of all for the server that was asked for
// several times as much in the same seconds. Called by main.ts.

import { spawnSync } from 'node:child_process';
import { cpuOf } from './sample.js';
import type { Target } from './targets.js';

const lookMs = 200;
/** Share of one processor below which a server rests: its clocks and heartbeats go on. */
const restingShare = 0.06;

/**
 * Waits until the system has written what it holds and the server's processes do next to nothing.
 *
 * @param mostMs gives up waiting for the latter; milliseconds
 */
export async function rest(target: Target, mostMs = 4000): Promise<void> {
  spawnSync('sync');
  const until = performance.now() + mostMs;
  for (let before = cpuOf(target) ?? 0; performance.now() < until; ) {
    await new Promise((resolve) => setTimeout(resolve, lookMs));
    const now = cpuOf(target) ?? 0;
    if (now - before <= lookMs * 1000 * restingShare * target.pids.length) return;
    before = now;
  }
}
