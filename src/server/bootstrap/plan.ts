// What a start of a member sets out to do, in the words of the flags and as it is carried out.
// The flags are read by src/app, `prepareStart` turns what they ask for into a plan (asking other
// servers where it must), and the member's assembly carries the plan out.

import type { RegistryTls } from '../../cluster/discovery/credentials.js';
import { bootstrapMemberId, clusterId } from '../../cluster/ids.js';
import type { MemberInfo } from '../../cluster/membership.js';

/** One member as `--initial-cluster` names it. */
export interface InitialMember {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

export interface Identity {
  readonly memberId: bigint;
  readonly clusterId: bigint;
}

/** A new cluster of these members, this one among them: its log begins with adding them. */
export interface NewClusterPlan {
  readonly kind: 'new';
  readonly members: readonly InitialMember[];
  readonly token: string;
}

/**
 * Membership in a cluster that runs: the log stays empty until its leader fills it. The members as
 * that cluster listed them, this one included; they are who is talked to until the log or a
 * snapshot says who belongs to the cluster.
 */
export interface JoinPlan {
  readonly kind: 'join';
  readonly members: readonly MemberInfo[];
}

/**
 * A member that has lived here. `unfinished` is what the directory was made for: it is carried out
 * if that start ended before anything was logged, and means nothing otherwise.
 */
export interface RestartPlan {
  readonly kind: 'restart';
  readonly forceNewCluster: boolean;
  readonly unfinished: NewClusterPlan | JoinPlan | null;
}

export type BootstrapPlan = NewClusterPlan | JoinPlan | RestartPlan;

/** A cluster whose members find each other through keys of another one. Durations in ms. */
export interface DiscoveryOptions {
  readonly token: string;
  /** `host:port`, or with the scheme `http://`, `https://`, `unix://` or `unixs://` before it. */
  readonly endpoints: readonly string[];
  readonly dialTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  /** `user` or `user:password`; '' for no authentication. */
  readonly user: string;
  readonly password: string;
  readonly tls: RegistryTls;
}

/** What the flags ask for when nothing but them and the data directory has been looked at. */
export type StartRequest =
  | NewClusterPlan
  /** The token plays no part but in the order in which members are compared. */
  | {
      readonly kind: 'existing';
      readonly members: readonly InitialMember[];
      readonly token: string;
    }
  /** The members are those that SRV records of the domain name. */
  | {
      readonly kind: 'dns';
      readonly domain: string;
      readonly serviceName: string;
      readonly existing: boolean;
      readonly token: string;
    }
  | { readonly kind: 'discover'; readonly discovery: DiscoveryOptions }
  | { readonly kind: 'restart'; readonly forceNewCluster: boolean };

export interface StartConfig {
  readonly name: string;
  /** What this member advertises to its peers. */
  readonly peerUrls: readonly string[];
  readonly request: StartRequest;
}

/**
 * The ids that a new cluster of these members has, seen from the one with the name.
 *
 * @throws Error when none has it
 */
export function newIdentity(
  members: readonly InitialMember[],
  name: string,
  token: string,
): Identity {
  const ids = members.map((member) => bootstrapMemberId(member.peerUrls, token));
  const own = ids[members.findIndex((member) => member.name === name)];
  if (own === undefined) {
    throw new Error(`couldn't find local name "${name}" in the initial cluster configuration`);
  }
  return { memberId: own, clusterId: clusterId(ids) };
}

/**
 * Who belongs to the cluster as far as the plan knows: what a member goes by while its own log and
 * state say nothing. Empty for a member that has lived before.
 */
export function plannedMembers(plan: BootstrapPlan): readonly MemberInfo[] {
  switch (plan.kind) {
    case 'new':
      return plan.members.map(({ name, peerUrls }) => ({
        id: bootstrapMemberId(peerUrls, plan.token),
        name,
        peerUrls,
        clientUrls: [],
        isLearner: false,
      }));
    case 'join':
      return plan.members;
    default:
      return plan.unfinished === null ? [] : plannedMembers(plan.unfinished);
  }
}
