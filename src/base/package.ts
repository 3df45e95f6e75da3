// This package: where it lies on disk, for the files that are read at run time, and the version
// numbers that the server answers with. The place is found by walking up from this module, so it
// holds for any build folder inside the package and for an installed package alike.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function find(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (let depth = 0; depth < 8; depth++) {
    if (existsSync(join(folder, 'proto', 'etcdserverpb', 'header.proto'))) {
      return folder;
    }
    folder = dirname(folder);
  }
  throw new Error('the installation is damaged: its proto directory is missing');
}

/** Absolute path of the package's directory. */
export const packageRoot: string = find();

/**
 * The etcd release whose interface this server has: clients and tools choose their behaviour by it.
 */
export const ETCD_VERSION = '3.7.1';

/** What a cluster of such servers agrees on, and the version of its stored data. */
export const CLUSTER_VERSION = '3.7.0';

/** The oldest cluster that such a server can belong to. */
export const MIN_CLUSTER_VERSION = '3.0.0';

/** The version of this package. */
export function packageVersion(): string {
  const manifest = readFileSync(join(packageRoot, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
