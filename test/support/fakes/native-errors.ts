// The native error table as the addon exports it, read from its source, for tests that run without
// the addon.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { StatusRow } from '../../../src/base/errors.js';
import { packageRoot } from '../../../src/base/package.js';

/** Rows of native/base/errors.def in order. */
export function nativeErrorRows(): StatusRow[] {
  const source = readFileSync(join(packageRoot, 'native', 'base', 'errors.def'), 'utf8');
  const rows: StatusRow[] = [];
  for (const match of source.matchAll(/METASTORE_ERROR\(\s*(\w+),\s*(\d+),\s*"([^"]*)"\s*\)/g)) {
    rows.push({ name: match[1] ?? '', grpc: Number(match[2]), text: match[3] ?? '' });
  }
  return rows;
}
