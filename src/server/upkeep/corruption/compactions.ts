// What the hashes of one compaction on all members say: that they agree, that nobody can tell yet,
// or which of them are corrupt. Members compact at the same revisions of the same history, so the
// hashes must be equal. Pure but for the log. Called by the checks.

import { hexId } from '../../../base/bytes.js';
import type { Logger } from '../../../base/log/logger.js';
import type { KeysHash, PeerHash } from './hashes.js';

export interface Comparison {
  /** All members agree. */
  readonly isCompared: boolean;
  /** An older compaction would say no more. */
  readonly isDecided: boolean;
  /** Whom to raise the alarm for; 0 stands for the whole cluster. */
  readonly corrupt: readonly bigint[];
}

const UNKNOWN_MEMBER = 0n;

/** Why a member's answer cannot be compared; null when it can. */
function reasonToSkip(own: KeysHash, { answer }: PeerHash): string | null {
  if (answer === null) {
    return 'no response';
  }
  return answer.compactRevision === own.compactRevision
    ? null
    : `the peer's CompactRevision ${answer.compactRevision} doesn't match leader's ` +
        `CompactRevision ${own.compactRevision}`;
}

/** Members by their hashes; those that cannot be compared are left out. */
function groupByHash(
  self: bigint,
  own: KeysHash,
  others: readonly PeerHash[],
  log: Logger,
): Map<number, bigint[]> {
  const groups = new Map([[own.hash, [self]]]);
  for (const other of others) {
    const reason = reasonToSkip(own, other);
    if (reason !== null || other.answer === null) {
      log.warn("Skipped peer's hash", {
        'number-of-peers': others.length,
        'leader-id': hexId(self),
        'peer-id': hexId(other.id),
        reason,
      });
      continue;
    }
    const { hash } = other.answer;
    groups.set(hash, [...(groups.get(hash) ?? []), other.id]);
  }
  return groups;
}

/** What is known of a compaction: `own` is the leader's, `others` were asked at its revision. */
export function compareCompaction(
  self: bigint,
  own: KeysHash,
  others: readonly PeerHash[],
  log: Logger,
): Comparison {
  const groups = groupByHash(self, own, others, log);
  const checked = [...groups.values()].flat().length - 1;
  const compaction = { revision: own.revision, 'compact-revision': own.compactRevision };
  if (groups.size === 1) {
    const isCompared = checked === others.length;
    const fields = { 'number-of-peers-checked': checked, ...compaction };
    if (isCompared) {
      log.info('successfully checked hash on whole cluster', fields);
    } else {
      const of = { 'number-of-peers': others.length };
      log.warn('skipped revision in compaction hash check; was not able to check all peers', {
        ...fields,
        ...of,
      });
    }
    return { isCompared, isDecided: isCompared, corrupt: [] };
  }
  const quorum = Math.floor((others.length + 1) / 2) + 1;
  const majority = [...groups].find(([, ids]) => ids.length >= quorum)?.[0];
  return {
    isCompared: false,
    isDecided: true,
    corrupt: differing(self, own, groups, majority, log),
  };
}

/** Whom the alarm is for: everybody but the majority, or nobody in particular without one. */
function differing(
  self: bigint,
  own: KeysHash,
  groups: ReadonlyMap<number, readonly bigint[]>,
  majority: number | undefined,
  log: Logger,
): bigint[] {
  const leader = {
    'leader-id': hexId(self),
    'leader-revision': own.revision,
    'leader-compact-revision': own.compactRevision,
    'leader-hash': own.hash,
  };
  const isQuorum = majority !== undefined;
  if (!isQuorum) {
    log.error(
      'Detected compaction hash mismatch but cannot identify the corrupted members, so ' +
        'intentionally set the memberID as 0',
      leader,
    );
  }
  const corrupt: bigint[] = [];
  for (const [hash, ids] of groups) {
    if (hash === majority) {
      continue;
    }
    corrupt.push(...ids);
    log.error('Detected compaction hash mismatch', {
      ...leader,
      'peer-hash': hash,
      'peer-ids': ids.map(hexId),
      'quorum-exist': isQuorum,
    });
  }
  return isQuorum ? corrupt : [UNKNOWN_MEMBER];
}
