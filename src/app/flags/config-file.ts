// Configuration files: YAML or JSON, which replace command line and environment altogether. Unknown
// keys are ignored; durations are whole nanoseconds; lists of URLs are comma-joined strings.

import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { FlagRow, FlagValue } from './row.js';
import { parseVariable } from './values/values.js';

const kindNames: Readonly<Record<string, string>> = {
  duration: 'time.Duration',
  int: 'int64',
  uint: 'uint',
  bool: 'bool',
  float: 'float64',
};

function nested(document: unknown, path: string): unknown {
  let value = document;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null) {
      return undefined;
    }
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

function mismatch(row: FlagRow, value: unknown): Error {
  const found = Array.isArray(value) ? 'array' : typeof value;
  const wanted = kindNames[row.kind] ?? 'string';
  const decoding = 'error unmarshaling JSON: while decoding JSON: json: cannot unmarshal';
  return new Error(
    `${decoding} ${found} into Go struct field configYAML.${row.name} of type ${wanted}`,
  );
}

function fromDocument(row: FlagRow, value: unknown): FlagValue {
  switch (row.kind) {
    case 'bool':
      if (typeof value === 'boolean') {
        return value;
      }
      break;
    case 'duration':
      if (typeof value === 'number' && Number.isInteger(value)) {
        return value / 1e6;
      }
      break;
    case 'int':
    case 'uint':
    case 'float':
      if (typeof value === 'number') {
        return parseVariable(row, row.name, String(value));
      }
      break;
    case 'list':
      if (Array.isArray(value)) {
        return value.map(String);
      }
      if (typeof value === 'string') {
        return parseVariable(row, row.name, value);
      }
      break;
    default:
      if (typeof value === 'string') {
        return parseVariable(row, row.name, value);
      }
      // The retention of compaction is a text that is easily written as a number.
      if (typeof value === 'number' && row.name === 'auto-compaction-retention') {
        return String(value);
      }
  }
  throw mismatch(row, value);
}

function readDocument(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'no such file or directory' : (error as Error).message;
    throw new Error(`open ${path}: ${reason}`);
  }
  try {
    return parse(text) as unknown;
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0] ?? '';
    throw new Error(`error converting YAML to JSON: yaml: ${reason}`);
  }
}

/**
 * What a configuration file sets, by flag name.
 *
 * @throws Error when it cannot be read or a value has the wrong type
 */
export function readConfigFile(
  path: string,
  table: ReadonlyMap<string, FlagRow>,
): Map<string, FlagValue> {
  const document = readDocument(path);
  const given = new Map<string, FlagValue>();
  for (const row of table.values()) {
    if (row.configKey === null) {
      continue;
    }
    const value = nested(document, row.configKey);
    if (value !== undefined && value !== null) {
      given.set(row.name, fromDocument(row, value));
    }
  }
  return given;
}
