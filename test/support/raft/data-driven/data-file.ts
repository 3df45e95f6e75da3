// Reader and runner of data-driven test files: commands, then the output that they must have
// after a `----` line. Used by all tests under test/unit/raft. With REWRITE=1 the expected output
// of the project's own files is replaced by the actual one, to be reviewed as a diff.

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Argument {
  readonly key: string;
  readonly values: readonly string[];
}

export interface Directive {
  readonly line: number;
  readonly command: string;
  readonly args: readonly Argument[];
  readonly input: string;
  readonly expected: string;
  /** Lines of the expected output: from (inclusive), to (exclusive); -1 without a separator. */
  readonly expectedFrom: number;
  readonly expectedTo: number;
}

/** A file that cannot be read as a test, or a command that aborts it. */
export class DataFileError extends Error {
  override readonly name = 'DataFileError';
}

const SEPARATOR = '----';

function parseList(text: string, start: number): { values: string[]; end: number } | null {
  const values: string[] = [];
  let depth = 1;
  let value = '';
  let at = start;
  for (; at < text.length; at++) {
    const char = text[at] as string;
    if (char === ')' && --depth === 0) {
      break;
    }
    if (char === '(') {
      depth++;
    }
    if (char === ',' && depth === 1) {
      values.push(value);
      value = '';
      while (text[at + 1] === ' ') {
        at++;
      }
    } else {
      value += char;
    }
  }
  if (depth !== 0) {
    return null;
  }
  if (value !== '' || values.length > 0) {
    values.push(value);
  }
  return { values, end: at + 1 };
}

function parseArgument(text: string, start: number): { arg: Argument; end: number } | null {
  let at = start;
  while (at < text.length && text[at] !== ' ' && text[at] !== '=') {
    at++;
  }
  const key = text.slice(start, at);
  if (text[at] !== '=') {
    return { arg: { key, values: [] }, end: at };
  }
  at++;
  if (text[at] === '(') {
    const list = parseList(text, at + 1);
    if (list === null || (list.end < text.length && text[list.end] !== ' ')) {
      return null;
    }
    return { arg: { key, values: list.values }, end: list.end };
  }
  const valueStart = at;
  while (at < text.length && text[at] !== ' ') {
    at++;
  }
  return { arg: { key, values: [text.slice(valueStart, at)] }, end: at };
}

/** Splits a directive's line into command and arguments. */
export function parseDirective(text: string): { command: string; args: Argument[] } {
  const args: Argument[] = [];
  for (let at = 0; at < text.length; ) {
    if (text[at] === ' ') {
      at++;
      continue;
    }
    const parsed = parseArgument(text, at);
    if (parsed === null) {
      throw new DataFileError(`cannot parse directive at column ${at + 1}: ${text}`);
    }
    args.push(parsed.arg);
    at = parsed.end;
  }
  const first = args.shift();
  if (first === undefined || first.key === '' || first.values.length > 0) {
    throw new DataFileError(`cannot parse directive at column 1: ${text}`);
  }
  return { command: first.key, args };
}

function isBlank(line: string | undefined): boolean {
  return line === undefined || line.trim() === '';
}

interface Expected {
  readonly text: string;
  readonly to: number;
}

function readExpected(lines: readonly string[], from: number): Expected {
  let text = '';
  let at = from;
  if (lines[from] === SEPARATOR) {
    // Output with blank lines stands between pairs of separators.
    for (at = from + 1; at < lines.length; at++) {
      if (lines[at] === SEPARATOR && lines[at + 1] === SEPARATOR) {
        if (!isBlank(lines[at + 2])) {
          throw new DataFileError(`line ${at + 3}: a blank line must follow the output`);
        }
        return { text, to: at + 2 };
      }
      text += `${lines[at]}\n`;
    }
    throw new DataFileError(`line ${from + 1}: the output does not end`);
  }
  for (; at < lines.length && !isBlank(lines[at]); at++) {
    text += `${lines[at]}\n`;
  }
  return { text, to: at };
}

/** Follows `subtest name` and `subtest end`, which have neither input nor output. */
class Subtests {
  readonly #open: string[] = [];

  /** @returns whether the directive was one of the two */
  take(line: number, command: string, args: readonly Argument[]): boolean {
    if (command !== 'subtest') {
      return false;
    }
    const [name] = args;
    if (name === undefined || args.length !== 1 || name.values.length > 0) {
      throw new DataFileError(`line ${line}: invalid syntax for subtest`);
    }
    if (name.key !== 'end') {
      this.#open.push(name.key);
    } else if (this.#open.pop() === undefined) {
      throw new DataFileError(`line ${line}: subtest end without corresponding start`);
    }
    return true;
  }

  finish(): void {
    const name = this.#open.pop();
    if (name !== undefined) {
      throw new DataFileError(`subtest ${name} does not end`);
    }
  }
}

/** All directives of a file's text. */
export function parseDataFile(text: string): Directive[] {
  const lines = text.split('\n');
  if (lines[lines.length - 1] === '') {
    lines.pop();
  }
  const subtests = new Subtests();
  const directives: Directive[] = [];
  for (let at = 0; at < lines.length; ) {
    let head = (lines[at] as string).trim();
    const line = at + 1;
    at++;
    if (head === '' || head.startsWith('#')) {
      continue;
    }
    while (head.endsWith('\\') && at < lines.length) {
      head = `${head.slice(0, -1).trimEnd()} ${(lines[at] as string).trim()}`;
      at++;
    }
    const { command, args } = parseDirective(head);
    if (subtests.take(line, command, args)) {
      continue;
    }
    const input: string[] = [];
    while (at < lines.length && lines[at] !== SEPARATOR) {
      input.push(lines[at] as string);
      at++;
    }
    const separated = at < lines.length;
    const from = separated ? at + 1 : -1;
    const expected = separated ? readExpected(lines, from) : { text: '', to: -1 };
    at = separated ? expected.to : at;
    directives.push({
      line,
      command,
      args,
      input: input.join('\n').trim(),
      expected: expected.text,
      expectedFrom: from,
      expectedTo: expected.to,
    });
  }
  subtests.finish();
  return directives;
}

/** Answers a directive with its output; throws to abort the file. */
export type Handler = (directive: Directive) => string;

function outputOf(handler: Handler, directive: Directive): string {
  const output = handler(directive);
  return output === '' || output.endsWith('\n') ? output : `${output}\n`;
}

function firstDifference(expected: string, actual: string): string {
  const a = expected.split('\n');
  const b = actual.split('\n');
  let at = 0;
  while (at < a.length && a[at] === b[at]) {
    at++;
  }
  const show = (line: string | undefined): string => (line === undefined ? '<end>' : line);
  const before = a.slice(Math.max(0, at - 3), at).map((line) => `    ${line}\n`);
  return (
    `output line ${at + 1}:\n${before.join('')}  - ${show(a[at])}\n  + ${show(b[at])}\n` +
    `  (- expected, + actual)`
  );
}

/**
 * Runs one file.
 *
 * @returns null if all output is as expected, else a description of the first difference
 */
export function runDataFile(path: string, handler: Handler): string | null {
  try {
    for (const directive of parseDataFile(readFileSync(path, 'utf8'))) {
      let actual: string;
      try {
        actual = outputOf(handler, directive);
      } catch (error) {
        return `${path}:${directive.line}: ${directive.command}: ${String(error)}`;
      }
      if (actual !== directive.expected) {
        const difference = firstDifference(directive.expected, actual);
        return `${path}:${directive.line}: ${directive.command}: ${difference}`;
      }
    }
  } catch (error) {
    return `${path}: ${String(error)}`;
  }
  return null;
}

/** Replaces the expected output of every directive by the actual one. */
export function rewriteDataFile(path: string, handler: Handler): void {
  const text = readFileSync(path, 'utf8');
  const lines = text.split('\n');
  const result: string[] = [];
  let done = 0;
  for (const directive of parseDataFile(text)) {
    const output = outputOf(handler, directive);
    if (directive.expectedFrom < 0) {
      result.push(...lines.slice(done).filter((line, i, all) => line !== '' || i < all.length - 1));
      result.push(SEPARATOR);
      done = lines.length;
    } else {
      result.push(...lines.slice(done, directive.expectedFrom));
      done = directive.expectedTo;
    }
    const body = output === '' ? [] : output.slice(0, -1).split('\n');
    if (body.some((line) => line.trim() === '')) {
      result.push(SEPARATOR, ...body, SEPARATOR, SEPARATOR);
    } else {
      result.push(...body);
    }
  }
  result.push(...lines.slice(done));
  const rewritten = result.join('\n');
  writeFileSync(path, rewritten.endsWith('\n') ? rewritten : `${rewritten}\n`);
}

/** The test files of a directory and those below it, by name. */
export function dataFilesOf(directory: string): string[] {
  const files: string[] = [];
  for (const name of readdirSync(directory).sort()) {
    if (name.startsWith('.') || name.endsWith('~') || /^#.*#$/.test(name)) {
      continue;
    }
    const path = join(directory, name);
    if (statSync(path).isDirectory()) {
      files.push(...dataFilesOf(path));
    } else {
      files.push(path);
    }
  }
  return files;
}

export function integerOf(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) {
    throw new DataFileError(`not an integer: ${text}`);
  }
  return Number(text);
}

export function idOf(text: string): bigint {
  if (!/^\d+$/.test(text)) {
    throw new DataFileError(`not an id: ${text}`);
  }
  return BigInt(text);
}

export function booleanOf(text: string): boolean {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) {
    return true;
  }
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) {
    return false;
  }
  throw new DataFileError(`not a boolean: ${text}`);
}

/** The single value of an argument. */
export function singleValue(arg: Argument): string {
  const value = arg.values[0];
  if (value === undefined || arg.values.length !== 1) {
    throw new DataFileError(`${arg.key} takes one value`);
  }
  return value;
}
