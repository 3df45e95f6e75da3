// The Lease service. Grants and revocations go through the log natively; deadlines are the
// lessor's. Renewals and remaining times are the leader's to say, since only its clock counts:
// ../leases.ts asks it.

import { bytesOf } from '../../base/bytes.js';
import type { CallContext, ServerStream } from '../../base/call.js';
import * as rpc from '../../base/proto/messages.js';
import type { Member } from '../../server/member.js';
import type { Methods } from '../../storage/native.js';
import type { Access } from '../access.js';
import type { Leases } from '../leases.js';
import { type Service, stream, unary } from './service.js';

/** What TimeToLive says of a lease that does not exist. */
const NO_LEASE_TTL = -1n;

/** Renews leases as they are named; ends with the error where one cannot be asked about. */
async function keepAlive(
  member: Member,
  leases: Leases,
  signal: AbortSignal,
  call: ServerStream,
): Promise<void> {
  for (;;) {
    const bytes = await call.receive();
    if (bytes === null) {
      return;
    }
    const { ID } = rpc.leaseKeepAliveRequest.decode(bytesOf(bytes));
    const header = member.header();
    const TTL = await leases.renew(ID, signal);
    call.send(rpc.leaseKeepAliveResponse.encode({ header, ID, TTL }));
  }
}

async function timeToLive(
  member: Member,
  leases: Leases,
  { signal }: CallContext,
  bytes: Buffer,
): Promise<Buffer> {
  const { ID, keys } = rpc.leaseTimeToLiveRequest.decode(bytesOf(bytes));
  const found = await leases.timeToLive(ID, keys, signal);
  const header = member.header();
  return rpc.leaseTimeToLiveResponse.encode(
    found === null ? { header, ID, TTL: NO_LEASE_TTL } : { ...found, header },
  );
}

export function leaseService(member: Member, leases: Leases, access: Access): Service {
  const run = (method: keyof Methods) =>
    unary((context, request) =>
      access.as(context, (caller) => member.execute(method, request, caller)),
    );
  return {
    LeaseGrant: run('LeaseGrant'),
    LeaseRevoke: run('LeaseRevoke'),
    LeaseKeepAlive: stream(({ signal }, call) => keepAlive(member, leases, signal, call)),
    LeaseTimeToLive: unary((context, request) => timeToLive(member, leases, context, request)),
    LeaseLeases: unary(async (_context, request) => {
      rpc.leaseLeasesRequest.decode(bytesOf(request));
      const list = member.lessor.list().map((ID) => ({ ID }));
      return rpc.leaseLeasesResponse.encode({ header: member.header(), leases: list });
    }),
  };
}
