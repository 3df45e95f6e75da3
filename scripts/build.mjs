// `npm run build`: installs what is missing, then builds the addon and TypeScript when stale.
// The same set-up that `npm start` and `npm test` begin with; behind it `npm start` becomes
// scripts/metastore, so that signals reach the server directly.

import { pathToFileURL } from 'node:url';
import { bootstrap } from './bootstrap.mjs';
import { ensureAddon, ensureTypeScript, everythingIsFresh } from './lib/compile.mjs';
import { npmPackagesAreFresh } from './lib/npm-packages.mjs';
import { main, say, seconds } from './lib/tasks.mjs';

/** Everything up to a program that can be started. Answers whether anything was built. */
export async function build() {
  if (npmPackagesAreFresh() && everythingIsFresh()) return false;
  await bootstrap();
  await ensureAddon();
  await ensureTypeScript();
  return true;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await main(async () => {
    const started = Date.now();
    if (await build()) say(`-- built after ${seconds(Date.now() - started)}`);
  });
}
