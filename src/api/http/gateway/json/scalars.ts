// Numbers and bytes as JSON writes them, and what protobuf's JSON mapping makes of them. Integers
// may be written with a point or an exponent as long as they are integers; bytes in either
// alphabet of base64 (RFC 4648), with or without padding. Called by the decoder.

const numberForm = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?/;
/** Characters that cannot follow a number directly. */
const noDelimiter = /^[-+._a-zA-Z0-9]/;

/** More digits than any 64-bit integer has. */
const DIGITS_MAX = 20;
const EXPONENT_MAX = 2 ** 31 - 1;

interface Range {
  readonly min: bigint;
  readonly max: bigint;
}

export const ranges = {
  int32: { min: -(2n ** 31n), max: 2n ** 31n - 1n },
  enum: { min: -(2n ** 31n), max: 2n ** 31n - 1n },
  int64: { min: -(2n ** 63n), max: 2n ** 63n - 1n },
  uint32: { min: 0n, max: 2n ** 32n - 1n },
  uint64: { min: 0n, max: 2n ** 64n - 1n },
} as const;

/** The integer at the beginning of a text, or null when there is none or it is out of range. */
export function integerIn(text: string, { min, max }: Range): bigint | null {
  const match = numberForm.exec(text);
  if (match === null || noDelimiter.test(text.slice(match[0].length, match[0].length + 1))) {
    return null;
  }
  const [, sign = '', whole = '', fraction = '', exponent = ''] = match;
  const digits = integerDigits(whole === '0' ? '' : whole, fraction.replace(/0+$/, ''), exponent);
  if (digits === null) {
    return null;
  }
  const isNegative = sign === '-' && digits !== '0';
  if (isNegative && min === 0n) {
    return null;
  }
  const value = isNegative ? -BigInt(digits) : BigInt(digits);
  return value >= min && value <= max ? value : null;
}

/** The digits without point and exponent, or null when that is no integer or far too large. */
function integerDigits(whole: string, fraction: string, exponentText: string): string | null {
  if (whole === '' && fraction === '') {
    return '0';
  }
  const exponent = exponentText === '' ? 0 : Number(exponentText);
  if (Math.abs(exponent) > EXPONENT_MAX || whole.length > DIGITS_MAX) {
    return null;
  }
  if (exponent >= 0) {
    const isWhole = fraction.length <= exponent && whole.length + exponent <= DIGITS_MAX;
    return isWhole ? whole + fraction.padEnd(exponent, '0') : null;
  }
  const point = whole.length + exponent;
  if (fraction !== '' || point < 0 || /[^0]/.test(whole.slice(point))) {
    return null;
  }
  return whole.slice(0, point) || '0';
}

/** An integer in a JSON string: no blanks around it. */
export function integerInString(text: string, range: Range): bigint | null {
  return text.trim() === text ? integerIn(text, range) : null;
}

/** The bytes that base64 stands for, or null when it is none. */
export function bytesIn(text: string): Buffer | null {
  const isUrlSafe = /[-_]/.test(text);
  const isPadded = text.length % 4 === 0;
  // Line ends may stand anywhere, as in mail.
  const dense = /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, '') : text;
  let digits = dense;
  if (isPadded) {
    if (dense.length % 4 !== 0) {
      return null;
    }
    digits = dense.endsWith('==') ? dense.slice(0, -2) : dense.replace(/=$/, '');
  }
  const strange = isUrlSafe ? /[^A-Za-z0-9_-]/ : /[^A-Za-z0-9+/]/;
  if (digits.length % 4 === 1 || strange.test(digits)) {
    return null;
  }
  return Buffer.from(digits, isUrlSafe ? 'base64url' : 'base64');
}
