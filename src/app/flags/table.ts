// The whole table of flags, by name.
// The parser, the sources, the validation and the help all go by it.

import type { FlagRow } from './row.js';
import { clusterFlags } from './tables/cluster.js';
import { featureFlags, memberFlags } from './tables/member.js';
import { ownFlags } from './tables/own.js';
import { ignoredFlags, monitoringFlags, securityFlags } from './tables/security.js';

/** Sections in the order of the help. */
export const flagSections: readonly (readonly [string, readonly FlagRow[]])[] = [
  ['Member', memberFlags],
  ['Clustering', clusterFlags],
  ['Security and authentication', securityFlags],
  ['Logging and monitoring', monitoringFlags],
  ['Features', featureFlags],
  ['Storage engine', ownFlags],
];

export const flagTable: ReadonlyMap<string, FlagRow> = new Map(
  [...flagSections.flatMap(([, rows]) => rows), ...ignoredFlags].map((row) => [row.name, row]),
);
