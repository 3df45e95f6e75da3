// Finds and loads the native addon, once per process. The only place that knows where it may lie:
// the local build first, then the prebuilt per-platform package. Called by app/compose and tests.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
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

const { RTLD_LAZY = 0, RTLD_DEEPBIND = 0 } = constants.dlopen as Record<string, number>;
const JEMALLOC = /^([^ :]*\/)?libjemalloc\.so\.2$/;

/**
 * Node exports the functions of the nghttp2, libuv and zlib inside it, and they would be found
 * before those of the libraries that the addon was compiled for. Where the linker can, it looks at
 * the addon's own first. Not with preloaded libraries: an allocator or a sanitizer has to be found
 * before everything else. Where jemalloc alone is preloaded (scripts/metastore does it), the
 * addon's twin has it before everything else, and its own libraries then.
 */
function load(path: string): Addon {
  const preloaded = process.env.LD_PRELOAD ?? '';
  const twin = path.replace(/\.node$/, '-jemalloc.node');
  const isTwin = JEMALLOC.test(preloaded) && twin !== path && existsSync(twin);
  const flags = isTwin || preloaded === '' ? RTLD_LAZY | RTLD_DEEPBIND : RTLD_LAZY;
  const module: { exports: unknown } = { exports: {} };
  process.dlopen(module, isTwin ? twin : path, flags);
  return module.exports as Addon;
}

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
      loaded = load(require.resolve(candidate));
      return loaded;
    } catch (error) {
      const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
      failures.push(`  ${candidate}: ${reason}`);
    }
  }
  throw new Error(`metastore: the native addon could not be loaded; tried\n${failures.join('\n')}`);
}
