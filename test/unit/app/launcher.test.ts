// Tests of scripts/metastore: which allocator the server's process gets. A script that prints what
// it was given takes the place of Node.js.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { launcher } from '../../support/process.js';
import { tempDir } from '../../support/temp-dir.js';

const folders = ['/usr/lib', '/usr/lib64'].filter(existsSync);
const below = folders.flatMap((path) => readdirSync(path).map((name) => join(path, name)));
const hasJemalloc = [...folders, ...below].some((at) => existsSync(join(at, 'libjemalloc.so.2')));
const jemalloc = hasJemalloc ? {} : { skip: 'jemalloc is not installed' };

const dir = tempDir('launcher');
const node = join(dir, 'node');
writeFileSync(node, '#!/bin/sh\necho "preload=$LD_PRELOAD"\necho "last=$(eval echo \\$$#)"\n', {
  mode: 0o755,
});
const addon = join(dir, 'addon.node');
writeFileSync(addon, '');

function printed(env: Readonly<Record<string, string>>): string[] {
  const { stdout, stderr, status } = spawnSync(launcher, ['--name=one'], {
    env: { PATH: process.env.PATH ?? '', METASTORE_NODE: node, METASTORE_ADDON: addon, ...env },
    encoding: 'utf8',
  });
  t.equal(status, 0, stderr);
  return stdout.trim().split('\n');
}

t.test('without the twin of the addon nothing is preloaded', async (test) => {
  test.strictSame(printed({}), ['preload=', 'last=--name=one']);
});

t.test('with it, jemalloc is', jemalloc, async (test) => {
  writeFileSync(join(dir, 'addon-jemalloc.node'), '');
  test.strictSame(printed({}), ['preload=libjemalloc.so.2', 'last=--name=one']);
  const system = printed({ METASTORE_ALLOCATOR: 'system' });
  test.strictSame(system, ['preload=', 'last=--name=one'], 'unless it is not wanted');
  const own = printed({ LD_PRELOAD: 'libm.so.6' });
  test.strictSame(own, ['preload=libm.so.6', 'last=--name=one'], 'or something else is');
});
