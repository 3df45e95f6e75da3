// `npm start`: installs and builds what is missing or stale, then serves from ./default.etcd with
// a log for people. Further arguments go to the server: `npm start -- --name one`.
// The server runs in this very process, so no child can outlive it and signals reach it directly.

import { pathToFileURL } from 'node:url';
import { build } from './build.mjs';
import { inRoot, main, say, seconds } from './lib/tasks.mjs';

await main(async () => {
  const started = Date.now();
  if (await build()) say(`-- ready to start after ${seconds(Date.now() - started)}`);
  const program = inRoot('dist', 'src', 'app', 'main.js');
  process.argv = [process.argv[0], program, '--log-format=console', ...process.argv.slice(2)];
  await import(pathToFileURL(program).href);
});
