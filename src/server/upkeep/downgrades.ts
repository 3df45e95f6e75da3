// A downgrade of the cluster by one minor version: whether it may be asked for, asking for it,
// giving it up, and noticing that it is done. What it changes is decided where the cluster version
// is (src/server/membership/version-monitor.ts). Called by the Maintenance service; `check` by
// Upkeep's timer.

import { hexId } from '../../base/bytes.js';
import { MetaStoreError } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import { internalRaftRequest } from '../../base/proto/messages.js';
import type { MemberInfo, Membership } from '../../cluster/membership.js';
import type { FetchVersion } from '../membership/version-monitor.js';

/** What is needed of the member. */
export interface DowngradeHost {
  readonly id: bigint;
  readonly isLeader: boolean;
  readonly membership: Pick<Membership, 'version' | 'downgrade' | 'list'>;
  readonly options: {
    /** `X.Y.0`: this member's own. */
    readonly clusterVersion: string;
    readonly fetchVersion?: FetchVersion;
  };
  linearizable(): Promise<void>;
  propose(request: Buffer): Promise<Buffer>;
}

type Version = readonly [major: number, minor: number];

/** Major and minor number of `X.Y`, or of `X.Y.Z` with whatever stands behind; null otherwise. */
export function majorMinor(text: string): Version | null {
  const match =
    /^(\d{1,15})\.(\d{1,15})$/.exec(text) ??
    /^(\d{1,15})\.(\d{1,15})\.\d{1,15}(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+.*)?$/.exec(text);
  return match === null ? null : [Number(match[1]), Number(match[2])];
}

/**
 * Refuses to run a server that is older than what its cluster has agreed on: it would not
 * understand what the others do. A downgrade has to be asked for first.
 *
 * @param cluster null while nothing has been agreed on
 * @throws Error
 */
export function needRecentServer(cluster: string | null, own: string): void {
  const [agreed, server] = [majorMinor(cluster ?? ''), majorMinor(own)];
  if (agreed === null || server === null) {
    return;
  }
  if (server[0] < agreed[0] || (server[0] === agreed[0] && server[1] < agreed[1])) {
    throw new Error(
      'invalid downgrade; server version is lower than determined cluster version ' +
        `(${own} and ${cluster})`,
    );
  }
}

export class Downgrades {
  readonly #host: DowngradeHost;
  readonly #log: Logger;
  #isChecking = false;

  constructor(host: DowngradeHost, log: Logger) {
    this.#host = host;
    this.#log = log;
  }

  /**
   * Whether the cluster can be downgraded to a version, as of now; its target as `X.Y.0`.
   *
   * @throws MetaStoreError DowngradeVersionFormat, DowngradeVersion, DowngradeInProcess,
   *   ClusterVersionNotFound, Timeout, LeaderChanged, Stopped
   */
  async validate(version: string): Promise<string> {
    await this.#host.linearizable();
    const { membership } = this.#host;
    const target = majorMinor(version);
    if (target === null) {
      throw MetaStoreError.of('DowngradeVersionFormat');
    }
    const agreed = majorMinor(membership.version ?? '');
    if (agreed === null) {
      throw MetaStoreError.of('ClusterVersionNotFound');
    }
    if (target[0] !== agreed[0] || target[1] !== agreed[1] - 1) {
      throw MetaStoreError.of('DowngradeVersion');
    }
    if (membership.downgrade.enabled) {
      throw MetaStoreError.of('DowngradeInProcess');
    }
    return `${target[0]}.${target[1]}.0`;
  }

  /** Asks for it; versions follow within seconds. @throws as validate, and of proposals */
  async enable(version: string): Promise<void> {
    try {
      await this.#set(await this.validate(version));
    } catch (error) {
      this.#log.warn('reject downgrade request', { error });
      throw error;
    }
  }

  /** There is to be no downgrade; nothing is wrong when there is none. @throws of proposals */
  cancel(): Promise<void> {
    return this.#set(null);
  }

  /** As the leader: ends a downgrade once every member runs what it leads to. */
  async check(): Promise<void> {
    const { isLeader, membership } = this.#host;
    const { enabled, targetVersion } = membership.downgrade;
    if (!isLeader || !enabled || this.#isChecking) {
      return;
    }
    this.#isChecking = true;
    try {
      if ((await this.#allRun(targetVersion)) && this.#host.isLeader) {
        this.#log.info('the cluster has been downgraded', { 'cluster-version': targetVersion });
        await this.cancel();
      }
    } catch (error) {
      this.#log.warn('failed to cancel downgrade', { error });
    } finally {
      this.#isChecking = false;
    }
  }

  async #set(target: string | null): Promise<void> {
    const set = { enabled: target !== null, ver: target ?? '' };
    await this.#host.propose(internalRaftRequest.encode({ downgrade_info_set: set }));
  }

  async #allRun(target: string): Promise<boolean> {
    const { membership } = this.#host;
    for (const member of membership.list()) {
      const version = await this.#versionOf(member);
      if (version === null) {
        return false;
      }
      const runs = majorMinor(version)?.join('.');
      if (runs !== majorMinor(target)?.join('.')) {
        this.#log.warn('remotes server has mismatching etcd version', {
          'remote-member-id': hexId(member.id),
          'current-server-version': `${runs}.0`,
          'target-version': target,
        });
        return false;
      }
    }
    return true;
  }

  /** Null when the member does not say; the version monitor warns of that. */
  async #versionOf({ id, peerUrls }: MemberInfo): Promise<string | null> {
    const { clusterVersion, fetchVersion } = this.#host.options;
    if (id === this.#host.id) {
      return clusterVersion;
    }
    return (await fetchVersion?.(peerUrls).catch(() => null)) ?? null;
  }
}
