// The calls of the Cluster service and MoveLeader, as a client makes them.
// Used by the cluster harness and its tests; errors are CallErrors.

import { Codec } from '../../../src/base/proto/codec.js';
import type { Member, ResponseHeader } from '../../../src/base/proto/messages.js';
import type { EtcdClient } from '../etcd/client.js';

export interface MembersResponse {
  readonly header: ResponseHeader | null;
  /** Of MemberAdd alone. */
  readonly member?: Member | null;
  readonly members: readonly Member[];
}

interface MembersRequest {
  readonly ID?: bigint;
  readonly peerURLs?: readonly string[];
  readonly isLearner?: boolean;
}

const timeoutMs = 10_000;

function call(
  client: EtcdClient,
  method: string,
  fields: MembersRequest,
): Promise<MembersResponse> {
  const requests = new Codec<MembersRequest>(`etcdserverpb.${method}Request`);
  const responses = new Codec<MembersResponse>(`etcdserverpb.${method}Response`);
  const encoded = new Uint8Array(requests.encode(fields));
  return client
    .raw(`/etcdserverpb.Cluster/${method}`, encoded, { timeoutMs })
    .then((answer) => responses.decode(new Uint8Array(answer)));
}

export function memberAdd(client: EtcdClient, peerURLs: readonly string[], isLearner = false) {
  return call(client, 'MemberAdd', { peerURLs, isLearner });
}

export function memberRemove(client: EtcdClient, ID: bigint) {
  return call(client, 'MemberRemove', { ID });
}

export function memberUpdate(client: EtcdClient, ID: bigint, peerURLs: readonly string[]) {
  return call(client, 'MemberUpdate', { ID, peerURLs });
}

export function memberPromote(client: EtcdClient, ID: bigint) {
  return call(client, 'MemberPromote', { ID });
}

/** Asks a leader to hand over to the member with this id. */
export async function moveLeader(client: EtcdClient, targetID: bigint): Promise<void> {
  const requests = new Codec<{ readonly targetID: bigint }>('etcdserverpb.MoveLeaderRequest');
  const encoded = new Uint8Array(requests.encode({ targetID }));
  await client.raw('/etcdserverpb.Maintenance/MoveLeader', encoded, { timeoutMs });
}
