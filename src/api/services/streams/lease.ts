// The Lease service. Grants and revocations go through the log natively; deadlines are the
// lessor's. Renewals and remaining times are the leader's to say, since only its clock counts:
// ../../leases.ts asks it.

import { bytesOf } from '../../../base/bytes.js';
import type { CallContext, ServerStream } from '../../../base/call.js';
import * as rpc from '../../../base/proto/messages.js';
import type { Member } from '../../../server/member.js';
import type { Methods } from '../../../storage/native.js';
import type { Access } from '../../access.js';
import { checkListing, checkRenewal, withReadableKeys } from '../../auth/lease-permissions.js';
import type { Leases } from '../../leases.js';
import { type Service, stream, unary } from '../service.js';

/** What TimeToLive says of a lease that does not exist. */
const NO_LEASE_TTL = -1n;

interface LeaseParts {
  readonly member: Member;
  readonly leases: Leases;
  readonly access: Access;
}

/** Renews leases as they are named; ends with the error where one cannot be asked about. */
async function keepAlive(
  { member, leases, access }: LeaseParts,
  context: CallContext,
  call: ServerStream,
): Promise<void> {
  for (;;) {
    const bytes = await call.receive();
    if (bytes === null) {
      return;
    }
    const { ID } = rpc.leaseKeepAliveRequest.decode(bytesOf(bytes));
    await member.leaderKnown();
    await checkRenewal(member, await access.requireUser(context), ID);
    const header = member.header();
    const TTL = await leases.renew(ID, context.signal);
    call.send(rpc.leaseKeepAliveResponse.encode({ header, ID, TTL }));
  }
}

async function timeToLive(
  { member, leases, access }: LeaseParts,
  context: CallContext,
  bytes: Buffer,
): Promise<Buffer> {
  const { ID, keys } = rpc.leaseTimeToLiveRequest.decode(bytesOf(bytes));
  const caller = await access.requireUser(context);
  const ask = () => leases.timeToLive(ID, keys, context.signal);
  const found = await (keys ? withReadableKeys(member, caller, ID, ask) : ask());
  const header = member.header();
  return rpc.leaseTimeToLiveResponse.encode(
    found === null ? { header, ID, TTL: NO_LEASE_TTL } : { ...found, header },
  );
}

async function list(
  { member, access }: LeaseParts,
  context: CallContext,
  bytes: Buffer,
): Promise<Buffer> {
  rpc.leaseLeasesRequest.decode(bytesOf(bytes));
  const caller = await access.requireUser(context);
  const ids = member.lessor.list();
  await checkListing(member, caller, ids);
  const leases = ids.map((ID) => ({ ID }));
  return rpc.leaseLeasesResponse.encode({ header: member.header(), leases });
}

export function leaseService(member: Member, leases: Leases, access: Access): Service {
  const parts = { member, leases, access };
  const run = (method: keyof Methods) =>
    unary((context, request) =>
      access.as(context, (caller) => member.execute(method, request, caller)),
    );
  return {
    LeaseGrant: run('LeaseGrant'),
    LeaseRevoke: run('LeaseRevoke'),
    LeaseKeepAlive: stream((context, call) => keepAlive(parts, context, call)),
    LeaseTimeToLive: unary((context, request) => timeToLive(parts, context, request)),
    LeaseLeases: unary((context, request) => list(parts, context, request)),
  };
}
