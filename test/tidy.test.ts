// Keeps the house in order: the habits of CONTRIBUTING.md that a program can check, over every
// tracked file. Run by `npm test` as its own suite. Each rule is one test that lists what breaks it
// as `path:line: what`; exceptions stand in tidy/exceptions.json with their reasons, and one that
// is no longer needed is itself a failure, so that the list only shrinks.

import t from 'tap';
import { readRepository } from './tidy/repository.js';
import { rules } from './tidy/rules.js';

const repository = readRepository();

if (repository === null) {
  t.test('tidy', { skip: 'not a git checkout' }, async () => {});
} else {
  t.test('the repository was read', async (t) => {
    t.ok(repository.files.length > 50, `${repository.files.length} files`);
  });
  for (const rule of rules) {
    t.test(rule.name, async (t) => {
      t.strictSame(rule.check(repository), []);
    });
  }
}
