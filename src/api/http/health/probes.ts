// GET /livez and /readyz, each check also alone below its own path: what Kubernetes asks. Restart
// the member when /livez fails, send it no clients when /readyz does. Called by the router.

import type { HttpResponse } from '../../../base/call.js';
import { refusal } from '../replies.js';
import { findReadProblem, type HealthParts } from './reads.js';

const CORRUPT = 2;

/** What a check fails with; null when it succeeds. */
type Check = (parts: HealthParts) => Promise<string | null>;

const localRead: Check = (parts) => findReadProblem(parts, true);

/** By the name of the probe, then of the check. */
const probes: Readonly<Record<string, ReadonlyMap<string, Check>>> = {
  livez: new Map([['serializable_read', localRead]]),
  readyz: new Map<string, Check>([
    [
      'data_corruption',
      async ({ member }) => {
        const isCorrupt = member.alarms.list().some(({ alarm }) => alarm === CORRUPT);
        return isCorrupt ? 'alarm activated: CORRUPT' : null;
      },
    ],
    ['serializable_read', localRead],
    ['linearizable_read', (parts) => findReadProblem(parts, false)],
    ['non_learner', async ({ member }) => (member.isLearner ? 'not supported for learner' : null)],
  ]),
};

interface Probe {
  readonly type: 'livez' | 'readyz';
  readonly path: string;
  /** The one check of a path below the probe's; null for all of them. */
  readonly only: string | null;
}

/** The probe behind a path, or null when there is none. */
export function probeOf(path: string): Probe | null {
  const [, type = '', only = null, ...rest] = path.split('/');
  if ((type !== 'livez' && type !== 'readyz') || rest.length > 0) {
    return null;
  }
  const exists = only === null || probes[type]?.has(only) === true;
  return exists ? { type, path, only } : null;
}

function chosen(parts: HealthParts, probe: Probe, query: URLSearchParams): [string, Check][] {
  const checks = [...(probes[probe.type] ?? [])];
  if (probe.only !== null) {
    return checks.filter(([name]) => name === probe.only);
  }
  const excluded = new Set(query.getAll('exclude').filter((name) => name !== ''));
  const left = checks.filter(([name]) => !excluded.delete(name));
  if (excluded.size > 0) {
    const names = [...excluded].map((name) => JSON.stringify(name)).join(',');
    parts.log.warn('some health checks cannot be excluded', { 'missing-health-checks': names });
  }
  return left;
}

/** Answers a GET of a probe. All its checks run, one after the other. */
export async function answerProbe(
  parts: HealthParts,
  probe: Probe,
  query: URLSearchParams,
): Promise<HttpResponse> {
  let reason = '';
  let failed = false;
  for (const [name, check] of chosen(parts, probe, query)) {
    const problem = await check(parts);
    parts.observe?.({ type: probe.type, name, ok: problem === null });
    reason += problem === null ? `[+]${name} ok\n` : `[-]${name} failed: ${problem}\n`;
    failed ||= problem !== null;
  }
  if (failed) {
    const fields = { path: probe.path, reason, 'status-code': 503 };
    parts.log.error('Health check error', fields);
    return refusal(503, reason);
  }
  const body = query.has('verbose') ? `${reason}ok\n` : 'ok\n';
  return { ...refusal(200, ''), body };
}
