// GET /health: whether this member can serve, as load balancers and probes ask it. Looks at alarms,
// then for a leader, then reads, as the query allows.

import { bytesOf } from '../../base/bytes.js';
import type { HttpResponse } from '../../base/call.js';
import { MetaStoreError } from '../../base/errors.js';
import { rangeRequest } from '../../base/proto/kv-messages.js';
import type { Member } from '../../server/member.js';

const alarmNames: Readonly<Record<number, string>> = { 1: 'NOSPACE', 2: 'CORRUPT' };

/** Why the member is not healthy; '' when it is. */
async function findReason(member: Member, query: URLSearchParams): Promise<string> {
  const excluded = new Set(query.getAll('exclude'));
  for (const { alarm } of member.alarms.list()) {
    const name = alarmNames[alarm] ?? 'UNKNOWN';
    if (!excluded.has(name)) {
      return `ALARM ${name}`;
    }
  }
  const serializable = query.get('serializable') === 'true';
  if (!serializable && member.leader === 0n) {
    return 'RAFT NO LEADER';
  }
  const key = bytesOf(Buffer.from([0]));
  const request = rangeRequest.encode({ key, limit: 1n, keys_only: true, serializable });
  try {
    await member.execute('Range', request);
    return '';
  } catch (error) {
    if (!(error instanceof MetaStoreError)) {
      throw error;
    }
    return `RANGE ERROR:${member.errors.status(error).text}`;
  }
}

/** Answers a GET of `/health` with the query given. */
export async function health(member: Member, query: URLSearchParams): Promise<HttpResponse> {
  const reason = await findReason(member, query);
  const body = JSON.stringify({ health: String(reason === ''), reason });
  const type = 'text/plain; charset=utf-8';
  return reason === ''
    ? { status: 200, headers: { 'content-type': type }, body }
    : {
        status: 503,
        headers: { 'content-type': type, 'x-content-type-options': 'nosniff' },
        body: `${body}\n`,
      };
}
