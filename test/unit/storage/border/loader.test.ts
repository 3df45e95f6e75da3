// The addon's libraries: Node carries nghttp2, libuv and zlib of its own and exports them, so that
// only the way of loading decides whose functions serve the data plane.

import { spawnSync } from 'node:child_process';
import t from 'tap';
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

t.test('a preloaded library keeps its place before everything else', linux, async (test) => {
  const loader = new URL('../../../../src/storage/loader.js', import.meta.url).href;
  const script = `const { loadAddon } = await import(${JSON.stringify(loader)});
    console.log(JSON.stringify(loadAddon().planeLibraries));`;
  const env = { ...process.env, LD_PRELOAD: 'libm.so.6' };
  const { stdout, status } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', script],
    { env, encoding: 'utf8', timeout: 60_000 },
  );
  test.equal(status, 0);
  const libraries = JSON.parse(stdout) as Record<string, string>;
  test.strictSame(Object.keys(libraries), Object.keys(names));
});
