// GET /members/hashkv: the hash of this member's keys at a revision, for members that compare their
// data. The question is JSON in the body of a GET. Called by the router of the peer port.

import { bytesOf, hexId } from '../../base/bytes.js';
import type { HttpRequest, HttpResponse } from '../../base/call.js';
import { MetaStoreError } from '../../base/errors.js';
import * as rpc from '../../base/proto/messages.js';
import { CLUSTER_ID_HEADER } from '../../cluster/http/client.js';
import { parseExactJson } from '../../cluster/http/exact-json.js';
import type { Member } from '../../server/member.js';
import { jsonReply, refusal } from '../http/replies.js';

const MAX_BODY_BYTES = 64 << 10;

/** The revision asked for; null when the text does not say one. */
function revisionOf(text: string): bigint | null {
  let parsed: unknown;
  try {
    parsed = parseExactJson(text);
  } catch {
    return null;
  }
  if (parsed === null) {
    return 0n;
  }
  if (typeof parsed !== 'object' || Array.isArray(parsed)) {
    return null;
  }
  const { revision = 0 } = parsed as { revision?: unknown };
  const isBig = typeof revision === 'string' && /^-?\d{16,19}$/.test(revision);
  if (!isBig && !Number.isSafeInteger(revision)) {
    return null;
  }
  const number = BigInt(revision as string | number);
  return number === BigInt.asIntN(64, number) ? number : null;
}

/** Text of an error without the prefix that the gRPC API puts before it. */
function innerText(member: Member, error: MetaStoreError): string {
  return member.errors.status(error).text.replace(/^etcdserver: (?=mvcc: )/, '');
}

export async function hashKv(member: Member, request: HttpRequest): Promise<HttpResponse> {
  const clusterId = request.headers[CLUSTER_ID_HEADER];
  const own = hexId(member.clusterId);
  if (clusterId !== undefined && clusterId !== '' && clusterId !== own) {
    return refusal(412, 'cluster ID mismatch');
  }
  const body = await request.body(MAX_BODY_BYTES).catch(() => null);
  if (body === null) {
    return refusal(400, 'error reading body');
  }
  const revision = revisionOf(body.toString('utf8'));
  if (revision === null) {
    return refusal(400, 'error unmarshalling request');
  }
  try {
    const reply = await member.execute('HashKv', rpc.hashKvRequest.encode({ revision }));
    const { header, hash, compact_revision, hash_revision } = rpc.hashKvResponse.decode(
      bytesOf(reply),
    );
    const numbers = [
      ...(hash === 0 ? [] : [`"hash":${hash}`]),
      ...(compact_revision === 0n ? [] : [`"compact_revision":${compact_revision}`]),
      ...(hash_revision === 0n ? [] : [`"hash_revision":${hash_revision}`]),
    ];
    const text = `{"header":{"revision":${header?.revision ?? 0n}},${numbers.join(',')}}`;
    return jsonReply(text, { [CLUSTER_ID_HEADER]: own });
  } catch (error) {
    if (!(error instanceof MetaStoreError)) {
      throw error;
    }
    return refusal(400, innerText(member, error));
  }
}
