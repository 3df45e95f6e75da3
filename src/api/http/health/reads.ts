// The reads by which a member finds out whether it can serve, as part of /health, /livez and
// /readyz: one key at most, on the member's own behalf, so that authentication does not matter.

import { bytesOf } from '../../../base/bytes.js';
import { MetaStoreError } from '../../../base/errors.js';
import type { Logger } from '../../../base/log/logger.js';
import { rangeRequest } from '../../../base/proto/kv-messages.js';
import type { Member } from '../../../server/member.js';
import type { Caller } from '../../../server/serving/caller.js';

/** What a check found, for whoever counts. */
export interface Checked {
  readonly type: 'health' | 'livez' | 'readyz';
  readonly name: string;
  readonly ok: boolean;
}

export interface HealthParts {
  readonly member: Pick<Member, 'alarms' | 'leader' | 'isLearner' | 'execute' | 'errors'>;
  /** The member itself as the one who asks. */
  readonly ownCaller: () => Caller;
  readonly log: Logger;
  readonly observe?: (checked: Checked) => void;
}

/** What a read fails with; null when it succeeds. */
export async function findReadProblem(
  { member, ownCaller }: HealthParts,
  serializable: boolean,
): Promise<string | null> {
  const key = bytesOf(Buffer.from([0]));
  const request = rangeRequest.encode({ key, limit: 1n, keys_only: true, serializable });
  try {
    await member.execute('Range', request, ownCaller());
    return null;
  } catch (error) {
    if (!(error instanceof MetaStoreError)) {
      throw error;
    }
    return member.errors.status(error).text;
  }
}
