// POST /leases, /leases/internal and /leases/renewals: what a follower asks for its clients, since
// only the leader's clock counts. Protobuf in, protobuf out; many renewals at once are packed
// integers. Called by the router of the peer port.

import { bytesOf } from '../../base/bytes.js';
import type { HttpRequest, HttpResponse } from '../../base/call.js';
import { MetaStoreError } from '../../base/errors.js';
import * as rpc from '../../base/proto/messages.js';
import { packIntegers, unpackIntegers } from '../../cluster/http/client.js';
import { refusal } from '../http/replies.js';
import type { PeerParts } from './router.js';

/** More than any such request can be. */
const MAX_BODY_BYTES = 64 << 10;

const texts: Readonly<Record<string, readonly [number, string]>> = {
  LeaseNotFound: [404, 'lease not found'],
  TimeoutWaitApplied: [408, 'waiting for node to catch up its applied index has timed out'],
};

/** Reads the body and answers with the reply's bytes; errors of leases have their own statuses. */
async function answer(
  { member }: PeerParts,
  request: HttpRequest,
  reply: (body: Buffer) => Promise<Buffer>,
): Promise<HttpResponse> {
  const body = await request.body(MAX_BODY_BYTES).catch(() => undefined);
  if (body === undefined) {
    return refusal(400, 'error reading body');
  }
  if (body === null) {
    return refusal(413, 'request body too large', { connection: 'close' });
  }
  try {
    const bytes = await reply(body);
    return { status: 200, headers: { 'content-type': 'application/protobuf' }, body: bytes };
  } catch (error) {
    if (!(error instanceof MetaStoreError)) {
      throw error;
    }
    if (error.code === 'Unmarshal') {
      return refusal(400, 'error unmarshalling request');
    }
    const [status, text] = texts[error.code] ?? [400, member.errors.status(error).text];
    return refusal(status, text);
  }
}

export function leaseKeepAlive(parts: PeerParts, request: HttpRequest): Promise<HttpResponse> {
  return answer(parts, request, async (body) => {
    const { ID } = rpc.leaseKeepAliveRequest.decode(bytesOf(body));
    const TTL = await parts.leases.renewHere(ID);
    return rpc.leaseKeepAliveResponse.encode({ ID, TTL });
  });
}

/** Many ids, and a TTL for each: 0 where it has to be asked for alone. */
export function leaseRenewals(parts: PeerParts, request: HttpRequest): Promise<HttpResponse> {
  return answer(parts, request, async (body) => {
    const ids = unpackIntegers(body);
    if (ids === null) {
      throw MetaStoreError.of('Unmarshal');
    }
    return packIntegers(await parts.leases.renewManyHere(ids));
  });
}

export function leaseTimeToLive(parts: PeerParts, request: HttpRequest): Promise<HttpResponse> {
  return answer(parts, request, async (body) => {
    const { LeaseTimeToLiveRequest: asked } = rpc.leaseInternalRequest.decode(bytesOf(body));
    if (asked === null) {
      throw MetaStoreError.of('Unmarshal');
    }
    const found = await parts.leases.timeToLiveHere(asked.ID, asked.keys);
    return rpc.leaseInternalResponse.encode({ LeaseTimeToLiveResponse: { header: {}, ...found } });
  });
}
