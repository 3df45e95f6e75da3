// What the parts of a member count, in one place for whoever shows metrics. Everything is counted
// as plain numbers where it happens; this only knows where.

import type { LeaseExpiry } from '../../state/lease/expiry.js';
import type { Lessor } from '../../state/lease/lessor.js';
import type { Addon, MemberCore, MetricRow } from '../../storage/native.js';
import type { HeartbeatWatch } from '../election/heartbeat-watch.js';
import type { Leadership } from '../election/leadership.js';
import type { Writes } from '../replica/disk/writes.js';
import type { ReplicaLoop } from '../replica/replica-loop.js';
import type { Proposals } from '../replica/requests/proposals.js';
import type { ReadIndexRounds } from '../replica/requests/read-index.js';
import type { Tickets } from '../replica/requests/tickets.js';
import type { ControlTimes } from './control-times.js';
import type { RequestTimes } from './request-times.js';
import type { SlowRequests } from './slow-requests.js';

export interface CountedParts {
  readonly requestTimes: RequestTimes;
  readonly controlTimes: ControlTimes;
  readonly slow: SlowRequests;
  readonly tickets: Tickets;
  readonly reads: ReadIndexRounds;
  readonly heartbeats: HeartbeatWatch;
  readonly leadership: Leadership;
  readonly lessor: Lessor;
  readonly loop: Pick<ReplicaLoop, 'turns' | 'turnSeconds'>;
  readonly proposals: Pick<Proposals, 'batchOperations'>;
  readonly writes: Pick<Writes, 'installing' | 'installSeconds'>;
}

/** What the data plane counts by itself. */
export interface PlaneSource {
  /** Adds what is new to the times of requests. */
  take(): void;
  readonly proposals: number;
  readonly waiting: number;
}

export class MemberCounts {
  /** Set where there is a plane. */
  plane: PlaneSource | null = null;
  readonly parts: CountedParts;
  readonly expiry: Pick<LeaseExpiry, 'revoked'>;
  /** Names and bounds of the numbers of `native`. */
  readonly nativeRows: readonly MetricRow[];
  readonly #core: Pick<MemberCore, 'metrics'>;

  constructor(
    parts: CountedParts,
    expiry: Pick<LeaseExpiry, 'revoked'>,
    addon: Pick<Addon, 'metrics'>,
    core: Pick<MemberCore, 'metrics'>,
  ) {
    this.parts = parts;
    this.expiry = expiry;
    this.nativeRows = addon.metrics;
    this.#core = core;
  }

  /** What native code has counted so far; throws once the member has been closed. */
  native(): Float64Array {
    return this.#core.metrics();
  }
}
