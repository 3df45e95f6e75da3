// Who belongs to the cluster, as the applied log says: members with their URLs and names, removed
// ids, the cluster version. Changed only by entries of the log, in their order; each change returns
// the rows to be stored atomically with the entry. Restored from those rows at start, and again in
// place when a snapshot replaces the state.

import { assert } from '../base/assert.js';
import { bytesOf, hexId } from '../base/bytes.js';
import type { MetaRow } from '../storage/native.js';
import {
  type MemberContext,
  type MemberInfo,
  memberJson,
  memberOf,
} from './members/member-json.js';
import { ClusterVersions, type Downgrade } from './members/versions.js';

export type { MemberContext, MemberInfo } from './members/member-json.js';
export { decodeMemberContext, encodeMemberContext } from './members/member-json.js';

const MEMBER_PREFIX = 'members/';
const REMOVED_PREFIX = 'members_removed/';
/** Apart from the members, whose form others read, too; only for those that said more than 1. */
const FORMAT_PREFIX = 'members_entry_format/';

function row(key: string, text: string | null): MetaRow {
  return { key, value: text === null ? null : bytesOf(Buffer.from(text)) };
}

/** What a new member is added with. */
export type NewMember = Pick<MemberContext, 'name' | 'peerUrls' | 'isLearner'>;

export class Membership {
  readonly #members = new Map<bigint, MemberInfo>();
  readonly #removed = new Set<bigint>();
  // The newest entry format that a member reads; members that are not here read the first.
  readonly #formats = new Map<bigint, number>();
  // Members that somebody told of and that the log has not told of yet.
  readonly #expected = new Map<bigint, MemberInfo>();
  readonly #listeners: (() => void)[] = [];
  readonly #versions = new ClusterVersions();

  /** The membership that stored rows describe; empty for a directory that has just been made. */
  static restore(meta: ReadonlyMap<string, Buffer>): Membership {
    const membership = new Membership();
    membership.#load(meta);
    return membership;
  }

  /** Replaces everything by what the rows of an installed snapshot say; the object stays. */
  reload(meta: ReadonlyMap<string, Buffer>): void {
    this.#members.clear();
    this.#removed.clear();
    this.#formats.clear();
    this.#load(meta);
    this.#changed();
  }

  /** Calls back after each change, within the turn that applies it. */
  onChange(callback: () => void): void {
    this.#listeners.push(callback);
  }

  /**
   * Names members of a cluster that this one joins: they count as contacts until the log, which
   * arrives through them, says more.
   */
  expect(members: readonly MemberInfo[]): void {
    for (const member of members) {
      this.#expected.set(member.id, member);
    }
    this.#changed();
  }

  /** Whom to talk to, by ascending id: the members, and those expected to become members. */
  contacts(): MemberInfo[] {
    const all = new Map(this.#expected);
    for (const [id, member] of this.#members) {
      all.set(id, member);
    }
    for (const id of this.#removed) {
      all.delete(id);
    }
    return ascending(all.values());
  }

  /** `X.Y.0`, or null while no version has been agreed on. */
  get version(): string | null {
    return this.#versions.cluster;
  }

  /** `X.Y.0`: the version that state is kept for. */
  get storageVersion(): string {
    return this.#versions.storage;
  }

  get downgrade(): Downgrade {
    return this.#versions.downgrade;
  }

  /** All members by ascending id. */
  list(): MemberInfo[] {
    return ascending(this.#members.values());
  }

  /** The newest format of log entries that every member reads. */
  get entryFormat(): number {
    const formats = [...this.#members.keys()].map((id) => this.#formats.get(id) ?? 1);
    return formats.length === 0 ? 1 : Math.min(...formats);
  }

  /** The members with a vote, by ascending id. */
  voters(): MemberInfo[] {
    return this.list().filter(({ isLearner }) => !isLearner);
  }

  get(id: bigint): MemberInfo | undefined {
    return this.#members.get(id);
  }

  isRemoved(id: bigint): boolean {
    return this.#removed.has(id);
  }

  /** Adds a member that is not there yet; members/change-rules.ts says what the log may add. */
  add(id: bigint, { name, peerUrls, isLearner }: NewMember): MetaRow[] {
    assert(!this.#removed.has(id), 'a removed member does not come back');
    assert(!this.#members.has(id), 'a member is added once');
    return this.#store({ id, name, peerUrls, clientUrls: [], isLearner });
  }

  /** Turns a learner into a voter. */
  promote(id: bigint): MetaRow[] {
    return this.#store({ ...this.#known(id), isLearner: false });
  }

  /** Changes where a member's peers find it. */
  update(id: bigint, peerUrls: readonly string[]): MetaRow[] {
    return this.#store({ ...this.#known(id), peerUrls });
  }

  /** Takes a member out for good: its id is never valid again. */
  remove(id: bigint): MetaRow[] {
    this.#members.delete(id);
    this.#removed.add(id);
    const rows = [row(MEMBER_PREFIX + hexId(id), null), row(REMOVED_PREFIX + hexId(id), 'removed')];
    if (this.#formats.delete(id)) {
      rows.push(row(FORMAT_PREFIX + hexId(id), null));
    }
    this.#changed();
    return rows;
  }

  /** What a started member says of itself. Unknown ids are ignored: it may have been removed. */
  setAttributes(
    id: bigint,
    name: string,
    clientUrls: readonly string[],
    entryFormat = 1,
  ): MetaRow[] {
    const known = this.#members.get(id);
    if (known === undefined) {
      return [];
    }
    const rows = this.#setFormat(id, entryFormat);
    return [...this.#store({ ...known, name, clientUrls }), ...rows];
  }

  /** An older version that takes over a member's directory says so by its announcement. */
  #setFormat(id: bigint, format: number): MetaRow[] {
    if (format <= 1) {
      return this.#formats.delete(id) ? [row(FORMAT_PREFIX + hexId(id), null)] : [];
    }
    this.#formats.set(id, format);
    return [row(FORMAT_PREFIX + hexId(id), String(format))];
  }

  setVersion(version: string): MetaRow[] {
    const rows = this.#versions.setCluster(version);
    this.#changed();
    return rows;
  }

  /** @param target `X.Y.0`, or null when there is to be no downgrade */
  setDowngrade(target: string | null): MetaRow[] {
    const rows = this.#versions.setDowngrade(target);
    this.#changed();
    return rows;
  }

  #known(id: bigint): MemberInfo {
    const known = this.#members.get(id);
    assert(known !== undefined, 'only members are changed');
    return known;
  }

  #store(member: MemberInfo): MetaRow[] {
    this.#members.set(member.id, member);
    this.#changed();
    return [row(MEMBER_PREFIX + hexId(member.id), memberJson(member))];
  }

  #load(meta: ReadonlyMap<string, Buffer>): void {
    for (const [key, value] of meta) {
      if (key.startsWith(MEMBER_PREFIX)) {
        const id = BigInt(`0x${key.slice(MEMBER_PREFIX.length)}`);
        this.#members.set(id, memberOf(id, JSON.parse(value.toString())));
      } else if (key.startsWith(REMOVED_PREFIX)) {
        this.#removed.add(BigInt(`0x${key.slice(REMOVED_PREFIX.length)}`));
      } else if (key.startsWith(FORMAT_PREFIX)) {
        const id = BigInt(`0x${key.slice(FORMAT_PREFIX.length)}`);
        this.#formats.set(id, Number(value.toString()));
      }
    }
    this.#versions.load(meta);
  }

  #changed(): void {
    for (const listener of this.#listeners) {
      listener();
    }
  }
}

function ascending(members: Iterable<MemberInfo>): MemberInfo[] {
  return [...members].sort((a, b) => (a.id < b.id ? -1 : 1));
}
