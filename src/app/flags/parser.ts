// The command line, in the syntax of Go's flag package: one or two dashes, `--f=v` or `--f v`, a
// boolean never takes the next argument, the last of repeated flags wins, `--` ends the flags.

import type { FlagRow, FlagValue } from './row.js';
import { parseFlag, UsageError } from './values/values.js';

export interface CommandLine {
  /** What was given, by name. */
  readonly given: ReadonlyMap<string, FlagValue>;
  readonly positional: readonly string[];
  readonly helpWanted: boolean;
}

interface Argument {
  readonly name: string;
  /** Null when the value is the next argument, or `true` for a boolean. */
  readonly text: string | null;
}

/** Null for an argument that ends the flags. */
function splitArgument(argument: string): Argument | null {
  if (argument.length < 2 || !argument.startsWith('-')) {
    return null;
  }
  const body = argument.slice(argument.startsWith('--') ? 2 : 1);
  if (body === '' || body.startsWith('-') || body.startsWith('=')) {
    throw new UsageError(`bad flag syntax: ${argument}`);
  }
  const equals = body.indexOf('=');
  return equals < 0
    ? { name: body, text: null }
    : { name: body.slice(0, equals), text: body.slice(equals + 1) };
}

/** @throws UsageError */
export function parseCommandLine(
  args: readonly string[],
  table: ReadonlyMap<string, FlagRow>,
): CommandLine {
  const given = new Map<string, FlagValue>();
  let at = 0;
  for (; at < args.length; at++) {
    const current = args[at] ?? '';
    if (current === '--') {
      at++;
      break;
    }
    const argument = splitArgument(current);
    if (argument === null) {
      break;
    }
    const { name } = argument;
    if (name === 'help' || name === 'h') {
      return { given, positional: [], helpWanted: true };
    }
    const row = table.get(name);
    if (row === undefined) {
      throw new UsageError(`flag provided but not defined: -${name}`);
    }
    let { text } = argument;
    if (text === null) {
      if (row.kind === 'bool') {
        text = 'true';
      } else if (at + 1 < args.length) {
        at++;
        text = args[at] ?? '';
      } else {
        throw new UsageError(`flag needs an argument: -${name}`);
      }
    }
    given.set(name, parseFlag(row, text));
  }
  return { given, positional: args.slice(at), helpWanted: false };
}
