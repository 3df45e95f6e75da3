// What the expiry of leases asks of the member: to be sure that it leads, and proposals that every
// member applies. Made by Member, for the expiry loop and the Lease service.

import * as rpc from '../../base/proto/messages.js';
import type { AuthState } from '../../state/auth/auth-state.js';
import type { LeaseProposals } from '../../state/lease/expiry.js';
import type { Checkpoint } from '../../state/lease/lessor.js';
import { type Caller, ownCaller } from './caller.js';

/** The part of Member that it needs. */
export interface LeaseMember {
  readonly auth: Pick<AuthState, 'enabled' | 'currentRevision'>;
  confirmLeadership(): Promise<void>;
  execute(
    method: 'LeaseRevoke' | 'LeaseCheckpoint',
    request: Buffer,
    caller?: Caller,
  ): Promise<Buffer>;
}

/** Notes remaining times of leases in the log. */
export function checkpointLeases(
  member: LeaseMember,
  checkpoints: readonly Checkpoint[],
): Promise<Buffer> {
  const request = rpc.leaseCheckpointRequest.encode({
    checkpoints: checkpoints.map(({ id, remainingSeconds }) => ({
      ID: id,
      remaining_TTL: BigInt(remainingSeconds),
    })),
  });
  return member.execute('LeaseCheckpoint', request);
}

export function leaseProposals(member: LeaseMember): LeaseProposals {
  return {
    confirmLeadership: () => member.confirmLeadership(),
    revoke: (ID) => {
      const caller = ownCaller(member.auth);
      return member.execute('LeaseRevoke', rpc.leaseRevokeRequest.encode({ ID }), caller);
    },
    checkpoint: (checkpoints) => checkpointLeases(member, checkpoints),
  };
}
