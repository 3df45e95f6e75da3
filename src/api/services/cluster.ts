// The Cluster service: the list of members. Changes of the membership answer Unimplemented until
// they are built.

import { bytesOf } from '../../base/bytes.js';
import * as rpc from '../../base/proto/messages.js';
import type { Member } from '../../server/member.js';
import { type Service, unary } from './service.js';

async function memberList(member: Member, bytes: Buffer): Promise<Buffer> {
  const { linearizable } = rpc.memberListRequest.decode(bytesOf(bytes));
  if (linearizable) {
    await member.linearizable();
  }
  const members = member.membership.list().map((info) => ({
    ID: info.id,
    name: info.name,
    peerURLs: info.peerUrls,
    clientURLs: info.clientUrls,
    isLearner: info.isLearner,
  }));
  // Answers about members carry no revision.
  const header = { ...member.header(), revision: 0n };
  return rpc.memberListResponse.encode({ header, members });
}

export function clusterService(member: Member): Service {
  return {
    MemberList: unary((_context, request) => memberList(member, request)),
  };
}
