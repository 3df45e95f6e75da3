// Finds and loads the native addon, once per process. The only place that knows where it may lie:
// the local build first, then the prebuilt per-platform package. Called by app/compose and tests.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../base/package.js';
import type { Addon } from './native.js';

/** Names, relative to the package root, of what the two build doors leave behind. */
const LOCAL_BUILDS = [
  'build/native/Release/metastore.node',
  'build/native/Debug/metastore.node',
  'build/Release/metastore.node',
] as const;

let loaded: Addon | undefined;

/** e.g. `@metastore/native-linux-x64-gnu`; macOS has no C library variants. */
function platformPackage(): string {
  const name = `@metastore/native-${process.platform}-${process.arch}`;
  if (process.platform !== 'linux') return name;
  const report: unknown = process.report.getReport();
  const glibc = JSON.stringify(report).includes('glibcVersionRuntime');
  return `${name}-${glibc ? 'gnu' : 'musl'}`;
}

/**
 * The addon. METASTORE_ADDON names a file that is used instead of everything else.
 *
 * @throws Error that lists every place tried with the reason why it did not load
 */
export function loadAddon(): Addon {
  if (loaded !== undefined) return loaded;
  const require = createRequire(import.meta.url);
  const override = process.env.METASTORE_ADDON;
  const candidates =
    override !== undefined && override !== ''
      ? [override]
      : [...LOCAL_BUILDS.map((path) => join(packageRoot, path)), platformPackage()];
  const failures: string[] = [];
  for (const candidate of candidates) {
    try {
      loaded = require(candidate) as Addon;
      return loaded;
    } catch (error) {
      const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
      failures.push(`  ${candidate}: ${reason}`);
    }
  }
  throw new Error(`metastore: the native addon could not be loaded; tried\n${failures.join('\n')}`);
}
