// Words that have no place in the tree: marks of unfinished work, holes in the types, and paths or
// names of a machine. Called by rules.ts. Patterns are put together from pieces so that this file
// does not break its own rules.

import type { SourceFile } from './repository.js';
import { fileRule, isCpp, isSource, isTypeScript, type Rule } from './rule.js';

function matching(pattern: RegExp, allowed?: RegExp) {
  return (file: SourceFile): [number, string][] =>
    file.lines.flatMap((line, index): [number, string][] => {
      const match = pattern.exec(line);
      if (match === null || allowed?.test(line)) return [];
      return [[index + 1, match[0].trim()]];
    });
}

/** An alternation of the words, each given in two halves. */
function words(...halves: [string, string][]): string {
  return halves.map(([a, b]) => `${a}${b}`).join('|');
}

const unfinishedWords = words(['TO', 'DO'], ['FIX', 'ME'], ['XX', 'X'], ['HA', 'CK']);
const unfinished = fileRule(
  'no marks of unfinished work',
  isSource,
  matching(new RegExp(`\\b(?:${unfinishedWords})\\b`)),
);

const directives = words(['ign', 'ore'], ['no', 'check'], ['expect-', 'error']);
const hole = ['an', 'y'].join('');
const typeHoles = fileRule(
  'no holes in the types',
  isTypeScript,
  matching(
    new RegExp(`@ts-(?:${directives})|(?:\\bas|[:<,|]) ?${hole}\\b(?:\\[\\])?(?:[;,)>=|]|$)`),
    /^\s*(?:\/\/|\*|\/\*)/,
  ),
);

const focused = fileRule(
  'no focused tests',
  (file) => /\.test\.ts$/.test(file.path),
  matching(new RegExp(`\\b(?:t|test|describe|it)\\.${'on'}ly\\(`)),
);

const noExceptions = fileRule(
  'no C++ exceptions of our own',
  (file) =>
    isCpp(file) && file.path.startsWith('native/') && !/^native\/(?:test|addon)\//.test(file.path),
  matching(/^\s*throw\b/, /^\s*(?:\/\/|\*)/),
);

const slash = '/';
const machinePaths = [
  `(?<![\\w.])${slash}(?:work|farm)${slash}`,
  `${slash}tmp${slash}(?:etcdref|helpers|build-|dist-)`,
  `(?<![\\w.-])(?:\\.\\.${slash})*shared${slash}`,
  `\\bspec${slash}(?:api|errors|server|raft|contract|reports|metrics|clients-and-tools)\\b`,
  'registry\\.npmjs\\.org|proxy\\.golang\\.org|sum\\.golang\\.org|deb\\.debian\\.org',
];

const machine = fileRule(
  'no paths or hosts of a machine',
  (file) => !/^(?:package-lock\.json|test\/reference\/go\.sum|LICENSE)$/.test(file.path),
  (file) => {
    const found = matching(new RegExp(machinePaths.join('|')))(file);
    // The continuous integration script alone may know where the Raft data files stand.
    if (file.path === '.ci/run') return found.filter(([line]) => !ciMention(file, line));
    return found;
  },
);

function ciMention(file: SourceFile, line: number): boolean {
  return file.lines[line - 1]?.includes('METASTORE_RAFT_TESTDATA') ?? false;
}

export function wordRules(): Rule[] {
  return [unfinished, typeHoles, focused, noExceptions, machine];
}
