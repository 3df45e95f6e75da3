// Ties the plane to the member and to what is counted: the gate of what it serves by itself, its
// counts at each scrape, its word about slow calls. Called by client-side.ts where there is one.

import { PlaneCounts, readSlowCall } from '../../api/metrics/plane.js';
import type { RequestStats } from '../../api/metrics/request-stats.js';
import type { Logger } from '../../base/log/logger.js';
import type { Metrics } from '../../base/metrics/metrics.js';
import type { Member } from '../../server/member.js';
import type { Addon } from '../../storage/native.js';
import type { NativePlane } from '../../storage/native-plane.js';
import { MemoryWatch } from '../../transport/limits.js';
import type { ServerConfig } from '../config/config.js';

export interface PlaneParts {
  readonly config: ServerConfig;
  readonly addon: Pick<Addon, 'gateFlags'>;
  readonly member: Member;
  readonly metrics: Metrics;
  readonly log: Logger;
}

/** Below it every call would be warned of, which native code leaves to TypeScript. */
const LEAST_WARNING_MS = 1;

export function attachPlane(plane: NativePlane, parts: PlaneParts): void {
  const { config, addon, member, metrics, log } = parts;
  const { extensive, warningUnaryMs } = config.observed;
  const memory = new MemoryWatch(config.bounds.maxMemoryBytes);
  const isUnseen =
    config.tracing === null && !config.notesRequests && warningUnaryMs >= LEAST_WARNING_MS;
  member.gate.attach(plane, addon.gateFlags, {
    // At debug level every call is told of.
    isQuiet: () => isUnseen && !log.enabled('debug'),
    isFull: () => memory.isExceeded(),
  });
  const { requestTimes } = member.counts.parts;
  const counts = new PlaneCounts(plane, { metrics, requestTimes, extensive });
  member.counts.plane = counts;
}

/** The log's word about a call that took long on the plane. */
export function tellSlow(stats: RequestStats, record: Buffer): void {
  const { path, peer, tookMs, request, reply } = readSlowCall(record);
  stats.ended(path, { peer }, performance.now() - tookMs, tookMs, request, reply);
}
