// GET /health: whether this member can serve, as load balancers and older probes ask it. Looks at
// alarms, then for a leader, then reads, as the query allows. Called by the router.

import type { HttpResponse } from '../../../base/call.js';
import { refusal } from '../replies.js';
import { findReadProblem, type HealthParts } from './reads.js';

const alarmNames: Readonly<Record<number, string>> = { 1: 'NOSPACE', 2: 'CORRUPT' };

/** Why the member is not healthy; '' when it is. */
async function findReason(parts: HealthParts, query: URLSearchParams): Promise<string> {
  const { member } = parts;
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
  const problem = await findReadProblem(parts, serializable);
  return problem === null ? '' : `RANGE ERROR:${problem}`;
}

/** Answers a GET of `/health` with the query given. */
export async function health(parts: HealthParts, query: URLSearchParams): Promise<HttpResponse> {
  const reason = await findReason(parts, query);
  const body = JSON.stringify({ health: String(reason === ''), reason });
  parts.observe?.({ type: 'health', name: 'health', ok: reason === '' });
  if (reason !== '') {
    parts.log.warn('/health error', { output: body, 'status-code': 503 });
    return refusal(503, body);
  }
  return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body };
}
