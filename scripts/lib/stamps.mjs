// Decides whether something built is still up to date: a stamp holds the hash of all its inputs.
// Contents are hashed, not times, so that a fresh checkout or a touched file rebuilds nothing.
// Called by the build steps; stamps live in build/stamps and vanish with `rm -rf build`.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { inRoot, root } from './tasks.mjs';

/** All files below a path (or the path itself), sorted, as absolute paths. */
export function filesBelow(path, accept = () => true) {
  if (!existsSync(path)) return [];
  if (statSync(path).isFile()) return accept(path) ? [path] : [];
  const found = [];
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) found.push(...filesBelow(child, accept));
    else if (entry.isFile() && accept(child)) found.push(child);
  }
  return found.sort();
}

/**
 * One hash over files and further strings.
 * @param {string[]} paths below the root; folders are walked
 * @param {string[]} facts anything else that the result depends on (versions, options)
 */
export function hashInputs(paths, facts = [], accept = undefined) {
  const hash = createHash('sha256');
  for (const fact of facts) hash.update(`${fact}\0`);
  for (const path of paths) {
    for (const file of filesBelow(inRoot(path), accept)) {
      hash.update(`${relative(root, file)}\0`);
      hash.update(readFileSync(file));
      hash.update('\0');
    }
  }
  return hash.digest('hex');
}

function stampPath(name) {
  return inRoot('build', 'stamps', name);
}

/** True when the stamp equals the hash and every output exists. */
export function isFresh(name, hash, outputs = []) {
  if (!outputs.every((output) => existsSync(inRoot(output)))) return false;
  try {
    return readFileSync(stampPath(name), 'utf8') === hash;
  } catch {
    return false;
  }
}

/** Remembers that what `name` stands for was built from inputs of this hash. */
export function writeStamp(name, hash) {
  mkdirSync(dirname(stampPath(name)), { recursive: true });
  writeFileSync(stampPath(name), hash);
}
