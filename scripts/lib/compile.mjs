// Builds the two halves when they are stale: the addon with cmake-js, TypeScript with tsc.
// Called by start, test and build. Both are skipped by a content stamp (stamps.mjs), which is what
// makes a second start quick.

import { existsSync, rmSync } from 'node:fs';
import { relative } from 'node:path';
import { filesBelow, hashInputs, isFresh, writeStamp } from './stamps.mjs';
import { inRoot, run, step } from './tasks.mjs';

/** Where the addon is built to; src/storage/loader.ts looks there first. */
export const addonPath = 'build/native/Release/metastore.node';

/** The core library inside it, which the C++ units test. */
export const coreLibraryPath = 'build/native/libmetastore_core.a';

const nativeSources = (path) => !path.includes('/native/test/') && !path.includes('/build/');

/** Folders that tsc compiles, in tsconfig.json's words. */
const typeScriptInputs = ['src', 'test', 'bench', 'tsconfig.json'];

function addonHash() {
  return hashInputs(
    ['native'],
    [process.version, process.arch, process.platform, process.env.CXX ?? ''],
    nativeSources,
  );
}

/** Builds the addon unless its sources are those of the last build. */
export async function ensureAddon() {
  const hash = addonHash();
  if (isFresh('addon', hash, [addonPath, coreLibraryPath])) return false;
  await step('addon (C++)', () => {
    const cmakeJs = inRoot('node_modules', 'cmake-js', 'bin', 'cmake-js');
    run(process.execPath, [
      cmakeJs,
      'compile',
      '--directory',
      inRoot('native'),
      '--out',
      inRoot('build', 'native'),
      '--log-level',
      'warn',
    ]);
  });
  if (!existsSync(inRoot(addonPath))) throw new Error(`the build left no ${addonPath}`);
  writeStamp('addon', hash);
  return true;
}

function typeScriptHash() {
  const isInput = (path) => path.endsWith('.ts') || path.endsWith('tsconfig.json');
  return hashInputs(typeScriptInputs, [process.version], isInput);
}

/** Removes compiled files whose source is gone, so that no deleted test goes on running. */
function pruneCompiled() {
  for (const file of filesBelow(inRoot('dist'), (path) => /\.js(\.map)?$/.test(path))) {
    const source = relative(inRoot('dist'), file).replace(/\.js(\.map)?$/, '.ts');
    if (!existsSync(inRoot(source))) rmSync(file);
  }
}

/** Compiles TypeScript unless nothing changed. A type error is an Error. */
export async function ensureTypeScript() {
  const hash = typeScriptHash();
  if (isFresh('typescript', hash, ['dist/src/app/main.js'])) return false;
  await step('TypeScript', () => {
    run(process.execPath, [inRoot('node_modules', 'typescript', 'bin', 'tsc'), '-p', inRoot()]);
    pruneCompiled();
  });
  writeStamp('typescript', hash);
  return true;
}

/** True when both halves are built from the present sources. */
export function everythingIsFresh() {
  return (
    isFresh('addon', addonHash(), [addonPath, coreLibraryPath]) &&
    isFresh('typescript', typeScriptHash(), ['dist/src/app/main.js'])
  );
}
