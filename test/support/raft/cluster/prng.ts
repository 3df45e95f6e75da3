// A small seeded generator for the consensus tests: the same seed gives the same run. Used for
// random cases and by the simulation, whose failures are reported as seeds.

export type Random = (n: number) => number;

/** Integers in [0, n), from a 32-bit state mixed by multiplication and shifts. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
  };
}
