// Whether this leader sends its heartbeats in time. One that comes much later than the last means
// that this process or its machine was busy with something else, and that followers may soon look
// for another leader. Told by Outgoing of each heartbeat.

import { hexId } from '../../base/bytes.js';
import { formatDuration } from '../../base/clock.js';
import type { Logger } from '../../base/log/logger.js';
import type { NodeId } from '../../raft/index.js';

const LATE =
  'leader failed to send out heartbeat on time; took too long, ' +
  'leader is overloaded likely from slow disk';

export class HeartbeatWatch {
  readonly #log: Logger;
  readonly #nowMs: () => number;
  readonly #intervalMs: number;
  readonly #lastMs = new Map<NodeId, number>();
  /** Heartbeats that were late, for metrics. */
  late = 0;

  /** @param intervalMs between two heartbeats to a member; twice that is too late */
  constructor(log: Logger, nowMs: () => number, intervalMs: number) {
    this.#log = log;
    this.#nowMs = nowMs;
    this.#intervalMs = intervalMs;
  }

  sent(to: NodeId): void {
    const nowMs = this.#nowMs();
    const lastMs = this.#lastMs.get(to);
    this.#lastMs.set(to, nowMs);
    const allowedMs = 2 * this.#intervalMs;
    if (lastMs !== undefined && nowMs - lastMs > allowedMs) {
      this.late++;
      this.#log.warn(LATE, {
        to: hexId(to),
        'heartbeat-interval': formatDuration(this.#intervalMs),
        'expected-duration': formatDuration(allowedMs),
        'exceeded-duration': formatDuration(nowMs - lastMs - allowedMs),
      });
    }
  }

  /** Another leads, or this member anew: what was sent before means nothing. */
  reset(): void {
    this.#lastMs.clear();
  }
}
