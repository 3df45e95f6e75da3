// How members of a new cluster find each other through keys of a cluster that runs already: each
// registers itself under the cluster's token and waits until as many are there as its size says.
// Called by src/server/bootstrap; the keys are those that other etcd servers use.

import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/log/logger.js';

export interface RegistryEntry {
  readonly key: string;
  readonly value: string;
  readonly createRevision: bigint;
}

/** The keys, as a client of the other cluster sees them. Every method may reject. */
export interface RegistryClient {
  get(key: string): Promise<string | null>;
  list(prefix: string): Promise<{ entries: readonly RegistryEntry[]; revision: bigint }>;
  /** Creates a key; if it is there, its value stays and is the answer. */
  create(key: string, value: string): Promise<string | null>;
  /** Resolves once a key with the prefix has changed at or after the revision. */
  changed(prefix: string, fromRevision: bigint): Promise<void>;
  close(): void;
}

/** A member that has registered itself. */
export interface RegisteredMember {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/** Why a member cannot have a place in the new cluster; to try again does not help. */
export class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError';
}

export interface Discovery {
  readonly client: RegistryClient;
  readonly token: string;
  /** As lower-case hexadecimal digits. */
  readonly memberId: string;
  readonly self: RegisteredMember;
  readonly clock: Clock;
  readonly log: Logger;
}

const FIRST_RETRY_MS = 2000;
const MAX_RETRY_MS = 32_000;

function contentsOf({ name, peerUrls }: RegisteredMember): string {
  return [...peerUrls]
    .sort()
    .map((url) => `${name}=${url}`)
    .join(',');
}

/** What a value says of a member; null when it says nothing that makes sense. */
function parseContents(value: string): RegisteredMember | null {
  const peerUrls: string[] = [];
  let name: string | null = null;
  for (const part of value.trim().split(',')) {
    const [, partName, url] = /^([^=]+)=((?:https?|unixs?):\/\/.+)$/.exec(part) ?? [];
    if (partName === undefined || url === undefined || (name !== null && name !== partName)) {
      return null;
    }
    name = partName;
    peerUrls.push(url);
  }
  return name === null ? null : { name, peerUrls };
}

class Registration {
  readonly #given: Discovery;
  readonly #root: string;

  constructor(given: Discovery) {
    this.#given = given;
    this.#root = `/_etcd/registry/${given.token}`;
  }

  get #prefix(): string {
    return `${this.#root}/members/`;
  }

  get #ownKey(): string {
    return this.#prefix + this.#given.memberId;
  }

  /** How many members the cluster is to have. @throws DiscoveryError */
  async size(): Promise<number> {
    const text = await this.#retried('cluster status check', () =>
      this.#given.client.get(`${this.#root}/_config/size`),
    );
    if (text === null) {
      throw new DiscoveryError('discovery: size key not found');
    }
    const size = /^\+?\d+$/.test(text) ? Number(text) : 0;
    if (size === 0 || !Number.isSafeInteger(size)) {
      throw new DiscoveryError('discovery: size key is bad');
    }
    return size;
  }

  /**
   * Who is registered, in the order in which places are given away.
   *
   * @throws DiscoveryError when all places are others'
   */
  async members(size: number) {
    const { client, log } = this.#given;
    const listed = await this.#retried('cluster status check', () => client.list(this.#prefix));
    const found: (RegistryEntry & { member: RegisteredMember })[] = [];
    for (const entry of listed.entries) {
      const member = parseContents(entry.value);
      const fields = { memberKey: entry.key, memberInfo: entry.value };
      if (member === null) {
        log.warn('invalid peer info returned from discovery service', fields);
      } else {
        log.info('found peer from discovery service', fields);
        found.push({ ...entry, member });
      }
    }
    found.sort((a, b) => (a.createRevision < b.createRevision ? -1 : 1));
    const own = found.findIndex((entry) => entry.key === this.#ownKey);
    if (own < 0 ? found.length >= size : own >= size) {
      throw new DiscoveryError('discovery: cluster is full');
    }
    return { members: found.map(({ member }) => member), revision: listed.revision };
  }

  /** Takes a place, or the one that it has already. @throws DiscoveryError */
  async register(): Promise<void> {
    const { client, self, log } = this.#given;
    const contents = contentsOf(self);
    const present = await this.#retried('register member itself', () =>
      client.create(this.#ownKey, contents),
    );
    if (present !== null && present.trim() !== contents) {
      throw new DiscoveryError('discovery: duplicate member id');
    }
    const fields = { memberKey: this.#ownKey, memberInfo: contents };
    log.info('register member itself successfully', fields);
  }

  /** Waits without a limit until all places are taken. @throws DiscoveryError */
  async all(size: number): Promise<RegisteredMember[]> {
    const { client, log } = this.#given;
    for (;;) {
      const { members, revision } = await this.members(size);
      if (members.length >= size) {
        return members.slice(0, size);
      }
      const fields = { 'cluster-size': size, 'found-peers': members.length };
      log.info('waiting for peers from discovery service', fields);
      await client.changed(this.#prefix, revision + 1n).catch(async (error: Error) => {
        log.warn('failed to watch the discovery service', { error: error.message });
        await this.#wait(FIRST_RETRY_MS);
      });
    }
  }

  /** Tries until the other cluster answers: members and registry may be started together. */
  async #retried<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    for (let delayMs = FIRST_RETRY_MS; ; delayMs = Math.min(2 * delayMs, MAX_RETRY_MS)) {
      try {
        return await attempt();
      } catch (error) {
        this.#given.log.warn('retry connecting to discovery service', {
          reason: what,
          error: (error as Error).message,
          backoff: `${delayMs / 1000}s`,
        });
      }
      await this.#wait(delayMs);
    }
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#given.clock.after(delayMs, resolve);
    });
  }
}

/**
 * Registers this member and waits, without a limit, until the new cluster has its size. A member
 * that is registered already with the same contents has its old place.
 *
 * @returns the members in the order in which they registered, this one among them
 * @throws DiscoveryError when there is no place for it
 */
export async function discoverMembers(given: Discovery): Promise<RegisteredMember[]> {
  const registration = new Registration(given);
  const size = await registration.size();
  await registration.members(size);
  await registration.register();
  return registration.all(size);
}
