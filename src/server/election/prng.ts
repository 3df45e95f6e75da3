// A small seeded random number generator (xoshiro128**, Blackman and Vigna, "Scrambled linear
// pseudorandom number generators", 2018). Used where randomness must be reproducible from a seed:
// election timeouts, tests, the simulator. Not for secrets.

export class Prng {
  readonly #state: Uint32Array;

  /** Equal seeds give equal sequences; any 32-bit number is a seed. */
  constructor(seed: number) {
    this.#state = new Uint32Array(4);
    let mix = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      mix = (mix + 0x9e3779b9) >>> 0;
      let word = mix;
      word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
      word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
      this.#state[i] = (word ^ (word >>> 16)) >>> 0;
    }
  }

  /** The next 32 random bits. */
  nextUint32(): number {
    const s = this.#state;
    const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = s;
    const scrambled = Math.imul(s1, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const next2 = s2 ^ s0;
    const next3 = s3 ^ s1;
    s[0] = s0 ^ next3;
    s[1] = s1 ^ next2;
    s[2] = next2 ^ (s1 << 9);
    s[3] = (next3 << 11) | (next3 >>> 21);
    return result;
  }

  /** A number in [0, bound), for 0 < bound <= 2^32. */
  nextBelow(bound: number): number {
    return Math.floor((this.nextUint32() / 2 ** 32) * bound);
  }
}
