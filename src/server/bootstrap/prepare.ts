// The one call by which src/app makes a start out of the flags: decides the plan, asking other
// servers where it must, notes it in the data directory, and gives what a member is opened with.

import { hexId } from '../../base/bytes.js';
import type { Logger } from '../../base/log/logger.js';
import { CLUSTER_VERSION } from '../../base/package.js';
import { membersBySrv } from '../../cluster/discovery/srv.js';
import {
  askCluster,
  checkCompatible,
  matchMembers,
  type Questions,
} from '../../cluster/existing.js';
import { PeerHttp } from '../../cluster/http/client.js';
import type { SecureDialler } from '../../cluster/http/secure.js';
import { bootstrapMemberId } from '../../cluster/ids.js';
import { comparePeerUrls } from '../../cluster/peer-urls.js';
import type { Addon, OpenOptions } from '../../storage/native.js';
import type { MemberOptions } from '../options.js';
import { readStartRecord, type StartRecord, writeStartRecord } from './directory.js';
import { discoverCluster, sortedUrls } from './discover.js';
import { forceNewCluster } from './force-new.js';
import {
  type DiscoveryOptions,
  type InitialMember,
  type NewClusterPlan,
  newIdentity,
  type StartConfig,
} from './plan.js';

/** How long other members may take to say that they know this one already. */
const BOOTSTRAPPED_TIMEOUT_MS = 1000;

function localMember(members: readonly InitialMember[], name: string): InitialMember {
  const own = members.find((member) => member.name === name);
  if (own === undefined) {
    throw new Error(`couldn't find local name "${name}" in the initial cluster configuration`);
  }
  return own;
}

function checkDuplicates(members: readonly InitialMember[]): void {
  const all = members.flatMap(({ peerUrls }) => peerUrls);
  if (new Set(all).size !== all.length) {
    throw new Error(`initial cluster ${sortedUrls(members)} has duplicate url`);
  }
}

/** The member's own URLs must be the same in both flags that name them. */
async function checkAdvertised(
  own: InitialMember,
  advertised: readonly string[],
  questions: Questions,
): Promise<void> {
  const difference = await comparePeerUrls(advertised, own.peerUrls, questions);
  if (difference === null) {
    return;
  }
  const given = [...advertised].sort().join(',');
  const advertisedAsMember = sortedUrls([{ name: own.name, peerUrls: advertised }]);
  const missing = own.peerUrls.filter((url) => !advertised.includes(url));
  if (missing.length > 0) {
    throw new Error(
      `--initial-cluster has ${missing.map((url) => `${own.name}=${url}`).join(',')} but ` +
        `missing from --initial-advertise-peer-urls=${given} (${difference})`,
    );
  }
  const extra = advertised.filter((url) => !own.peerUrls.includes(url));
  throw new Error(
    extra.length > 0
      ? `--initial-advertise-peer-urls has ${extra.join(',')} but missing from ` +
          `--initial-cluster=${advertisedAsMember}`
      : `failed to resolve ${given} to match --initial-cluster=${advertisedAsMember} ` +
          `(${difference})`,
  );
}

function othersUrls(members: readonly InitialMember[], name: string): string[] {
  return members.filter((member) => member.name !== name).flatMap(({ peerUrls }) => peerUrls);
}

/**
 * A member that was part of a cluster and has lost its directory must not start as if the cluster
 * were new: it would have forgotten what it promised and acknowledged.
 */
async function checkNotBootstrapped(
  { identity, plan }: StartRecord & { plan: NewClusterPlan },
  name: string,
  questions: Questions,
): Promise<void> {
  const urls = othersUrls(plan.members, name);
  const running = await askCluster(urls, { ...questions, quiet: true }, BOOTSTRAPPED_TIMEOUT_MS);
  const known = running?.members.find((member) => member.id === identity.memberId);
  if (known !== undefined && known.clientUrls.length > 0) {
    throw new Error(`member ${hexId(identity.memberId)} has already been bootstrapped`);
  }
}

async function newCluster(
  { name, peerUrls }: StartConfig,
  plan: NewClusterPlan,
  questions: Questions,
): Promise<StartRecord> {
  await checkAdvertised(localMember(plan.members, name), peerUrls, questions);
  checkDuplicates(plan.members);
  const record = { identity: newIdentity(plan.members, name, plan.token), plan };
  await checkNotBootstrapped(record, name, questions);
  return record;
}

/** Takes the ids from a cluster that runs and has been told of this member. */
async function joinCluster(
  name: string,
  members: readonly InitialMember[],
  token: string,
  questions: Questions,
): Promise<StartRecord> {
  localMember(members, name);
  checkDuplicates(members);
  const cluster = await askCluster(othersUrls(members, name).sort(), questions);
  if (cluster === null) {
    throw new Error(
      'cannot fetch cluster info from peer urls: could not retrieve cluster information from ' +
        'the given URLs',
    );
  }
  const order = ({ peerUrls }: InitialMember) => bootstrapMemberId(peerUrls, token);
  const expected = [...members].sort((a, b) => (order(a) < order(b) ? -1 : 1));
  const matched = await matchMembers(cluster, expected, questions);
  const own = matched.get(name);
  if (own === undefined) {
    throw new Error(`no member of the cluster has the peer URLs of ${name}: several share others`);
  }
  const others = cluster.members.filter((member) => member.id !== own.id);
  await checkCompatible(others, CLUSTER_VERSION, questions);
  if (own.clientUrls.length > 0) {
    questions.log.warn(
      'this member has run before and its log is gone: what it alone had acknowledged is lost; ' +
        'remove a member that lost its data and add it again instead',
      { 'local-member-id': hexId(own.id) },
    );
  }
  const identity = { memberId: own.id, clusterId: cluster.clusterId };
  return { identity, plan: { kind: 'join', members: cluster.members } };
}

/** A new cluster of members that found each other through the registry of another one. */
async function discoveredCluster(
  self: StartConfig,
  discovery: DiscoveryOptions,
  questions: Questions,
): Promise<StartRecord> {
  const { name, peerUrls } = self;
  const { token } = discovery;
  const members = await discoverCluster({ name, peerUrls }, discovery, questions.log);
  const plan = { kind: 'new', members, token } as const;
  const record = { identity: newIdentity(members, name, token), plan };
  await checkNotBootstrapped(record, name, questions);
  return record;
}

/** What the start of a directory without a log sets out to do. */
async function makePlan(config: StartConfig, questions: Questions): Promise<StartRecord> {
  const { request } = config;
  switch (request.kind) {
    case 'new':
      return newCluster(config, request, questions);
    case 'existing':
      return joinCluster(config.name, request.members, request.token, questions);
    case 'discover':
      return discoveredCluster(config, request.discovery, questions);
    case 'dns': {
      const { domain, serviceName, token } = request;
      const question = { domain, serviceName, self: config, log: questions.log };
      const members = await membersBySrv(question);
      return request.existing
        ? joinCluster(config.name, members, token, questions)
        : newCluster(config, { kind: 'new', members, token }, questions);
    }
    default:
      throw new Error('a directory with a log has its plan already');
  }
}

/**
 * Decides how the member comes to be, and what it is opened with. Waits for other servers where the
 * plan needs them, and rewrites the log where a cluster of one is to be made; a plan for a fresh
 * directory is durable when it resolves.
 *
 * @throws Error whose message says why the start cannot go on
 */
export async function prepareStart(
  addon: Addon,
  core: OpenOptions,
  config: StartConfig,
  log: Logger,
  dialler: SecureDialler | null = null,
): Promise<Pick<MemberOptions, 'bootstrap' | 'core'>> {
  const { request } = config;
  log.info('bootstrapping cluster');
  if (request.kind === 'restart') {
    const made = readStartRecord(core.dataDir);
    // The log says whose it is; the record matters if the log was never finished.
    const identity = made?.identity ?? { memberId: 0n, clusterId: 0n };
    const unfinished = made?.plan ?? null;
    await forceNewCluster(addon, { ...core, ...identity }, request.forceNewCluster, log);
    return {
      core: { ...core, ...identity },
      bootstrap: { kind: 'restart', forceNewCluster: request.forceNewCluster, unfinished },
    };
  }
  const http = new PeerHttp(dialler);
  const record = await makePlan(config, { log, http }).finally(() => http.close());
  writeStartRecord(core.dataDir, record);
  return { core: { ...core, ...record.identity }, bootstrap: record.plan };
}
