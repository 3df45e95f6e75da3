// Finds the other members of a new cluster: through the registry that another cluster keeps, or by
// DNS. Called by prepareStart, which makes a plan of what is found.

import { hexId } from '../../base/bytes.js';
import { systemClock } from '../../base/clock.js';
import type { Logger } from '../../base/log/logger.js';
import { GrpcRegistry } from '../../cluster/discovery/client.js';
import {
  DiscoveryError,
  discoverMembers,
  type RegisteredMember,
} from '../../cluster/discovery/registry.js';
import { bootstrapMemberId } from '../../cluster/ids.js';
import type { DiscoveryOptions, InitialMember } from './plan.js';

/** `name=url,name=url2`, in order. */
export function sortedUrls(members: readonly InitialMember[]): string {
  const each = members.flatMap(({ name, peerUrls }) => peerUrls.map((url) => `${name}=${url}`));
  return each.sort().join(',');
}

function checkDistinct(members: readonly RegisteredMember[]): void {
  const names = new Set<string>();
  for (const { name } of members) {
    if (names.has(name)) {
      throw new Error(`discovery cluster has several members with the name "${name}"`);
    }
    names.add(name);
  }
  const all = members.flatMap(({ peerUrls }) => peerUrls);
  if (new Set(all).size !== all.length) {
    throw new Error(`discovery cluster ${sortedUrls(members)} has duplicate url`);
  }
}

async function registered(
  self: InitialMember,
  discovery: DiscoveryOptions,
  log: Logger,
): Promise<RegisteredMember[]> {
  const { token } = discovery;
  const client = new GrpcRegistry(discovery);
  const memberId = hexId(bootstrapMemberId(self.peerUrls, token));
  try {
    return await discoverMembers({ client, token, memberId, self, clock: systemClock, log });
  } finally {
    client.close();
  }
}

/**
 * Registers this member with the other cluster and waits until all members are there.
 *
 * @throws DiscoveryError when there is no place for it
 */
export async function discoverCluster(
  self: InitialMember,
  discovery: DiscoveryOptions,
  log: Logger,
): Promise<RegisteredMember[]> {
  const { token, endpoints } = discovery;
  const fields = { 'discovery-token': token, 'discovery-endpoints': endpoints.join(',') };
  log.info('Bootstrapping cluster using v3 discovery.');
  let members: RegisteredMember[];
  try {
    members = await registered(self, discovery, log.child('discovery'));
  } catch (error) {
    const { message } = error as Error;
    log.error('discovery failed to join cluster', { ...fields, cluster: '', error: message });
    throw new DiscoveryError(`failed to join discovery cluster (${message})`);
  }
  const cluster = members.map((member) => sortedUrls([member])).join(',');
  log.info('discovery joined cluster successfully', { ...fields, cluster });
  checkDistinct(members);
  return members;
}
