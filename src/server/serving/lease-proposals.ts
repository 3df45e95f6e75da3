// What the expiry of leases asks of the member: to be sure that it leads, and proposals that every
// member applies. Made by Member, for the expiry loop and the Lease service.

import * as rpc from '../../base/proto/messages.js';
import type { LeaseProposals } from '../../state/lease/expiry.js';
import type { Checkpoint } from '../../state/lease/lessor.js';

/** The part of Member that it needs. */
export interface LeaseMember {
  confirmLeadership(): Promise<void>;
  execute(method: 'LeaseRevoke' | 'LeaseCheckpoint', request: Buffer): Promise<Buffer>;
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
    revoke: (ID) => member.execute('LeaseRevoke', rpc.leaseRevokeRequest.encode({ ID })),
    checkpoint: (checkpoints) => checkpointLeases(member, checkpoints),
  };
}
