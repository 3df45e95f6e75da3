// Users, roles and whether they count: state that only entries of the log change, the same on every
// member. Read by the access checks of src/api; changed by the commands beside this file, on behalf
// of src/server/replica/control. What a change has to store is collected as rows, which native code
// writes atomically with the entry's index.

import { assert } from '../../base/assert.js';
import { bytesOf } from '../../base/bytes.js';
import { MetaStoreError } from '../../base/errors.js';
import { type Permission, roleRecord, userRecord } from '../../base/proto/auth-messages.js';
import type { MetaRow } from '../../storage/native.js';
import { compareBytes } from './permissions/intervals.js';
import { PermissionTable, ROOT } from './permissions/table.js';

export interface User {
  readonly name: string;
  /** As bcrypt writes it; empty for a user that cannot log in by password. */
  readonly password: Uint8Array;
  /** Sorted. */
  readonly roles: readonly string[];
  /** Logs in by certificate only. */
  readonly noPassword: boolean;
}

export interface Role {
  readonly name: string;
  /** Sorted by key. */
  readonly permissions: readonly Permission[];
}

const ENABLED_KEY = 'auth/enabled';
const REVISION_KEY = 'auth/revision';
const USER_PREFIX = 'authUsers/';
const ROLE_PREFIX = 'authRoles/';

/** The auth revision before anything was changed. */
const FIRST_REVISION = 1;
/** What a copy of the data that others can read holds at most in a name. */
const NAME_BYTES_MAX = 32_768;

/** Order of names as their bytes are. */
export function byName(a: string, b: string): number {
  return compareBytes(bytesOf(Buffer.from(a)), bytesOf(Buffer.from(b)));
}

function text(value: string): Uint8Array {
  return bytesOf(Buffer.from(value));
}

function userRow({ name, password, roles, noPassword }: User): MetaRow {
  const options = { no_password: noPassword };
  const value = userRecord.encode({ name: text(name), password, roles, options });
  return { key: USER_PREFIX + name, value: bytesOf(value) };
}

function roleRow({ name, permissions }: Role): MetaRow {
  const value = roleRecord.encode({ name: text(name), keyPermission: permissions });
  return { key: ROLE_PREFIX + name, value: bytesOf(value) };
}

function decodeUser(name: string, value: Buffer): User {
  const { password, roles, options } = userRecord.decode(bytesOf(value));
  return { name, password, roles, noPassword: options?.no_password ?? false };
}

export class AuthState {
  /** What stands for the auth revision at the moment of a check. */
  readonly currentRevision: number;
  #enabled = false;
  #revision = FIRST_REVISION;
  readonly #users = new Map<string, User>();
  readonly #roles = new Map<string, Role>();
  readonly #table = new PermissionTable();
  #rows: MetaRow[] = [];

  constructor(currentRevision = Number.MAX_SAFE_INTEGER) {
    this.currentRevision = currentRevision;
  }

  get enabled(): boolean {
    return this.#enabled;
  }
  /** Grows with every change of users, roles and permissions. */
  get revision(): number {
    return this.#revision;
  }
  get users(): ReadonlyMap<string, User> {
    return this.#users;
  }
  get roles(): ReadonlyMap<string, Role> {
    return this.#roles;
  }

  /** Takes over what is stored: at a start, or when a snapshot has replaced the state. */
  restore(meta: ReadonlyMap<string, Buffer>): void {
    this.#enabled = meta.get(ENABLED_KEY)?.toString() === '1';
    this.#revision = Number(meta.get(REVISION_KEY)?.toString() ?? FIRST_REVISION);
    assert(Number.isSafeInteger(this.#revision), 'the auth revision is stored as a number');
    this.#users.clear();
    this.#roles.clear();
    this.#table.changed();
    for (const [key, value] of meta) {
      if (key.startsWith(USER_PREFIX)) {
        const name = key.slice(USER_PREFIX.length);
        this.#users.set(name, decodeUser(name, value));
      } else if (key.startsWith(ROLE_PREFIX)) {
        const name = key.slice(ROLE_PREFIX.length);
        const { keyPermission } = roleRecord.decode(bytesOf(value));
        this.#roles.set(name, { name, permissions: keyPermission });
      }
    }
  }

  /** What native code checks requests by, as of now. */
  permissionTable(): Buffer {
    return this.#table.compile(this);
  }

  isRoot(userName: string): boolean {
    return this.#users.get(userName)?.roles.includes(ROOT) ?? false;
  }

  /**
   * Holds a user to the role root, where authentication is on.
   *
   * @throws MetaStoreError UserEmpty, UserNotFound, PermissionDenied
   */
  checkAdmin(userName: string): void {
    if (!this.#enabled) {
      return;
    }
    if (userName === '') {
      throw MetaStoreError.of('UserEmpty');
    }
    this.user(userName);
    if (!this.isRoot(userName)) {
      throw MetaStoreError.of('PermissionDenied');
    }
  }

  /** @throws MetaStoreError UserNotFound */
  user(name: string): User {
    const user = this.#users.get(name);
    if (user === undefined) {
      throw MetaStoreError.of('UserNotFound');
    }
    return user;
  }

  /** @throws MetaStoreError RoleNotFound */
  role(name: string): Role {
    const role = this.#roles.get(name);
    if (role === undefined) {
      throw MetaStoreError.of('RoleNotFound');
    }
    return role;
  }

  // ---- Changes, for the commands. ---------------------------------------------------------------

  setEnabled(enabled: boolean): void {
    this.#enabled = enabled;
    this.#rows.push({ key: ENABLED_KEY, value: text(enabled ? '1' : '0') });
  }

  /** Ends every change but the switching on. */
  raiseRevision(): void {
    this.#revision++;
    this.#rows.push({ key: REVISION_KEY, value: text(String(this.#revision)) });
  }

  putUser(user: User): void {
    this.#users.set(user.name, user);
    this.#table.userChanged(user.name);
    this.#rows.push(userRow(user));
  }

  deleteUser(name: string): void {
    this.#users.delete(name);
    this.#table.userChanged(name);
    this.#rows.push({ key: USER_PREFIX + name, value: null });
  }

  putRole(role: Role): void {
    this.#roles.set(role.name, role);
    this.#table.changed();
    this.#rows.push(roleRow(role));
  }

  deleteRole(name: string): void {
    this.#roles.delete(name);
    this.#table.changed();
    this.#rows.push({ key: ROLE_PREFIX + name, value: null });
  }

  /** Rows of all changes since the last call, in their order; none when nothing changed. */
  takeRows(): MetaRow[] {
    const rows = this.#rows;
    this.#rows = [];
    return rows;
  }
}

/** @throws MetaStoreError RequestTooLarge for a name that could not be stored everywhere */
export function checkNameSize(name: string): void {
  if (Buffer.byteLength(name) > NAME_BYTES_MAX) {
    throw MetaStoreError.of('RequestTooLarge');
  }
}
