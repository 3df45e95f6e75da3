// Configuration files: YAML or JSON, which replace command line and environment altogether. Unknown
// keys are ignored; durations are whole nanoseconds; lists of URLs are comma-joined strings. Who
// operates etcd knows its errors, so a wrong value is described by the same path and type.

import { readFileSync } from 'node:fs';
import { parse, type Tags, YAMLParseError } from 'yaml';
import { jsonType, mapType, pathOf, typeOf } from './file-types.js';
import type { FlagRow, FlagValue } from './row.js';
import { FileUrlError } from './values/values.js';

const decoding = 'error unmarshaling JSON: while decoding JSON: json: cannot unmarshal';

type Found = { readonly [key: string]: unknown };

/** A value of a map by its key, in whatever case; an exact match comes first. */
function member(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) {
    return undefined;
  }
  const map = value as Found;
  if (key in map) {
    return map[key];
  }
  const like = Object.keys(map).find((name) => name.toLowerCase() === key);
  return like === undefined ? undefined : map[like];
}

/** The value at a dotted path. @throws Error when something on the way is no map */
function nested(document: unknown, path: string): unknown {
  let value = document;
  const keys = path.split('.');
  for (const [depth, key] of keys.entries()) {
    value = member(value, key);
    if (value === undefined || value === null) {
      return undefined;
    }
    if (depth < keys.length - 1 && jsonType(value) !== 'object') {
      const { place, type } = mapType(keys.slice(0, depth + 1));
      throw new Error(
        `${decoding} ${jsonType(value)} into Go struct field ${place} of type ${type}`,
      );
    }
  }
  return value;
}

/** How the wrong value is called: numbers that do not fit are quoted. */
function described(row: FlagRow, value: unknown): string {
  const isNumber = ['int', 'uint', 'uint32', 'duration', 'float'].includes(row.kind);
  return typeof value === 'number' && isNumber ? `number ${value}` : jsonType(value);
}

function mismatch(row: FlagRow, value: unknown): Error {
  const place = pathOf(row);
  return new Error(
    `${decoding} ${described(row, value)} into Go struct field ${place} of type ${typeOf(row)}`,
  );
}

const limits: Readonly<Record<string, readonly [number, number]>> = {
  int: [-(2 ** 63), 2 ** 63],
  uint: [0, 2 ** 64],
  uint32: [0, 2 ** 32],
};

function integer(row: FlagRow, value: number): number | null {
  const [least, most] = limits[row.kind] ?? [0, 0];
  if (!Number.isInteger(value) || value < least || value >= most) {
    return null;
  }
  return Math.max(Math.min(value, Number.MAX_SAFE_INTEGER), Number.MIN_SAFE_INTEGER);
}

/** Where a file may say other things than the command line, or is told so in other words. */
function checkChoice(row: FlagRow, value: string): void {
  if (row.choices === null || row.choices.includes(value) || row.name === 'v2-deprecation') {
    return;
  }
  throw row.name === 'initial-cluster-state'
    ? new Error(`unexpected clusterState ${JSON.stringify(value)}`)
    : new Error(`invalid value ${JSON.stringify(value)} for ${row.name}: invalid value`);
}

function text(row: FlagRow, value: string): FlagValue {
  checkChoice(row, value);
  const problem = value === '' ? null : (row.check?.(value) ?? null);
  if (problem !== null) {
    throw row.kind === 'urls' ? new FileUrlError(row.name, problem) : new Error(problem);
  }
  if (row.kind !== 'urls' && row.kind !== 'list') {
    return value;
  }
  return value === '' ? [] : value.split(',').map((part) => part.trim());
}

function list(row: FlagRow, value: readonly unknown[]): FlagValue {
  const wrong = value.find((item) => typeof item !== 'string');
  if (wrong !== undefined) {
    const place = pathOf(row);
    throw new Error(`${decoding} ${jsonType(wrong)} into Go struct field ${place} of type string`);
  }
  return value.map(String);
}

function fromDocument(row: FlagRow, value: unknown): FlagValue {
  const type = typeOf(row);
  let result: FlagValue | null = null;
  if (type === '[]string') {
    result = Array.isArray(value) ? list(row, value) : null;
  } else if (row.kind === 'bool') {
    result = typeof value === 'boolean' ? value : null;
  } else if (row.kind === 'duration') {
    result = typeof value === 'number' && Number.isInteger(value) ? value / 1e6 : null;
  } else if (row.kind === 'int' || row.kind === 'uint' || row.kind === 'uint32') {
    result = typeof value === 'number' ? integer(row, value) : null;
  } else if (row.kind === 'float') {
    result = typeof value === 'number' ? value : null;
  } else {
    result = typeof value === 'string' ? text(row, value) : null;
  }
  if (result === null) {
    throw mismatch(row, value);
  }
  return result;
}

/** Times and dates are texts here, though YAML 1.1 has them. */
const textTags = new Set(['intTime', 'floatTime', 'timestamp']);

function isWanted(tag: Tags[number]): boolean {
  if (typeof tag === 'string') {
    return !textTags.has(tag);
  }
  return !/:(timestamp)$/.test(tag.tag) && !('format' in tag && tag.format === 'TIME');
}

function readDocument(path: string): unknown {
  let contents: string;
  try {
    contents = readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: `open ${path}: no such file or directory`,
      EACCES: `open ${path}: permission denied`,
      EISDIR: `read ${path}: is a directory`,
    };
    throw new Error(reasons[code ?? ''] ?? message);
  }
  try {
    // What is called 1.1 has the booleans that etcd's files may use, such as `yes` and `on`.
    const tags = (known: Tags): Tags => known.filter(isWanted);
    return parse(contents, { version: '1.1', uniqueKeys: false, customTags: tags }) as unknown;
  } catch (error) {
    const [first = ''] = (error as Error).message.split('\n');
    const line = error instanceof YAMLParseError ? `line ${error.linePos?.[0].line ?? 1}: ` : '';
    const reason = first.replace(/ at line \d+, column \d+:?$/, '');
    throw new Error(`error converting YAML to JSON: yaml: ${line}${reason}`);
  }
}

/** What the file says of a flag, at its key or at a shorter form of it. */
function findValue(row: FlagRow, document: unknown): unknown {
  const key = row.configKey ?? '';
  const value = nested(document, key);
  const short = key.replace('discovery-config.client.', 'discovery-config.');
  return value === undefined && short !== key ? nested(document, short) : value;
}

/**
 * What a configuration file sets, by flag name.
 *
 * @throws FileUrlError, or Error when it cannot be read or a value has the wrong type
 */
export function readConfigFile(
  path: string,
  table: ReadonlyMap<string, FlagRow>,
): Map<string, FlagValue> {
  const document = readDocument(path);
  if (document !== null && document !== undefined && jsonType(document) !== 'object') {
    throw new Error(`${decoding} ${jsonType(document)} into Go value of type embed.configYAML`);
  }
  const given = new Map<string, FlagValue>();
  for (const row of table.values()) {
    if (row.configKey === null) {
      continue;
    }
    const value = findValue(row, document);
    if (value !== undefined && value !== null) {
      given.set(row.name, fromDocument(row, value));
    }
  }
  return given;
}
