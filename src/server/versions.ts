// Version numbers that this server answers with. Clients and tools choose their behaviour by the
// etcd version, so it names the release whose interface is served.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../base/package-root.js';

/** The etcd release whose interface this server has. */
export const ETCD_VERSION = '3.7.1';

/** What a cluster of such servers agrees on, and the version of its stored data. */
export const CLUSTER_VERSION = '3.7.0';

/** The version of this package. */
export function packageVersion(): string {
  const manifest = readFileSync(join(packageRoot, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
