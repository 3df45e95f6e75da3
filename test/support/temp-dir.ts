// Scratch directories of tests, removed when the test process ends.
// What a killed test leaves behind is the operating system's to clean.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];

process.once('exit', () => {
  for (const folder of made) {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** A fresh empty directory. METASTORE_TEST_TMP names where, instead of the system's place. */
export function tempDir(name = 'test'): string {
  const base = process.env.METASTORE_TEST_TMP ?? tmpdir();
  const folder = mkdtempSync(join(base, `metastore-${name}-`));
  made.push(folder);
  return folder;
}
