// Reads the tracked files once for the tidy rules. Called by test/tidy.test.ts. Git decides what
// belongs to the tree; binary files are left out of the rules that read lines.

import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface SourceFile {
  /** Path from the repository's root, with forward slashes. */
  readonly path: string;
  /** With the leading dot; '' when the name has none. */
  readonly extension: string;
  readonly text: string;
  readonly lines: readonly string[];
}

export interface Exception {
  readonly rule: string;
  readonly path: string;
  readonly reason: string;
}

export interface Repository {
  readonly files: readonly SourceFile[];
  readonly exceptions: readonly Exception[];
}

/** The root as seen from the compiled file, dist/test/tidy/repository.js. */
export const repositoryRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

function trackedPaths(): string[] {
  const git = spawnSync('git', ['ls-files', '-z'], { cwd: repositoryRoot, encoding: 'utf8' });
  if (git.status !== 0) return [];
  const isFile = (path: string) => lstatSync(join(repositoryRoot, path)).isFile();
  return git.stdout.split('\0').filter((path) => path !== '' && isFile(path));
}

/** Null when this is not a git checkout. */
export function readRepository(): Repository | null {
  const paths = trackedPaths();
  if (paths.length === 0) return null;
  const files: SourceFile[] = [];
  for (const path of paths) {
    const absolute = join(repositoryRoot, path);
    if (!existsSync(absolute)) continue; // Deleted in the work tree, not yet in a commit.
    const bytes = readFileSync(absolute);
    if (bytes.includes(0)) continue;
    const text = bytes.toString('utf8');
    const lines = text.replace(/\n$/, '').split('\n');
    files.push({ path, extension: extname(path), text, lines });
  }
  const exceptions = join(repositoryRoot, 'test', 'tidy', 'exceptions.json');
  return { files, exceptions: JSON.parse(readFileSync(exceptions, 'utf8')) as Exception[] };
}
