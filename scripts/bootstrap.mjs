// Brings a fresh machine to where the addon and TypeScript can be built: system packages and npm
// packages. Plain JavaScript with Node built-ins, since nothing else is there yet. Run by start,
// test and build; by itself (`node scripts/bootstrap.mjs`) it only installs.

import { pathToFileURL } from 'node:url';
import { ensureNpmPackages, npmPackagesAreFresh } from './lib/npm-packages.mjs';
import { ensureSystemPackages } from './lib/system-packages.mjs';
import { main, step } from './lib/tasks.mjs';

const nodeMajorMin = 20;

/** Installs what is missing; quick when nothing is. */
export async function bootstrap() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < nodeMajorMin) {
    throw new Error(`Node.js ${nodeMajorMin} or newer is needed, this is ${process.version}`);
  }
  await step('system packages', ensureSystemPackages);
  if (!npmPackagesAreFresh()) await step('npm packages', ensureNpmPackages);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(bootstrap);
