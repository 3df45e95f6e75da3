// POST /members/promote/<decimal id>: a learner becomes a voter. A member that does not lead asks
// the leader itself. Called by the router of the peer port; other members and tools ask it.

import type { CallContext, HttpRequest, HttpResponse } from '../../base/call.js';
import { MetaStoreError } from '../../base/errors.js';
import { ERROR_HEADER } from '../../cluster/http/client.js';
import { memberListJson } from '../../cluster/members/member-json.js';
import type { MembershipOperations } from '../../server/membership/operations.js';
import type { Access } from '../access.js';
import { tokenOf } from '../auth/authentication.js';
import { jsonReply, refusal } from '../http/replies.js';

const texts: Readonly<Record<string, readonly [number, string]>> = {
  MemberNotFound: [404, 'membership: ID not found'],
  MemberNotLearner: [412, 'membership: can only promote a learner member'],
  LearnerNotReady: [
    412,
    'etcdserver: can only promote a learner member which is in sync with leader',
  ],
};

/** An error without a status of its own; its name travels in a header for those who know it. */
function internalError(code: string): HttpResponse {
  const headers = { 'content-type': 'application/json', [ERROR_HEADER]: code };
  return { status: 500, headers, body: '{"message":"Internal Server Error"}' };
}

export interface PromoteParts {
  readonly operations: Pick<MembershipOperations, 'promote'>;
  readonly access: Pick<Access, 'requireAdmin'>;
}

/** Who asks, by the token in the header; a certificate is the other member's, not a user's. */
function contextOf({ headers, peer, signal }: HttpRequest): CallContext {
  const { authorization } = headers;
  const token = typeof authorization === 'string' ? authorization : undefined;
  const metadata = (name: string) => (name === 'authorization' ? token : undefined);
  return { metadata, peer, commonName: null, signal };
}

/** @param idText what stands in the path */
export async function promote(
  { operations, access }: PromoteParts,
  idText: string,
  request: HttpRequest,
): Promise<HttpResponse> {
  const isId = /^\d{1,20}$/.test(idText) && BigInt(idText) < 2n ** 64n;
  if (!isId) {
    return refusal(404, `member ${idText} not found in cluster`);
  }
  try {
    const context = contextOf(request);
    await access.requireAdmin(context);
    const token = tokenOf(context) ?? null;
    const members = await operations.promote(BigInt(idText), request.signal, token);
    return jsonReply(memberListJson(members));
  } catch (error) {
    if (!(error instanceof MetaStoreError)) {
      throw error;
    }
    const known = texts[error.code];
    return known === undefined ? internalError(error.code) : refusal(...known);
  }
}
