// What only the leader can answer, asked from wherever a client happens to be connected: here when
// this member leads, otherwise at the leader's peer URLs, again with the next leader when that
// changes, until the request timeout. Used for leases and for promotions.

import type { Clock } from '../../base/clock.js';
import { MetaStoreError } from '../../base/errors.js';
import { type AskOptions, PeerHttpError } from '../../cluster/http/client.js';
import type { Membership } from '../../cluster/membership.js';

/** What is needed of the member. */
export interface LeaderSeeker {
  readonly isLeader: boolean;
  /** 0 while none is known. */
  readonly leader: bigint;
  readonly membership: Membership;
  readonly options: { readonly requestTimeoutMs: number };
  /** Resolves once a leader is known; rejects with NoLeader after the request timeout. */
  leaderKnown(): Promise<void>;
}

export interface LeaderQuestion<T> {
  /** Answers as the leader. @throws MetaStoreError NotLeader when it is not any more */
  here(): Promise<T>;
  /** Asks at one of these URLs. @throws PeerHttpError when there was no answer with a meaning */
  there(urls: readonly string[], options: AskOptions): Promise<T>;
}

/** Pause before a leader that did not answer is asked again. */
const RETRY_MS = 50;

/**
 * The leader's answer.
 *
 * @throws MetaStoreError what the leader says; NoLeader when none was known in time, Timeout when
 *   none answered in time, Canceled when the signal aborts
 */
export async function askLeader<T>(
  member: LeaderSeeker,
  clock: Clock,
  question: LeaderQuestion<T>,
  signal?: AbortSignal,
): Promise<T> {
  const endMs = clock.nowMs() + member.options.requestTimeoutMs;
  while (clock.nowMs() < endMs) {
    if (signal?.aborted === true) {
      throw MetaStoreError.of('Canceled');
    }
    const answer = await askOnce(member, question, endMs - clock.nowMs(), signal);
    if (answer !== null) {
      return answer.value;
    }
    await pause(clock, member.isLeader ? 0 : RETRY_MS);
  }
  throw MetaStoreError.of('Timeout');
}

/** Null when it has to be tried again. */
async function askOnce<T>(
  member: LeaderSeeker,
  question: LeaderQuestion<T>,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<{ readonly value: T } | null> {
  try {
    await member.leaderKnown();
    if (member.isLeader) {
      return { value: await question.here() };
    }
    const urls = member.membership.get(member.leader)?.peerUrls ?? [];
    const options = { timeoutMs, ...(signal === undefined ? {} : { signal }) };
    return { value: await question.there(urls, options) };
  } catch (error) {
    const notLeader = error instanceof MetaStoreError && error.code === 'NotLeader';
    if (notLeader || error instanceof PeerHttpError) {
      return null;
    }
    throw error;
  }
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve));
}
