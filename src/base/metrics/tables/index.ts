// All definitions, in the order of docs/metrics.md. The registry and that document are made of
// them; whoever counts imports the table of its subject.

import type { Definition } from '../definition.js';
import { diskMetrics } from './disk.js';
import { mvccMetrics } from './mvcc.js';
import { networkMetrics } from './network.js';
import { ownMetrics } from './own.js';
import { processMetrics } from './process.js';
import { rpcMetrics } from './rpc.js';
import { serverMetrics } from './server.js';

/** By subject, as they are documented. */
export const tables = {
  'The member and its requests': serverMetrics,
  'The store and watches': mvccMetrics,
  'The log and the disk': diskMetrics,
  'The network': networkMetrics,
  'Calls by method': rpcMetrics,
  'The process': processMetrics,
  'MetaStore alone': ownMetrics,
} satisfies Readonly<Record<string, Readonly<Record<string, Definition>>>>;

export const definitions: readonly Definition[] = Object.values(tables).flatMap((table) =>
  Object.values<Definition>(table),
);
