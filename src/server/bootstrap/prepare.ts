// The one call by which src/app makes a start out of the flags: decides the plan, asking other
// servers where it must, notes it in the data directory, and gives what a member is opened with.

import type { Logger } from '../../base/logger.js';
import { comparePeerUrls } from '../../cluster/peer-urls.js';
import type { Addon, OpenOptions } from '../../storage/native.js';
import type { MemberOptions } from '../options.js';
import { readStartRecord, type StartRecord, writeStartRecord } from './directory.js';
import { type InitialMember, newIdentity, type StartConfig } from './plan.js';

function sortedUrls(members: readonly InitialMember[]): string {
  const each = members.flatMap(({ name, peerUrls }) => peerUrls.map((url) => `${name}=${url}`));
  return each.sort().join(',');
}

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
  log: Logger,
): Promise<void> {
  const difference = await comparePeerUrls(advertised, own.peerUrls, { log });
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

async function newCluster(
  { name, peerUrls }: StartConfig,
  plan: StartRecord['plan'] & { kind: 'new' },
  log: Logger,
): Promise<StartRecord> {
  await checkAdvertised(localMember(plan.members, name), peerUrls, log);
  checkDuplicates(plan.members);
  return { identity: newIdentity(plan.members, name, plan.token), plan };
}

/** What the start of a directory without a log sets out to do. */
function plan(config: StartConfig, log: Logger): Promise<StartRecord> {
  const { request } = config;
  switch (request.kind) {
    case 'new':
      return newCluster(config, request, log);
    default:
      throw new Error('joining a cluster is not supported by this version of MetaStore yet');
  }
}

/**
 * Decides how the member comes to be, and what it is opened with. Waits for other servers where the
 * plan needs them; a plan for a fresh directory is durable when it resolves.
 *
 * @throws Error whose message says why the start cannot go on
 */
export async function prepareStart(
  _addon: Addon,
  core: OpenOptions,
  config: StartConfig,
  log: Logger,
): Promise<Pick<MemberOptions, 'bootstrap' | 'core'>> {
  const { request } = config;
  if (request.kind === 'restart') {
    const made = readStartRecord(core.dataDir);
    const { forceNewCluster } = request;
    // The log says whose it is; the record matters if the log was never finished.
    const identity = made?.identity ?? { memberId: 0n, clusterId: 0n };
    const unfinished = made?.plan ?? null;
    return {
      core: { ...core, ...identity },
      bootstrap: { kind: 'restart', forceNewCluster, unfinished },
    };
  }
  const record = await plan(config, log);
  writeStartRecord(core.dataDir, record);
  return { core: { ...core, ...record.identity }, bootstrap: record.plan };
}
