// Runs every data file about the consensus core: the project's own in testdata/, and those of
// the directory that METASTORE_RAFT_TESTDATA names (folders testdata, quorum, confchange, random).
// REWRITE=1 rewrites the project's own; the diff is then to be reviewed.

import { basename, join } from 'node:path';
import type { Test } from 'tap';
import t from 'tap';
import { interactionHandler } from '../../support/raft/data-driven/commands.js';
import type { Handler } from '../../support/raft/data-driven/data-file.js';
import {
  dataFilesOf,
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

const given = process.env.METASTORE_RAFT_TESTDATA ?? '';
const skip = given === '' ? 'METASTORE_RAFT_TESTDATA is not set' : false;

t.test('given data files', { skip }, (test) => {
  runFolder(test, join(given, 'testdata'), interaction);
  runFolder(test, join(given, 'testdata'), spreadInteraction);
  runFolder(test, join(given, 'quorum'), quorumHandler);
  runFolder(test, join(given, 'confchange'), confChangeHandler);
  runFolder(test, join(given, 'random'), interaction);
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
