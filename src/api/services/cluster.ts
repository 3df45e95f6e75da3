// The Cluster service: the list of members and its changes. What may be changed when is decided by
// the membership operations and by the log; answers carry the members as they are then.

import { bytesOf } from '../../base/bytes.js';
import type { CallContext } from '../../base/call.js';
import * as rpc from '../../base/proto/messages.js';
import type { MemberInfo } from '../../cluster/membership.js';
import type { Member } from '../../server/member.js';
import type { MembershipOperations } from '../../server/membership/operations.js';
import type { Access } from '../access.js';
import { tokenOf } from '../auth/authentication.js';
import { type Service, unary } from './service.js';

function message(info: MemberInfo): rpc.Member {
  return {
    ID: info.id,
    name: info.name,
    peerURLs: info.peerUrls,
    clientURLs: info.clientUrls,
    isLearner: info.isLearner,
  };
}

/** The header of an answer about members, which carries no revision, and the members. */
function listing(member: Member, members: readonly MemberInfo[]) {
  return { header: { ...member.header(), revision: 0n }, members: members.map(message) };
}

async function memberList(
  member: Member,
  access: Access,
  context: CallContext,
  bytes: Buffer,
): Promise<Buffer> {
  const { linearizable } = rpc.memberListRequest.decode(bytesOf(bytes));
  await access.requireUser(context);
  if (linearizable) {
    await member.linearizable();
  }
  return rpc.memberListResponse.encode(listing(member, member.membership.list()));
}

export function clusterService(
  member: Member,
  operations: MembershipOperations,
  access: Access,
): Service {
  const add = async (context: CallContext, bytes: Buffer) => {
    const { peerURLs, isLearner } = rpc.memberAddRequest.decode(bytesOf(bytes));
    await access.requireAdmin(context);
    const added = await operations.add(peerURLs, isLearner, context.signal);
    const rest = listing(member, added.members);
    return rpc.memberAddResponse.encode({ ...rest, member: message(added.member) });
  };
  const remove = async (context: CallContext, bytes: Buffer) => {
    const { ID } = rpc.memberRemoveRequest.decode(bytesOf(bytes));
    await access.requireAdmin(context);
    const members = await operations.remove(ID, context.signal);
    return rpc.memberRemoveResponse.encode(listing(member, members));
  };
  const update = async (context: CallContext, bytes: Buffer) => {
    const { ID, peerURLs } = rpc.memberUpdateRequest.decode(bytesOf(bytes));
    await access.requireAdmin(context);
    const members = await operations.update(ID, peerURLs, context.signal);
    return rpc.memberUpdateResponse.encode(listing(member, members));
  };
  const promote = async (context: CallContext, bytes: Buffer) => {
    const { ID } = rpc.memberPromoteRequest.decode(bytesOf(bytes));
    await access.requireAdmin(context);
    const members = await operations.promote(ID, context.signal, tokenOf(context) ?? null);
    return rpc.memberPromoteResponse.encode(listing(member, members));
  };
  return {
    MemberList: unary((context, request) => memberList(member, access, context, request)),
    MemberAdd: unary(add),
    MemberRemove: unary(remove),
    MemberUpdate: unary(update),
    MemberPromote: unary(promote),
  };
}
