// Intervals of keys that a user may read or write: the union of what all roles give, as the fewest
// intervals that cover it. A range is permitted when it lies inside one of them, so intervals that
// touch have to be one. Pure; used by the permission table.

import type { Permission } from '../../../base/proto/auth-messages.js';

/** Half-open; an empty `end` is unbounded. */
export interface Interval {
  readonly key: Buffer;
  readonly end: Buffer;
}

const ZERO = Buffer.from([0]);
const UNBOUNDED = Buffer.alloc(0);

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function isZeroByte(bytes: Uint8Array): boolean {
  return bytes.length === 1 && bytes[0] === 0;
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a as unknown as Uint8Array, b as unknown as Uint8Array);
}

/** The interval that a permission names: one key k is [k, k followed by a zero byte). */
export function intervalOf({ key, range_end }: Permission): Interval {
  const start = bufferOf(key);
  if (range_end.length === 0) {
    return { key: start, end: Buffer.concat([start, ZERO] as unknown as Uint8Array[]) };
  }
  return { key: start, end: isZeroByte(range_end) ? UNBOUNDED : bufferOf(range_end) };
}

/** Whether a permission's range may be granted at all: a key, and an end behind it if any. */
export function isGrantable({ key, range_end }: Permission): boolean {
  if (key.length === 0) {
    return false;
  }
  const single = range_end.length === 0;
  return single || isZeroByte(range_end) || compareBytes(key, range_end) < 0;
}

function reaches({ end }: Interval, key: Buffer): boolean {
  return end.length === 0 || compareBytes(key, end) <= 0;
}

function furthest(a: Buffer, b: Buffer): Buffer {
  if (a.length === 0 || b.length === 0) {
    return UNBOUNDED;
  }
  return compareBytes(a, b) >= 0 ? a : b;
}

/** Nobody may grant an interval without keys, but an imported state may hold one. */
function hasKeys({ key, end }: Interval): boolean {
  return end.length === 0 || compareBytes(key, end) < 0;
}

/** The same keys in sorted intervals that neither overlap nor touch, and of which none is empty. */
export function merged(intervals: readonly Interval[]): Interval[] {
  const sorted = intervals.filter(hasKeys).sort((a, b) => compareBytes(a.key, b.key));
  const result: Interval[] = [];
  for (const interval of sorted) {
    const last = result.at(-1);
    if (last !== undefined && reaches(last, interval.key)) {
      result[result.length - 1] = { key: last.key, end: furthest(last.end, interval.end) };
    } else {
      result.push(interval);
    }
  }
  return result;
}
