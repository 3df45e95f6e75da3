// Keeps node_modules equal to package-lock.json. Called by the bootstrap, before TypeScript.
// Freshness is read from what npm itself records in node_modules, so no stamp of ours can lie:
// a branch switch that changes the lock file is seen, a reinstall by hand is accepted.

import { existsSync, readFileSync } from 'node:fs';
import { inRoot, run } from './tasks.mjs';

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}

/** True when every package of the lock file is installed at exactly its version. */
export function npmPackagesAreFresh() {
  const locked = readJson(inRoot('package-lock.json'))?.packages;
  const installed = readJson(inRoot('node_modules', '.package-lock.json'))?.packages;
  if (!locked || !installed) return false;
  for (const [path, entry] of Object.entries(locked)) {
    if (path === '' || entry.link) continue;
    const present = installed[path];
    if (!present) {
      if (entry.optional) continue; // Another platform's binary.
      return false;
    }
    if (present.version !== entry.version || present.integrity !== entry.integrity) return false;
    if (!existsSync(inRoot(path))) return false;
  }
  return true;
}

/**
 * Installs the locked packages when needed. Install scripts stay off: nothing here needs one, and
 * recent npm refuses them anyway.
 */
export function ensureNpmPackages() {
  if (npmPackagesAreFresh()) return false;
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
  return true;
}
