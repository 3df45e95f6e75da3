// The addon's libraries: Node carries nghttp2, libuv and zlib of its own and exports them, so that
// only the way of loading decides whose functions serve the data plane.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../../../../src/base/package.js';
import { loadAddon } from '../../../../src/storage/loader.js';

const names = { nghttp2: 'libnghttp2', uv: 'libuv', zlib: 'libz' };

t.test('the addon runs the libraries that it was compiled for', async (test) => {
  const { planeLibraries } = loadAddon();
  test.strictSame(Object.keys(planeLibraries), Object.keys(names));
  for (const [name, file] of Object.entries(names)) {
    const path = planeLibraries[name] ?? '';
    if ((process.env.LD_PRELOAD ?? '') === '') {
      test.match(path, file, `${name} is the system's`);
      test.not(path, process.execPath);
    } else {
      test.not(path, '', `${name} is found`);
    }
  }
});

const linux = process.platform === 'linux' ? {} : { skip: 'nothing can be preloaded this way' };

/** What a process loads into which the library is preloaded, and the files that it maps then. */
function loadedWith(preload: string): { libraries: Record<string, string>; maps: string } {
  const loader = new URL('../../../../src/storage/loader.js', import.meta.url).href;
  const script = `const { loadAddon } = await import(${JSON.stringify(loader)});
    const libraries = loadAddon().planeLibraries;
    const maps = (await import('node:fs')).readFileSync('/proc/self/maps', 'utf8');
    console.log(JSON.stringify({ libraries, maps }));`;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    { env: { ...process.env, LD_PRELOAD: preload }, encoding: 'utf8', timeout: 60_000 },
  );
  t.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

t.test('a preloaded library keeps its place before everything else', linux, async (test) => {
  test.strictSame(Object.keys(loadedWith('libm.so.6').libraries), Object.keys(names));
});

const twin = join(packageRoot, 'build', 'native', 'Release', 'metastore-jemalloc.node');
const isBuilt = existsSync(twin) && (process.env.METASTORE_ADDON ?? '') === '';
const withTwin = isBuilt ? {} : { skip: 'jemalloc was not there when the addon was built' };

t.test('with jemalloc the addon still runs its own libraries', withTwin, async (test) => {
  const { libraries, maps } = loadedWith('libjemalloc.so.2');
  for (const [name, file] of Object.entries(names)) {
    test.match(libraries[name] ?? '', file, `${name} is the system's`);
  }
  test.ok(maps.includes(twin), 'the twin is what was loaded');
  test.match(maps, 'libjemalloc.so.2');
});
