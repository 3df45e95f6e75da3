// Values of flags from their text, as Go's flag package takes them, and the errors that it words.
// Used for the command line, the environment and configuration files alike.

import type { FlagKind, FlagRow, FlagValue } from '../row.js';

/** The command line is wrong: printed with the usage, exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const nanosecondsPerUnit: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Milliseconds of a Go duration such as `1m30s`, `-1.5h` or `0`; null when it is not one. */
export function parseDurationMs(text: string): number | null {
  const match = /^([-+]?)((?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.exec(text);
  if (match === null) {
    return /^[-+]?0$/.test(text) ? 0 : null;
  }
  let nanoseconds = 0;
  for (const [, number, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g)) {
    nanoseconds += Number(number) * (nanosecondsPerUnit[unit ?? ''] ?? 0);
  }
  const milliseconds = nanoseconds / 1e6;
  return match[1] === '-' ? -milliseconds : milliseconds;
}

/** A whole number in the forms that Go takes: decimal, 0x, 0o, 0b, leading 0 for octal. */
function parseInteger(text: string, signed: boolean): number | null {
  const match = /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]*|[1-9]\d*)$/.exec(text);
  if (match === null || (match[1] !== '' && !signed)) {
    return null;
  }
  const digits = (match[2] ?? '').replace(/^0(?=[0-7])/, '0o');
  const value = match[1] === '-' ? -BigInt(digits) : BigInt(digits);
  // Flags beyond 2^53 mean "no limit" at most; they are as large as a number can say exactly.
  const bound = BigInt(Number.MAX_SAFE_INTEGER);
  if (value > 2n ** 64n - 1n || value < -(2n ** 63n)) {
    return null;
  }
  return Number(value > bound ? bound : value < -bound ? -bound : value);
}

function parseBool(text: string): boolean | null {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) {
    return true;
  }
  return ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text) ? false : null;
}

function parseByKind(kind: FlagKind, text: string): FlagValue | null {
  switch (kind) {
    case 'string':
      return text;
    case 'bool':
      return parseBool(text);
    case 'int':
      return parseInteger(text, true);
    case 'uint':
      return parseInteger(text, false);
    case 'float': {
      const value = text.trim() === '' ? Number.NaN : Number(text);
      return Number.isNaN(value) ? null : value;
    }
    case 'duration':
      return parseDurationMs(text);
    default:
      return text === '' ? [] : text.split(',').map((part) => part.trim());
  }
}

/** What is wrong with a value, or null. */
function problemOf(row: FlagRow, text: string, value: FlagValue | null): string | null {
  if (value === null) {
    return 'parse error';
  }
  if (row.choices !== null && !row.choices.includes(text)) {
    return row.name === 'v2-deprecation' ? `invalid value "${text}"` : 'invalid value';
  }
  return row.check === null || text === '' ? null : row.check(text);
}

/** @throws UsageError in the words of a command line */
export function parseFlag(row: FlagRow, text: string): FlagValue {
  const value = parseByKind(row.kind, text);
  const problem = problemOf(row, text, value);
  if (problem === null) {
    return value as FlagValue;
  }
  if (row.kind === 'bool') {
    throw new UsageError(`invalid boolean value "${text}" for -${row.name}: ${problem}`);
  }
  throw new UsageError(`invalid value "${text}" for flag -${row.name}: ${problem}`);
}

/** @throws Error in the words used for environment variables */
export function parseVariable(row: FlagRow, variable: string, text: string): FlagValue {
  const value = parseByKind(row.kind, text);
  const problem = problemOf(row, text, value);
  if (problem !== null) {
    throw new Error(`invalid value "${text}" for ${variable}: ${problem}`);
  }
  return value as FlagValue;
}

/** The value that a flag has when nobody sets it. */
export function defaultValue(row: FlagRow): FlagValue {
  const value = parseByKind(row.kind, row.defaultText);
  if (value === null) {
    throw new Error(`the default of --${row.name} is not a ${row.kind}`);
  }
  return value;
}
