// What a cluster that runs says of itself to a member that is about to start: its id, its members,
// the versions they speak. Asked over the peer port by src/server/bootstrap before anything of this
// member exists; texts of errors are those that operators know.

import { hexId } from '../base/bytes.js';
import type { Logger } from '../base/log/logger.js';
import type { PeerHttp, PeerVersion } from './http/client.js';
import type { MemberInfo } from './members/member-json.js';
import { comparePeerUrls, type Resolve, resolveDeadlineMs } from './peer-urls.js';

const ASK_TIMEOUT_MS = 10_000;
/** Cluster versions that a server of this version can be a member of. */
const OLDEST_CLUSTER = [3, 0] as const;

export interface RemoteCluster {
  readonly clusterId: bigint;
  /** By ascending id. */
  readonly members: readonly MemberInfo[];
}

/** What is asked, each over all URLs given; rejects when there is no answer of that kind. */
export type PeerQuestions = Pick<PeerHttp, 'fetchMembers' | 'fetchVersion'>;

export interface Questions {
  readonly log: Logger;
  /** Whether it is nothing special when nobody answers. */
  readonly quiet?: boolean;
  readonly http: PeerQuestions;
  readonly resolve?: Resolve;
}

/**
 * The cluster as the first of the peers tells that knows one; null when none does. All are asked at
 * the same time, and the first in the order given counts.
 */
export async function askCluster(
  peerUrls: readonly string[],
  { log, quiet = false, http }: Questions,
  timeoutMs = ASK_TIMEOUT_MS,
): Promise<RemoteCluster | null> {
  const asked = peerUrls.map(async (url) => {
    try {
      const { clusterId, members } = await http.fetchMembers([url], { timeoutMs });
      if (clusterId === null) {
        throw new Error('the answer has no id of a cluster');
      }
      const ascending = [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
      return members.length > 0 ? { clusterId, members: ascending } : null;
    } catch (error) {
      const fields = { address: `${url}/members`, error: (error as Error).message };
      log[quiet ? 'debug' : 'warn']('failed to get cluster response', fields);
      return null;
    }
  });
  for (const answer of asked) {
    const cluster = await answer;
    if (cluster !== null) {
      return cluster;
    }
  }
  return null;
}

/** A cluster as it is written in errors. */
function clusterText({ clusterId, members }: RemoteCluster): string {
  const each = members.map(
    ({ id, name, peerUrls, clientUrls, isLearner }) =>
      `&{ID:${hexId(id)} RaftAttributes:{PeerURLs:[${peerUrls.join(' ')}] ` +
      `IsLearner:${isLearner}} Attributes:{Name:${name} ClientURLs:[${clientUrls.join(' ')}]}}`,
  );
  return `{ClusterID:${hexId(clusterId)} Members:[${each.join(' ')}] RemovedMemberIDs:[]}`;
}

/** One member as flags name it, in the order in which they are compared. */
export interface ExpectedMember {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

function sameTexts(left: readonly string[], right: readonly string[]): boolean {
  const sorted = [...right].sort();
  return left.length === right.length && [...left].sort().every((url, i) => url === sorted[i]);
}

/** The expected member at these URLs, or how the last one that was looked at differs. */
async function findExpected(
  peerUrls: readonly string[],
  expected: readonly ExpectedMember[],
  questions: Questions,
  deadlineMs: number,
): Promise<ExpectedMember | string> {
  // Names that somebody else's URLs have need not be resolvable here.
  const same = expected.find((candidate) => sameTexts(candidate.peerUrls, peerUrls));
  if (same !== undefined) {
    return same;
  }
  let difference = '';
  for (const candidate of expected) {
    const options = { ...questions, deadlineMs };
    const found = await comparePeerUrls(peerUrls, candidate.peerUrls, options);
    if (found === null) {
      return candidate;
    }
    difference = found;
  }
  return difference;
}

/**
 * Finds each member of the cluster among those that the flags expect, by its peer URLs.
 *
 * @returns the members of the cluster by the names that the flags give them
 * @throws Error when they are not the same ones
 */
export async function matchMembers(
  cluster: RemoteCluster,
  expected: readonly ExpectedMember[],
  questions: Questions,
): Promise<ReadonlyMap<string, MemberInfo>> {
  const invalid = (reason: string) =>
    new Error(`error validating peerURLs ${clusterText(cluster)}: ${reason}`);
  if (cluster.members.length !== expected.length) {
    throw invalid('member count is unequal');
  }
  const found = new Map<string, MemberInfo>();
  const deadlineMs = resolveDeadlineMs();
  for (const member of cluster.members) {
    const match = await findExpected(member.peerUrls, expected, questions, deadlineMs);
    if (typeof match === 'string') {
      throw invalid(
        `PeerURLs: no match found for existing member (${hexId(member.id)}, ` +
          `[${member.peerUrls.join(' ')}]), last resolver error (${match})`,
      );
    }
    found.set(match.name, member);
  }
  return found;
}

interface Versions extends PeerVersion {
  readonly member: MemberInfo;
}

/** What a member says; null when it says nothing. */
async function askVersions(member: MemberInfo, { log, http }: Questions): Promise<Versions | null> {
  try {
    const limits = { timeoutMs: ASK_TIMEOUT_MS };
    return { member, ...(await http.fetchVersion(member.peerUrls, limits)) };
  } catch (error) {
    const fields = { 'remote-member-id': hexId(member.id), error: (error as Error).message };
    log.warn('failed to reach the peer URL', fields);
    return null;
  }
}

function isBefore(left: readonly number[], right: readonly number[]): boolean {
  const [a = 0, b = 0] = left;
  const [c = 0, d = 0] = right;
  return a < c || (a === c && b < d);
}

/** Whether a cluster version is one that a server of `newest` can take part in. */
function isCompatible(
  { member, cluster }: Versions,
  newest: readonly number[],
  log: Logger,
): boolean | null {
  const [, major, minor] = /^(\d+)\.(\d+)\.\d+$/.exec(cluster) ?? [];
  const fields = { 'remote-member-id': hexId(member.id), 'remote-member-cluster-version': cluster };
  if (major === undefined || minor === undefined) {
    log.warn('failed to parse cluster version of remote member', fields);
    return null;
  }
  const version = [Number(major), Number(minor)];
  const problem = isBefore(version, OLDEST_CLUSTER)
    ? 'too low'
    : isBefore(newest, version)
      ? 'too high'
      : null;
  if (problem !== null) {
    log.warn(`cluster version of remote member is not compatible; ${problem}`, fields);
  }
  return problem === null;
}

/**
 * Checks that the other members are servers of this kind and that at least one says a cluster
 * version that this server (`clusterVersion`, `X.Y.0`) can be part of, and none another one.
 *
 * @throws Error
 */
export async function checkCompatible(
  others: readonly MemberInfo[],
  clusterVersion: string,
  questions: Questions,
): Promise<void> {
  const answers = await Promise.all(others.map((member) => askVersions(member, questions)));
  const known = answers.filter((answer) => answer !== null);
  const stranger = known.find(({ metastore }) => metastore === null);
  if (stranger !== undefined) {
    throw new Error(
      `the member at ${stranger.member.peerUrls.join(',')} is another kind of server ` +
        `(etcd ${stranger.server}): ` +
        'MetaStore cannot join its cluster; copy the data into a new cluster instead',
    );
  }
  const newest = clusterVersion.split('.').map(Number);
  const compatible = known.map((versions) => isCompatible(versions, newest, questions.log));
  if (compatible.includes(false) || !compatible.includes(true)) {
    throw new Error('incompatible with current running cluster');
  }
}
