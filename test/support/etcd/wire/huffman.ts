// The Huffman code of header compression (RFC 7541 Appendix B). The code is canonical: codes of one
// length are in the order of their symbols, so that the lengths alone tell everything.

/** Bits of the code of each octet; the 257th symbol, of 30 bits, ends a string and never occurs. */
const lengths: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
  6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6,
  7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
  23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
  22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
  23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27,
  27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/** Symbol by `length:code`, since codes of different lengths may look alike as numbers. */
const symbols = new Map<number, number>();

function keyOf(length: number, code: number): number {
  return length * 0x40000000 + code;
}

{
  let code = 0;
  for (let length = 1; length <= 30; length++) {
    lengths.forEach((bits, symbol) => {
      if (bits === length) {
        symbols.set(keyOf(length, code), symbol);
        code += 1;
      }
    });
    code *= 2;
  }
}

/** @throws Error for what is no string of the code */
export function huffmanDecode(bytes: Buffer): Buffer {
  const out: number[] = [];
  let code = 0;
  let length = 0;
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      code = code * 2 + ((byte >> bit) & 1);
      length += 1;
      const symbol = symbols.get(keyOf(length, code));
      if (symbol !== undefined) {
        if (symbol === 256) throw new Error('the end of string within a string');
        out.push(symbol);
        code = 0;
        length = 0;
      } else if (length > 30) {
        throw new Error('not a Huffman code');
      }
    }
  }
  // What is left are the first bits of the end of string, which are ones, and fewer than eight.
  if (length > 7 || code !== 2 ** length - 1) throw new Error('wrong padding');
  return Buffer.from(out);
}
