// Random choices from one seed, and the pools of keys, ends, values and numbers that the generator
// draws from: few enough that requests meet each other, odd enough to reach the edges.

import { Prng } from '../../../src/server/election/prng.js';

export class Random {
  readonly #prng: Prng;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  /** A whole number in [0, bound). */
  below(bound: number): number {
    return this.#prng.nextBelow(bound);
  }

  /** True in `percent` of all cases; fractions count. */
  chance(percent: number): boolean {
    return this.#prng.nextBelow(1_000_000) < percent * 10_000;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  /** Picks by weight. */
  weighted<T>(rows: readonly (readonly [number, T])[]): T {
    const total = rows.reduce((sum, [weight]) => sum + weight, 0);
    let left = this.below(total * 1000) / 1000;
    for (const [weight, item] of rows) {
      left -= weight;
      if (left < 0) return item;
    }
    const last = rows.at(-1);
    if (last === undefined) throw new Error('nothing to pick from');
    return last[1];
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; at += 4) {
      const word = this.#prng.nextUint32();
      for (let byte = 0; byte < 4 && at + byte < length; byte += 1) {
        bytes[at + byte] = (word >>> (8 * byte)) & 0xff;
      }
    }
    return bytes;
  }
}

export const int64Max = 2n ** 63n - 1n;
export const int64Min = -(2n ** 63n);
export const none = Buffer.alloc(0);
const zeroByte = Buffer.from([0]);

function numbered(prefix: string, count: number): Buffer[] {
  return Array.from({ length: count }, (_, index) =>
    Buffer.from(`${prefix}${String(index).padStart(2, '0')}`),
  );
}

/** In no particular order; neighbours in byte order, prefixes of each other, and binary ones. */
export const keyPool: readonly Buffer[] = [
  ...['a', 'b', 'c', 'aa', 'ab', 'ab/', 'ab/c', 'b/', 'Z', '~', 'ключ'].map((key) =>
    Buffer.from(key),
  ),
  ...numbered('k/', 24),
  ...numbered('b/', 6),
  Buffer.from([0]),
  Buffer.from([0, 0]),
  Buffer.from([0xff]),
  Buffer.from([0xff, 0xff]),
  Buffer.from([0x61, 0]),
  Buffer.from([0x61, 0xff]),
  Buffer.from([0x6b, 0x2f, 0xff, 0x00, 0x01]),
  Buffer.alloc(1000, 'long'),
];

/** The end of the range of all keys with this prefix, as clients compute it. */
export function prefixEnd(prefix: Buffer): Buffer {
  for (let length = prefix.length; length > 0; length -= 1) {
    const last = prefix[length - 1] ?? 0;
    if (last < 0xff) {
      const end = Buffer.from(prefix.subarray(0, length));
      end[length - 1] = last + 1;
      return end;
    }
  }
  return zeroByte;
}

export function randomKey(random: Random): Buffer {
  if (random.chance(1)) return none;
  if (random.chance(1)) return random.bytes(1 + random.below(4));
  return random.pick(keyPool);
}

/** A key and a range end of any form: none, all from the key on, prefix, half-open, inverted. */
export function randomRange(random: Random): { key: Buffer; range_end: Buffer } {
  const key = randomKey(random);
  const form = random.below(100);
  if (form < 40) return { key, range_end: none };
  if (form < 46) return { key, range_end: zeroByte };
  if (form < 50) return { key: zeroByte, range_end: zeroByte };
  if (form < 60) return { key: Buffer.from('k/'), range_end: Buffer.from('k0') };
  if (form < 72) return { key, range_end: prefixEnd(key) };
  if (form < 75) return { key, range_end: key };
  if (form < 80) return { key, range_end: Buffer.concat([key, zeroByte]) };
  return { key, range_end: random.pick(keyPool) };
}

/** Mostly from a handful of values, so that sorting by value has ties. */
export function randomValue(random: Random): Buffer {
  const form = random.below(1000);
  if (form < 100) return none;
  if (form < 600) return Buffer.from(`v${random.below(6)}`);
  if (form < 900) return random.bytes(1 + random.below(40));
  if (form < 990) return random.bytes(1000 + random.below(3000));
  if (form < 998) return Buffer.alloc(50_000 + random.below(50_000), random.bytes(64));
  return Buffer.alloc(700_000, random.bytes(64));
}

export function randomLimit(random: Random): bigint {
  return random.pick([0n, 0n, 0n, 1n, 2n, 3n, 5n, 10n, 1000n, -1n, int64Max, int64Min]);
}
