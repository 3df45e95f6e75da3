// The rules of the house that a program can check. Each lists what breaks it as `path:line: what`.
// Called by test/tidy.test.ts; CONTRIBUTING.md says the same in words. A rule looks at tracked
// files only, and an entry of exceptions.json takes one file out of one rule.

import { cppFunctions, typeScriptFunctions } from './functions.js';
import { importRules } from './imports.js';
import type { SourceFile } from './repository.js';
import {
  eachLine,
  exceptedPaths,
  fileRule,
  isCpp,
  isSource,
  type Rule,
  staleExceptions,
} from './rule.js';
import { wordRules } from './words.js';

const limits = {
  fileLines: 400,
  testFileLines: 800,
  functionLines: 70,
  columns: 100,
  folderEntries: 9,
  headerLinesMin: 2,
  headerLinesMax: 6,
};

function isTest(file: SourceFile): boolean {
  return /^(?:test|native\/test|bench)\//.test(file.path);
}

const fileLength = fileRule('files have at most 400 lines, tests 800', isSource, (file) => {
  const limit = isTest(file) ? limits.testFileLines : limits.fileLines;
  return file.lines.length > limit ? [[0, `${file.lines.length} lines`]] : [];
});

/** A test file's callbacks hold a whole test's steps; what they call is held to the rule. */
function isTestCallback(file: SourceFile, name: string): boolean {
  return isTest(file) && (name === '(callback)' || /^TEST(_[FP])?$|^TYPED_TEST/.test(name));
}

const functionLength = fileRule('functions have at most 70 lines', isSource, (file) => {
  const spans = isCpp(file) ? cppFunctions(file.text) : typeScriptFunctions(file.path, file.text);
  return spans
    .filter((span) => span.lineCount > limits.functionLines && !isTestCallback(file, span.name))
    .map((span): [number, string] => [span.firstLine, `${span.name}: ${span.lineCount} lines`]);
});

const columns = fileRule('lines have at most 100 columns', isSource, (file) =>
  eachLine(file, (line) => {
    const width = [...line].length;
    return width > limits.columns ? `${width} columns` : null;
  }),
);

/** Comment lines with text at the top of a file, after a #! line. */
export function headerCommentLines(lines: readonly string[]): number {
  const start = lines[0]?.startsWith('#!') ? 1 : 0;
  let count = 0;
  for (const line of lines.slice(start)) {
    if (!/^(?:\/\/|\/\*| \*|\*|#(?!include|ifndef|define|pragma))/.test(line)) break;
    if (/[a-z]/i.test(line)) count += 1;
  }
  return count;
}

const headerComment = fileRule(
  'a file opens with 2 to 6 lines that say what it is',
  (file) => isSource(file) || file.extension === '.sh' || file.extension === '.go',
  (file) => {
    const count = headerCommentLines(file.lines);
    // A .cc file may leave the explaining to its header, a test's support to the tests.
    const isShort = file.extension === '.cc' || file.path.startsWith('native/test/support/');
    const min = isShort ? 1 : limits.headerLinesMin;
    const fits = count >= min && count <= limits.headerLinesMax;
    return fits ? [] : [[1, `${count} lines of comment`]];
  },
);

const names = fileRule(
  'names are kebab-case in TypeScript, snake_case in C++',
  isSource,
  (file) => {
    const name = file.path.split('/').at(-1) ?? '';
    const pattern = isCpp(file)
      ? /^[a-z0-9]+(?:_[a-z0-9]+)*\.(?:cc|h)$/
      : /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z]+)*\.(?:ts|mjs)$/;
    return pattern.test(name) ? [] : [[0, 'name']];
  },
);

const trailingSpace = fileRule('no trailing blanks, and a final newline', isSource, (file) => [
  ...eachLine(file, (line) => (/[ \t]$/.test(line) ? 'trailing blank' : null)),
  ...(file.text.endsWith('\n')
    ? []
    : ([[file.lines.length, 'no final newline']] as [number, string][])),
]);

/** Folders are held to what a reader can take in at a glance; the root holds what tools want. */
const folderEntries: Rule = {
  name: 'folders have at most 9 entries',
  check: (repository) => {
    const entries = new Map<string, Set<string>>();
    for (const { path } of repository.files) {
      const parts = path.split('/');
      for (let depth = 1; depth < parts.length; depth += 1) {
        const folder = parts.slice(0, depth).join('/');
        const set = entries.get(folder) ?? new Set();
        entries.set(folder, set.add(parts[depth] ?? ''));
      }
    }
    const excepted = exceptedPaths(repository, folderEntries.name);
    const crowded = [...entries].filter(([, set]) => set.size > limits.folderEntries);
    const found = crowded
      .filter(([folder]) => !excepted.has(folder))
      .map(([folder, set]) => `${folder}:0: ${set.size} entries`);
    return [...found, ...staleExceptions(excepted, new Set(crowded.map(([folder]) => folder)))];
  },
};

const exceptionsKnown: Rule = {
  name: 'every exception names a rule and says why',
  check: (repository) =>
    repository.exceptions
      .filter(({ rule, reason }) => !rules.some(({ name }) => name === rule) || reason.length < 20)
      .map(({ rule, path }) => `${path}:0: ${rule}`),
};

export const rules: readonly Rule[] = [
  fileLength,
  functionLength,
  columns,
  headerComment,
  names,
  trailingSpace,
  folderEntries,
  ...importRules(),
  ...wordRules(),
  exceptionsKnown,
];
