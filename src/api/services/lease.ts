// The Lease service. Grants and revocations go through the log natively; deadlines are the
// lessor's. Renewals and remaining times are answered by the leader alone, since only its clock
// counts.

import { bytesOf } from '../../base/bytes.js';
import type { ServerStream } from '../../base/call.js';
import * as rpc from '../../base/proto/messages.js';
import type { Member } from '../../server/member.js';
import { type Service, stream, unary } from './service.js';

/** What TimeToLive says of a lease that does not exist. */
const NO_LEASE_TTL = -1n;

/** Renews a lease; 0 when there is none. Ends the stream where it throws. */
async function renew(member: Member, id: bigint): Promise<number> {
  const { lessor } = member;
  await member.leaderKnown();
  if (!lessor.has(id)) {
    // It may have been granted a moment ago, and not be applied yet.
    await member.appliedUpTo(member.committedIndex);
  }
  await member.confirmLeadership();
  if (lessor.checkpointedSeconds(id) > 0) {
    await member.checkpointLeases([{ id, remainingSeconds: 0 }]);
  }
  return (await lessor.renew(id)) ?? 0;
}

async function keepAlive(member: Member, call: ServerStream): Promise<void> {
  for (;;) {
    const bytes = await call.receive();
    if (bytes === null) {
      return;
    }
    const { ID } = rpc.leaseKeepAliveRequest.decode(bytesOf(bytes));
    const header = member.header();
    const TTL = BigInt(await renew(member, ID));
    call.send(rpc.leaseKeepAliveResponse.encode({ header, ID, TTL }));
  }
}

async function timeToLive(member: Member, bytes: Buffer): Promise<Buffer> {
  const { ID, keys } = rpc.leaseTimeToLiveRequest.decode(bytesOf(bytes));
  await member.leaderKnown();
  await member.appliedUpTo(member.committedIndex);
  const found = member.lessor.timeToLive(ID);
  if (found === null) {
    const header = member.header();
    return rpc.leaseTimeToLiveResponse.encode({ header, ID, TTL: NO_LEASE_TTL });
  }
  const attached = keys ? await member.leaseKeys(ID) : [];
  return rpc.leaseTimeToLiveResponse.encode({
    header: member.header(),
    ID,
    TTL: BigInt(found.remainingSeconds),
    grantedTTL: BigInt(found.grantedSeconds),
    keys: attached,
  });
}

export function leaseService(member: Member): Service {
  return {
    LeaseGrant: unary((_context, request) => member.execute('LeaseGrant', request)),
    LeaseRevoke: unary((_context, request) => member.execute('LeaseRevoke', request)),
    LeaseKeepAlive: stream((_context, call) => keepAlive(member, call)),
    LeaseTimeToLive: unary((_context, request) => timeToLive(member, request)),
    LeaseLeases: unary(async (_context, request) => {
      rpc.leaseLeasesRequest.decode(bytesOf(request));
      const leases = member.lessor.list().map((ID) => ({ ID }));
      return rpc.leaseLeasesResponse.encode({ header: member.header(), leases });
    }),
  };
}
