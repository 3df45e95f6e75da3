// What a cluster has agreed on about versions: the version itself, a downgrade that an operator has
// asked for, and the form in which state is kept for it. Rows and texts are those of etcd, so that
// tools find them in a backup. Kept by Membership; changed by entries of the log alone.

import { bytesOf } from '../../base/bytes.js';
import type { MetaRow } from '../../storage/native.js';

/** A step down by one minor version; without one the target is empty. */
export interface Downgrade {
  readonly enabled: boolean;
  /** `X.Y.0` */
  readonly targetVersion: string;
}

const CLUSTER_KEY = 'cluster_version';
const STORAGE_KEY = 'storage_version';
const DOWNGRADE_KEY = 'downgrade';

const noDowngrade: Downgrade = { enabled: false, targetVersion: '' };

/** Clusters below it say nothing of how state is kept; it is what this one is then. */
const OLDEST_STORAGE = '3.5.0';
const STORAGE_SINCE_MINOR = 6;

/** Of a cluster version, `X.Y.0`. */
function storageFor(cluster: string, before: string): string {
  const [major = 0, minor = 0] = cluster.split('.').map(Number);
  return major > 3 || (major === 3 && minor >= STORAGE_SINCE_MINOR) ? cluster : before;
}

function row(key: string, text: string): MetaRow {
  return { key, value: bytesOf(Buffer.from(text)) };
}

function downgradeOf(text: string): Downgrade {
  const fields = JSON.parse(text) as Readonly<Record<string, unknown>>;
  const target = fields['target-version'];
  const enabled = fields.enabled === true && typeof target === 'string';
  return enabled ? { enabled, targetVersion: target } : noDowngrade;
}

export class ClusterVersions {
  #cluster: string | null = null;
  #storage = OLDEST_STORAGE;
  #downgrade = noDowngrade;

  /** `X.Y.0`, or null while no version has been agreed on. */
  get cluster(): string | null {
    return this.#cluster;
  }

  /** `X.Y.0` */
  get storage(): string {
    return this.#storage;
  }

  get downgrade(): Downgrade {
    return this.#downgrade;
  }

  /** State is kept for the version from now on. */
  setCluster(version: string): MetaRow[] {
    this.#cluster = version;
    this.#storage = storageFor(version, this.#storage);
    return [row(CLUSTER_KEY, version), row(STORAGE_KEY, this.#storage)];
  }

  /** @param target `X.Y.0`, or null when there is to be no downgrade */
  setDowngrade(target: string | null): MetaRow[] {
    this.#downgrade = target === null ? noDowngrade : { enabled: true, targetVersion: target };
    const { enabled, targetVersion } = this.#downgrade;
    return [row(DOWNGRADE_KEY, JSON.stringify({ 'target-version': targetVersion, enabled }))];
  }

  /** Replaces everything by what stored rows say. */
  load(meta: ReadonlyMap<string, Buffer>): void {
    this.#cluster = meta.get(CLUSTER_KEY)?.toString() ?? null;
    const implied =
      this.#cluster === null ? OLDEST_STORAGE : storageFor(this.#cluster, OLDEST_STORAGE);
    // Directories of earlier versions of this server have no row about it.
    this.#storage = meta.get(STORAGE_KEY)?.toString() ?? implied;
    const downgrade = meta.get(DOWNGRADE_KEY)?.toString();
    this.#downgrade = downgrade === undefined ? noDowngrade : downgradeOf(downgrade);
  }
}
