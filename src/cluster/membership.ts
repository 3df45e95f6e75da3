// Who belongs to the cluster, as the applied log says: members with their URLs and names, removed
// ids, the cluster version. Changed only by entries of the log, in their order; each change returns
// the rows to be stored atomically with the entry. Restored from those rows at start.

import { assert } from '../base/assert.js';
import { bytesOf, hexId } from '../base/bytes.js';
import type { MetaRow } from '../storage/native.js';

export interface MemberInfo {
  readonly id: bigint;
  /** Empty until the member has started and published itself. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly isLearner: boolean;
}

const MEMBER_PREFIX = 'members/';
const REMOVED_PREFIX = 'members_removed/';
const VERSION_KEY = 'cluster_version';

/** A member's fixed part as it travels in a configuration change. */
export interface MemberContext {
  readonly peerUrls: readonly string[];
  readonly isLearner: boolean;
  /** An existing learner becomes a voter; the rest of the context is ignored then. */
  readonly isPromote: boolean;
  readonly name: string;
}

interface MemberJson {
  readonly peerURLs?: readonly string[];
  readonly isLearner?: boolean;
  readonly isPromote?: boolean;
  readonly name?: string;
  readonly clientURLs?: readonly string[];
}

function row(key: string, text: string | null): MetaRow {
  return { key, value: text === null ? null : bytesOf(Buffer.from(text)) };
}

/** JSON with the id as a number literal of any size, which JSON.stringify cannot write. */
function memberJson(member: MemberInfo): string {
  const { name, peerUrls, clientUrls, isLearner } = member;
  const rest = {
    peerURLs: peerUrls,
    ...(isLearner ? { isLearner } : {}),
    ...(name === '' ? {} : { name }),
    ...(clientUrls.length === 0 ? {} : { clientURLs: clientUrls }),
  };
  return `{"id":${member.id},${JSON.stringify(rest).slice(1)}`;
}

/** The context of the configuration change that adds a member at bootstrap. */
export function encodeMemberContext(id: bigint, name: string, peerUrls: readonly string[]): Buffer {
  return Buffer.from(memberJson({ id, name, peerUrls, clientUrls: [], isLearner: false }));
}

/** @throws SyntaxError on bytes that are not the JSON of a member */
export function decodeMemberContext(context: Uint8Array): MemberContext {
  const parsed = JSON.parse(Buffer.from(context).toString()) as MemberJson;
  return {
    peerUrls: parsed.peerURLs ?? [],
    isLearner: parsed.isLearner ?? false,
    isPromote: parsed.isPromote ?? false,
    name: parsed.name ?? '',
  };
}

export class Membership {
  readonly #members = new Map<bigint, MemberInfo>();
  readonly #removed = new Set<bigint>();
  #version: string | null = null;

  /** The membership that stored rows describe; empty for a directory that has just been made. */
  static restore(meta: ReadonlyMap<string, Buffer>): Membership {
    const membership = new Membership();
    membership.reload(meta);
    return membership;
  }

  /** Takes over the membership of a state that has replaced this one. */
  reload(meta: ReadonlyMap<string, Buffer>): void {
    this.#members.clear();
    this.#removed.clear();
    this.#version = null;
    for (const [key, value] of meta) {
      if (key.startsWith(MEMBER_PREFIX)) {
        const id = BigInt(`0x${key.slice(MEMBER_PREFIX.length)}`);
        const parsed = JSON.parse(value.toString()) as MemberJson;
        this.#members.set(id, {
          id,
          name: parsed.name ?? '',
          peerUrls: parsed.peerURLs ?? [],
          clientUrls: parsed.clientURLs ?? [],
          isLearner: parsed.isLearner ?? false,
        });
      } else if (key.startsWith(REMOVED_PREFIX)) {
        this.#removed.add(BigInt(`0x${key.slice(REMOVED_PREFIX.length)}`));
      } else if (key === VERSION_KEY) {
        this.#version = value.toString();
      }
    }
  }

  /** `X.Y.0`, or null while no version has been agreed on. */
  get version(): string | null {
    return this.#version;
  }

  /** All members by ascending id. */
  list(): MemberInfo[] {
    return [...this.#members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  get(id: bigint): MemberInfo | undefined {
    return this.#members.get(id);
  }

  isRemoved(id: bigint): boolean {
    return this.#removed.has(id);
  }

  /** Adds a member, or turns the learner that it is into a voter. */
  add(id: bigint, context: MemberContext): MetaRow[] {
    assert(!this.#removed.has(id), 'a removed member does not come back');
    const known = this.#members.get(id);
    const { name, peerUrls, isLearner } = context;
    if (context.isPromote && known !== undefined) {
      return this.#store({ ...known, isLearner: false });
    }
    return this.#store({ id, name, peerUrls, clientUrls: known?.clientUrls ?? [], isLearner });
  }

  /** Takes a member out for good: its id is never valid again. */
  remove(id: bigint): MetaRow[] {
    this.#members.delete(id);
    this.#removed.add(id);
    return [row(MEMBER_PREFIX + hexId(id), null), row(REMOVED_PREFIX + hexId(id), 'removed')];
  }

  /** What a started member says of itself. Unknown ids are ignored: it may have been removed. */
  setAttributes(id: bigint, name: string, clientUrls: readonly string[]): MetaRow[] {
    const known = this.#members.get(id);
    return known === undefined ? [] : this.#store({ ...known, name, clientUrls });
  }

  setVersion(version: string): MetaRow[] {
    this.#version = version;
    return [row(VERSION_KEY, version)];
  }

  #store(member: MemberInfo): MetaRow[] {
    this.#members.set(member.id, member);
    return [row(MEMBER_PREFIX + hexId(member.id), memberJson(member))];
  }
}
