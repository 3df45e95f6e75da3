// What a tidy rule is, and the common shape of those that look at one file at a time. Called by the
// files of rules beside it. Exceptions are handled here, once: an excepted file is skipped, and an
// exception whose file breaks nothing any more is reported itself.

import type { Repository, SourceFile } from './repository.js';

export interface Rule {
  readonly name: string;
  check(repository: Repository): string[];
}

const typeScriptExtensions = new Set(['.ts', '.mjs']);
const cppExtensions = new Set(['.cc', '.h']);

export function isTypeScript(file: SourceFile): boolean {
  return typeScriptExtensions.has(file.extension);
}

export function isCpp(file: SourceFile): boolean {
  return cppExtensions.has(file.extension);
}

export function isSource(file: SourceFile): boolean {
  return isTypeScript(file) || isCpp(file);
}

/** A rule over single files: `find` answers line numbers (0 for the file itself) and texts. */
export function fileRule(
  name: string,
  applies: (file: SourceFile) => boolean,
  find: (file: SourceFile) => [number, string][],
): Rule {
  return {
    name,
    check: (repository) => {
      const excepted = exceptedPaths(repository, name);
      const found: string[] = [];
      const needed = new Set<string>();
      for (const file of repository.files.filter(applies)) {
        const problems = find(file);
        if (problems.length > 0) needed.add(file.path);
        if (excepted.has(file.path)) continue;
        for (const [line, text] of problems) found.push(`${file.path}:${line}: ${text}`);
      }
      return [...found, ...staleExceptions(excepted, needed)];
    },
  };
}

export function exceptedPaths(repository: Repository, rule: string): Set<string> {
  return new Set(repository.exceptions.filter((row) => row.rule === rule).map((row) => row.path));
}

export function staleExceptions(
  excepted: ReadonlySet<string>,
  needed: ReadonlySet<string>,
): string[] {
  const stale = [...excepted].filter((path) => !needed.has(path));
  return stale.map((path) => `${path}:0: its exception is no longer needed: remove it`);
}

export function eachLine(
  file: SourceFile,
  problem: (line: string) => string | null,
): [number, string][] {
  return file.lines.flatMap((line, index): [number, string][] => {
    const text = problem(line);
    return text === null ? [] : [[index + 1, text]];
  });
}
