// Values of flags from their text, as Go's flag package takes them, and the errors that it words.
// Used for the command line, the environment and configuration files alike.

import type { FlagKind, FlagRow, FlagValue } from '../row.js';

/** The command line is wrong: printed with the usage, exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** A list of URLs in a file is wrong: printed as it is, exit status 1. */
export class FileUrlError extends Error {
  override readonly name = 'FileUrlError';

  constructor(flag: string, problem: string) {
    // One of the keys is called by another name in this message.
    const shown = flag === 'advertise-client-urls' ? 'advertise-peer-urls' : flag;
    super(`unexpected error setting up ${shown}: ${problem}`);
  }
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

/** A duration as Go prints it: `1h30m0s`, `1.5s`, `100ms`, `0s`. */
export function formatDuration(milliseconds: number): string {
  const size = Math.abs(milliseconds);
  const sign = milliseconds < 0 ? '-' : '';
  if (size === 0) {
    return '0s';
  }
  if (size < 1000) {
    const unit = size >= 1 ? 'ms' : size >= 1e-3 ? '\u00b5s' : 'ns';
    const scaled = size >= 1 ? size : size >= 1e-3 ? size * 1e3 : size * 1e6;
    return `${sign}${Number(scaled.toFixed(6))}${unit}`;
  }
  const hours = Math.floor(size / 3600_000);
  const minutes = Math.floor((size % 3600_000) / 60_000);
  const seconds = Number(((size % 60_000) / 1000).toFixed(9));
  const head = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : '';
  return `${sign}${head}${seconds}s`;
}

/** What a text is not: its form is wrong, or it says a number that does not fit. */
export class ValueProblem extends Error {
  override readonly name = 'ValueProblem';
}

const notParsed = 'parse error';
const outOfRange = 'value out of range';

/** Smallest and largest numbers of the kinds that have them. */
const ranges: Readonly<Record<'int' | 'uint' | 'uint32', readonly [bigint, bigint]>> = {
  int: [-(2n ** 63n), 2n ** 63n - 1n],
  uint: [0n, 2n ** 64n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
};

/**
 * A whole number in the forms that Go takes: decimal, 0x, 0o, 0b, leading 0 for octal, digits
 * grouped by single underscores. What is beyond 2^53 means "no limit" at most, and is as large as a
 * number can say exactly.
 */
function parseInteger(text: string, kind: 'int' | 'uint' | 'uint32'): number {
  const form =
    /^([-+]?)(0[xX](?:_?[\da-fA-F])+|0[bB](?:_?[01])+|0[oO]?(?:_?[0-7])*|[1-9](?:_?\d)*)$/;
  const match = form.exec(text);
  if (match === null || (match[1] !== '' && kind !== 'int') || /^0[oO]$/.test(match[2] ?? '')) {
    throw new ValueProblem(notParsed);
  }
  const digits = (match[2] ?? '').replaceAll('_', '').replace(/^0(?=[0-7])/, '0o');
  const value = match[1] === '-' ? -BigInt(digits) : BigInt(digits);
  const [least, most] = ranges[kind];
  if (value > most || value < least) {
    throw new ValueProblem(outOfRange);
  }
  const bound = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(value > bound ? bound : value < -bound ? -bound : value);
}

/** Its errors are of another make than those of the other numbers. */
function parseUint32(text: string): number {
  try {
    return parseInteger(text, 'uint32');
  } catch (error) {
    const { message } = error as Error;
    const reason = message === notParsed ? 'invalid syntax' : message;
    throw new ValueProblem(`strconv.ParseUint: parsing ${JSON.stringify(text)}: ${reason}`);
  }
}

function orProblem<T>(value: T | null): T {
  if (value === null) {
    throw new ValueProblem(notParsed);
  }
  return value;
}

/** A boolean in the forms that Go takes; null when it is none. */
export function parseBool(text: string): boolean | null {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) {
    return true;
  }
  return ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text) ? false : null;
}

/** @throws ValueProblem */
function parseByKind(kind: FlagKind, text: string): FlagValue {
  switch (kind) {
    case 'string':
      return text;
    case 'bool':
      return orProblem(parseBool(text));
    case 'int':
    case 'uint':
      return parseInteger(text, kind);
    case 'uint32':
      return parseUint32(text);
    case 'float': {
      const value = text.trim() === '' ? Number.NaN : Number(text);
      return orProblem(Number.isNaN(value) ? null : value);
    }
    case 'duration':
      return orProblem(parseDurationMs(text));
    default:
      return text === '' ? [] : text.split(',').map((part) => part.trim());
  }
}

/** What is wrong with a text of the right form, or null. */
function problemOf(row: FlagRow, text: string): string | null {
  if (row.choices !== null && !row.choices.includes(text)) {
    return row.name === 'v2-deprecation' ? `invalid value "${text}"` : 'invalid value';
  }
  return row.check === null || text === '' ? null : row.check(text);
}

/** The value, or what is wrong with the text. */
function parsed(row: FlagRow, text: string): { value: FlagValue } | { problem: string } {
  try {
    const value = parseByKind(row.kind, text);
    const problem = problemOf(row, text);
    return problem === null ? { value } : { problem };
  } catch (error) {
    if (error instanceof ValueProblem) {
      return { problem: error.message };
    }
    throw error;
  }
}

/** @throws UsageError in the words of a command line */
export function parseFlag(row: FlagRow, text: string): FlagValue {
  const result = parsed(row, text);
  if ('value' in result) {
    return result.value;
  }
  const { problem } = result;
  if (row.kind === 'bool') {
    throw new UsageError(`invalid boolean value "${text}" for -${row.name}: ${problem}`);
  }
  throw new UsageError(`invalid value "${text}" for flag -${row.name}: ${problem}`);
}

/** @throws Error in the words used for environment variables */
export function parseVariable(row: FlagRow, variable: string, text: string): FlagValue {
  const result = parsed(row, text);
  if ('problem' in result) {
    throw new Error(`invalid value "${text}" for ${variable}: ${result.problem}`);
  }
  return result.value;
}

/** The value that a flag has when nobody sets it. */
export function defaultValue(row: FlagRow): FlagValue {
  return parseByKind(row.kind, row.defaultText);
}
