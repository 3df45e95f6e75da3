// Ends requests that have waited too long, wherever they are known: those of handlers by their
// tickets, those of the data plane by their age. Called by Member at each tick.

import { MetaStoreError } from '../../../base/errors.js';
import type { MemberCore } from '../../../storage/native.js';
import type { Leadership } from '../../election/leadership.js';
import type { Tickets } from '../../replica/requests/tickets.js';
import type { PlaneGate } from './gate.js';

export interface ExpiryParts {
  readonly tickets: Tickets;
  readonly leadership: Leadership;
  readonly gate: PlaneGate;
}

export function expireRequests(
  { tickets, leadership, gate }: ExpiryParts,
  core: Pick<MemberCore, 'expireQueued'>,
  timeoutMs: number,
  nowMs: number,
): void {
  gate.expire(timeoutMs, () => leadership.expiryAges());
  tickets.expire(
    nowMs - timeoutMs,
    (ticket) => core.expireQueued(ticket),
    (kind, startedMs) =>
      MetaStoreError.of(kind === 'read' ? 'Timeout' : leadership.timeoutReason(startedMs)),
  );
}
