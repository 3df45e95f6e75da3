// What each user may read and write, compiled for the native side, which checks every request by
// it. All bytes are little-endian: u8 version 1, u8 enabled, u64 auth revision, u32 users, then for
// each u32 length and name, u8 root, and the intervals for reading and for writing: u32 count, then
// u32 length and bytes of the key and of the end. Without authentication nobody is listed.

import type { Permission } from '../../../base/proto/auth-messages.js';
import { type Interval, intervalOf, merged } from './intervals.js';

const VERSION = 1;
/** How the role is called that may do everything. */
export const ROOT = 'root';

const PermissionType = { Read: 0, Write: 1, ReadWrite: 2 } as const;

/** Users and roles, as far as permissions go. */
export interface PermissionSource {
  readonly enabled: boolean;
  readonly revision: number;
  /** Users with the names of their roles. */
  readonly users: ReadonlyMap<string, { readonly roles: readonly string[] }>;
  readonly roles: ReadonlyMap<string, { readonly permissions: readonly Permission[] }>;
}

function join(parts: readonly Buffer[]): Buffer {
  return Buffer.concat(parts as unknown as Uint8Array[]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function encodeIntervals(intervals: readonly Interval[]): Buffer {
  const parts = [u32(intervals.length)];
  for (const { key, end } of intervals) {
    parts.push(u32(key.length), key, u32(end.length), end);
  }
  return join(parts);
}

function encodeUser(name: string, roles: readonly string[], source: PermissionSource): Buffer {
  const nameBytes = Buffer.from(name);
  const isRoot = roles.includes(ROOT);
  const granted = isRoot ? [] : roles.flatMap((role) => source.roles.get(role)?.permissions ?? []);
  const intervals = (...types: readonly number[]) =>
    merged(granted.filter(({ permType }) => types.includes(permType)).map(intervalOf));
  return join([
    u32(nameBytes.length),
    nameBytes,
    Buffer.from([isRoot ? 1 : 0]),
    encodeIntervals(intervals(PermissionType.Read, PermissionType.ReadWrite)),
    encodeIntervals(intervals(PermissionType.Write, PermissionType.ReadWrite)),
  ]);
}

/** Compiles tables; keeps what it made of each user for as long as that is right. */
export class PermissionTable {
  readonly #users = new Map<string, Buffer>();

  /** The user was changed, or is none any more. */
  userChanged(name: string): void {
    this.#users.delete(name);
  }

  /** Anything may have changed: a role, the whole state. */
  changed(): void {
    this.#users.clear();
  }

  compile(source: PermissionSource): Buffer {
    const names = source.enabled ? [...source.users.keys()] : [];
    const head = Buffer.alloc(14);
    head.writeUInt8(VERSION, 0);
    head.writeUInt8(source.enabled ? 1 : 0, 1);
    head.writeBigUInt64LE(BigInt(source.revision), 2);
    head.writeUInt32LE(names.length, 10);
    return join([head, ...names.map((name) => this.#userBytes(name, source))]);
  }

  #userBytes(name: string, source: PermissionSource): Buffer {
    let bytes = this.#users.get(name);
    if (bytes === undefined) {
      bytes = encodeUser(name, source.users.get(name)?.roles ?? [], source);
      this.#users.set(name, bytes);
    }
    return bytes;
  }
}
