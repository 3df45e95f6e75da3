// What the flags say of compactions, comparisons and downgrades, as the parts of src/server/upkeep
// want it. Called by buildConfig.

import type { AutoCompaction, UpkeepOptions } from '../../server/upkeep/options.js';
import type { Flags } from '../flags/sources.js';
import { parseDurationMs } from '../flags/values/values.js';
import { ConfigError } from './validate.js';

const HOUR_MS = 3_600_000;
const NANOSECONDS_PER_MS = 1e6;
const BYTES_PER_MEGABYTE = 2 ** 20;

/** What is wrong with a text that is no duration, in the words of Go. */
function durationProblem(text: string): string {
  const problem = /^[-+]?\d+\.?\d*$/.test(text) ? 'missing unit in' : 'invalid';
  return `error parsing CompactionRetention: time: ${problem} duration "${text}"`;
}

/**
 * A bare number means hours or revisions; else it is a duration.
 *
 * @throws ConfigError
 */
function autoCompaction(mode: string, text: string): AutoCompaction | null {
  const isBare = /^\+?\d+$/.test(text);
  const durationMs = isBare ? Number(text) * HOUR_MS : parseDurationMs(text || '0');
  if (durationMs === null) {
    throw new ConfigError(durationProblem(text), 'discovery failed');
  }
  if (durationMs <= 0) {
    return null;
  }
  // A duration counts as its nanoseconds where revisions are wanted.
  return mode === 'revision'
    ? { mode, revisions: isBare ? Number(text) : durationMs * NANOSECONDS_PER_MS }
    : { mode: 'periodic', periodMs: durationMs };
}

/** @throws ConfigError */
export function upkeepOptions(flags: Flags, gates: ReadonlySet<string>): UpkeepOptions {
  return {
    requestTimeoutMs: 5000 + 2 * flags.number('election-timeout'),
    autoCompaction: autoCompaction(
      flags.text('auto-compaction-mode'),
      flags.text('auto-compaction-retention'),
    ),
    stopsServiceOnDefrag: gates.has('StopGRPCServiceOnDefrag'),
    checksAtStart: gates.has('InitialCorruptCheck'),
    corruptCheckMs: flags.number('corrupt-check-time'),
    compactHashCheckMs: gates.has('CompactHashCheck') ? flags.number('compact-hash-check-time') : 0,
    renewsAtOnce: gates.has('FastLeaseKeepAlive'),
    downgradeCheckMs: flags.number('downgrade-check-time'),
    defragAtStartBytes: flags.number('bootstrap-defrag-threshold-megabytes') * BYTES_PER_MEGABYTE,
  };
}
