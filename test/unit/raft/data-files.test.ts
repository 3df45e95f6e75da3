// Runs every data file about the consensus core: the project's own in testdata/, and those of
// the directory that METASTORE_RAFT_TESTDATA names, in any folders below it.
// REWRITE=1 rewrites the project's own; the diff is then to be reviewed.

import { readFileSync } from 'node:fs';
import { basename, join, relative, sep } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import { interactionHandler } from '../../support/raft/data-driven/commands.js';
import type { Handler } from '../../support/raft/data-driven/data-file.js';
import {
  dataFilesOf,
  parseDataFile,
  rewriteDataFile,
  runDataFile,
} from '../../support/raft/data-driven/data-file.js';
import { confChangeHandler, quorumHandler } from '../../support/raft/data-driven/rule-files.js';

// The randomised election timeout always equals the election timeout, unless a command sets it.
const noSpread = (): number => 0;
// Files that were written by hand must not depend on it.
const someSpread = (n: number): number => n - 1;

const interaction = (): Handler => interactionHandler({ random: noSpread });
const spreadInteraction = (): Handler => interactionHandler({ random: someSpread });
const ownInteraction = (): Handler => interactionHandler({ random: noSpread, extended: true });

function runFolder(test: Test, folder: string, makeHandler: () => Handler): void {
  const files = dataFilesOf(folder);
  test.ok(files.length > 0, `${folder} has files`);
  for (const file of files) {
    test.equal(runDataFile(file, makeHandler()), null, basename(file));
  }
}

/** What the commands of files about the pure rules are called. */
const quorumCommands = new Set(['committed', 'vote']);
const confChangeCommands = new Set(['simple', 'enter-joint', 'leave-joint']);

function firstCommand(file: string): string {
  try {
    return parseDataFile(readFileSync(file, 'utf8'))[0]?.command ?? '';
  } catch {
    return ''; // Running the file says what is wrong with it.
  }
}

/** The handlers that a file runs with, told by its commands, wherever it lies. */
function handlersOf(directory: string, file: string): (() => Handler)[] {
  const first = firstCommand(file);
  if (quorumCommands.has(first)) {
    return [quorumHandler];
  }
  if (confChangeCommands.has(first)) {
    return [confChangeHandler];
  }
  // The random files were made without a spread.
  const isWritten = relative(directory, file).split(sep)[0] === 'testdata';
  return isWritten ? [interaction, spreadInteraction] : [interaction];
}

const given = process.env.METASTORE_RAFT_TESTDATA ?? '';
const skip = given === '' ? 'METASTORE_RAFT_TESTDATA is not set' : false;

t.test('given data files', { skip }, (test) => {
  const files = dataFilesOf(given).filter((file) => !file.endsWith('.md'));
  test.ok(files.length > 0, `${given} has files`);
  for (const file of files) {
    for (const makeHandler of handlersOf(given, file)) {
      test.equal(runDataFile(file, makeHandler()), null, relative(given, file));
    }
  }
  test.end();
});

t.test('what the reader of data files makes of subtests', (test) => {
  const commands = (text: string): string[] =>
    parseDataFile(text).map((directive) => `${directive.command}=${directive.expected}`);
  const nested = 'subtest a\nx\n----\n1\n\nsubtest b\ny\n----\nsubtest end\n\nsubtest end\n';
  test.throws(() => commands(nested), /subtest a does not end/, 'directly below is output');
  test.same(commands(nested.replace('----\nsubtest', '----\n2\n\nsubtest')), ['x=1\n', 'y=2\n']);
  test.throws(() => commands('subtest end\n'), /line 1: subtest end without/);
  test.throws(() => commands('subtest\n'), /line 1: invalid syntax/);
  test.throws(() => commands('subtest a b\n'), /line 1: invalid syntax/);
  test.end();
});

t.test('own data files', (test) => {
  const own = join(process.cwd(), 'test/unit/raft/testdata');
  const folders: [string, () => Handler][] = [
    ['interaction', ownInteraction],
    ['quorum', quorumHandler],
    ['confchange', confChangeHandler],
  ];
  for (const [folder, makeHandler] of folders) {
    const path = join(own, folder);
    if (process.env.REWRITE === '1') {
      for (const file of dataFilesOf(path)) {
        rewriteDataFile(file, makeHandler());
      }
    }
    runFolder(test, path, makeHandler);
  }
  test.end();
});
