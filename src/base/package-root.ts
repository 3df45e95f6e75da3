// Where this package lies on disk, for the files that are read at run time: the .proto files and
// the launcher. Found by walking up from this module, so it holds for any build folder inside the
// package and for an installed package alike.

import { existsSync } from 'node:fs';
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
