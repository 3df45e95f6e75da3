// The Cluster service: the list of members and its changes. What may be changed when is decided by
// the membership operations and by the log; answers carry the members as they are then.

import { bytesOf } from '../../base/bytes.js';
import type { CallContext } from '../../base/call.js';
import * as rpc from '../../base/proto/messages.js';
import type { MemberInfo } from '../../cluster/membership.js';
import type { Member } from '../../server/member.js';
import type { MembershipOperations } from '../../server/membership/operations.js';
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

async function memberList(member: Member, bytes: Buffer): Promise<Buffer> {
  const { linearizable } = rpc.memberListRequest.decode(bytesOf(bytes));
  if (linearizable) {
    await member.linearizable();
  }
  return rpc.memberListResponse.encode(listing(member, member.membership.list()));
}

export function clusterService(member: Member, operations: MembershipOperations): Service {
  const add = async ({ signal }: CallContext, bytes: Buffer) => {
    const { peerURLs, isLearner } = rpc.memberAddRequest.decode(bytesOf(bytes));
    const added = await operations.add(peerURLs, isLearner, signal);
    const rest = listing(member, added.members);
    return rpc.memberAddResponse.encode({ ...rest, member: message(added.member) });
  };
  const remove = async ({ signal }: CallContext, bytes: Buffer) => {
    const { ID } = rpc.memberRemoveRequest.decode(bytesOf(bytes));
    const members = await operations.remove(ID, signal);
    return rpc.memberRemoveResponse.encode(listing(member, members));
  };
  const update = async ({ signal }: CallContext, bytes: Buffer) => {
    const { ID, peerURLs } = rpc.memberUpdateRequest.decode(bytesOf(bytes));
    const members = await operations.update(ID, peerURLs, signal);
    return rpc.memberUpdateResponse.encode(listing(member, members));
  };
  const promote = async ({ signal }: CallContext, bytes: Buffer) => {
    const { ID } = rpc.memberPromoteRequest.decode(bytesOf(bytes));
    const members = await operations.promote(ID, signal);
    return rpc.memberPromoteResponse.encode(listing(member, members));
  };
  return {
    MemberList: unary((_context, request) => memberList(member, request)),
    MemberAdd: unary(add),
    MemberRemove: unary(remove),
    MemberUpdate: unary(update),
    MemberPromote: unary(promote),
  };
}
