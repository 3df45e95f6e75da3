// The version that a cluster has agreed on: the lowest of its members', as the leader finds by
// asking them, so that no member is told to do what it cannot. Looked at when a member begins to
// lead and every four seconds after, driven by Member's ticks. It goes down only for a downgrade
// that an operator has asked for.

import { hexId } from '../../base/bytes.js';
import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log/logger.js';
import { MIN_CLUSTER_VERSION } from '../../base/package.js';
import * as rpc from '../../base/proto/messages.js';
import type { MemberInfo, Membership } from '../../cluster/membership.js';

/** What is needed of the member. */
export interface VersionHost {
  readonly id: bigint;
  readonly isLeader: boolean;
  readonly membership: Membership;
  readonly options: {
    /** `X.Y.0`: this member's own. */
    readonly clusterVersion: string;
    readonly fetchVersion?: FetchVersion;
  };
  propose(request: Buffer): Promise<Buffer>;
}

/** The release of the member at these URLs, such as `3.7.1`. Rejects when it does not say. */
export type FetchVersion = (peerUrls: readonly string[]) => Promise<string>;

export const MONITOR_INTERVAL_MS = 4000;
/** After an attempt that failed. */
const RETRY_MS = 500;

/** How long a member that starts waits for a first version. */
const DECISION_WAIT_MS = 5000;

type Version = readonly [major: number, minor: number];

function parse(text: string): Version | null {
  const match = /^(\d{1,6})\.(\d{1,6})\.\d+/.exec(text);
  return match === null ? null : [Number(match[1]), Number(match[2])];
}

function isBefore([a, b]: Version, [c, d]: Version): boolean {
  return a < c || (a === c && b < d);
}

function isNextBelow([a, b]: Version, [c, d]: Version): boolean {
  return a === c && b === d - 1;
}

/**
 * The version to agree on now; null when it stays as it is.
 *
 * @param lowest null while unknown
 * @param target of the downgrade that is wanted; null for none
 */
export function nextClusterVersion(
  agreed: string | null,
  lowest: Version | null,
  target: string | null = null,
): string | null {
  if (agreed === null) {
    // Somebody cannot be asked yet: the cluster begins with what every member can do.
    return lowest === null ? MIN_CLUSTER_VERSION : `${lowest[0]}.${lowest[1]}.0`;
  }
  const from = parse(agreed);
  const to = target === null ? null : parse(target);
  if (target !== null) {
    if (to === null || lowest === null || from === null) {
      return null;
    }
    // Members that run it already say so; the others can still do what it can.
    const isReady = isNextBelow(to, lowest) || (to[0] === lowest[0] && to[1] === lowest[1]);
    return isNextBelow(to, from) && isReady ? `${to[0]}.${to[1]}.0` : null;
  }
  if (lowest === null || from === null || lowest[0] !== from[0] || !isBefore(from, lowest)) {
    return null;
  }
  return `${lowest[0]}.${lowest[1]}.0`;
}

export class VersionMonitor {
  readonly #host: VersionHost;
  readonly #log: Logger;
  // Members that did not answer when last asked: each is warned of once.
  readonly #silent = new Set<bigint>();
  #nextMs = Number.POSITIVE_INFINITY;
  #busy = false;

  constructor(host: VersionHost, log: Logger) {
    this.#host = host;
    this.#log = log;
  }

  /** This member leads from now on. */
  leads(nowMs: number): void {
    this.#nextMs = nowMs;
    this.tick(nowMs);
  }

  /**
   * Resolves once the cluster has agreed on a version, before which clients are refused; or after
   * a while without one.
   */
  decided(clock: Clock): Promise<void> {
    const { membership } = this.#host;
    if (membership.version !== null) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const cancel = clock.after(DECISION_WAIT_MS, resolve);
      membership.onChange(() => {
        if (membership.version !== null) {
          cancel();
          resolve();
        }
      });
    });
  }

  /** Called often; does its work when it is due and this member leads. */
  tick(nowMs: number): void {
    if (nowMs < this.#nextMs || this.#busy || !this.#host.isLeader) {
      return;
    }
    this.#nextMs = nowMs + MONITOR_INTERVAL_MS;
    this.#busy = true;
    this.#check()
      .catch((error: unknown) => {
        this.#log.warn('failed to update cluster version', { error });
        this.#nextMs = nowMs + RETRY_MS;
      })
      .finally(() => {
        this.#busy = false;
      });
  }

  async #check(): Promise<void> {
    const { id, membership, options } = this.#host;
    const others = membership.list().filter((member) => member.id !== id);
    const own = parse(options.clusterVersion);
    // With nobody to ask it is decided within the turn in which the member begins to lead.
    const lowest = others.length === 0 ? own : await this.#lowest(own, others);
    const { enabled, targetVersion } = membership.downgrade;
    const target = enabled ? targetVersion : null;
    const next = nextClusterVersion(membership.version, lowest, target);
    if (next === null || !this.#host.isLeader) {
      return;
    }
    const request = rpc.internalRaftRequest.encode({ cluster_version_set: { ver: next } });
    await this.#host.propose(request);
    this.#log.info('cluster version is updated', { 'cluster-version': next });
  }

  /** Null when somebody does not say. */
  async #lowest(own: Version | null, others: readonly MemberInfo[]): Promise<Version | null> {
    const versions = await Promise.all(others.map((member) => this.#versionOf(member)));
    let lowest = own;
    for (const version of versions) {
      if (lowest === null || version === null) {
        return null;
      }
      lowest = isBefore(version, lowest) ? version : lowest;
    }
    return lowest;
  }

  async #versionOf({ id, peerUrls }: MemberInfo): Promise<Version | null> {
    const { fetchVersion } = this.#host.options;
    if (fetchVersion === undefined) {
      return null;
    }
    try {
      const text = await fetchVersion(peerUrls);
      this.#silent.delete(id);
      return parse(text);
    } catch (error) {
      if (!this.#silent.has(id)) {
        this.#silent.add(id);
        this.#log.warn('failed to get version of a member', {
          'remote-member-id': hexId(id),
          error,
        });
      }
      return null;
    }
  }
}
