// The commands of the log about roles and what they permit. Each checks in the documented order,
// then changes the state; a command that throws has changed nothing. The right to ask has been
// checked before.

import { MetaStoreError } from '../../base/errors.js';
import type {
  Named,
  Permission,
  RoleGrantPermissionRequest,
  RoleNamed,
  RoleRevokePermissionRequest,
} from '../../base/proto/auth-messages.js';
import { type AuthState, checkNameSize } from './auth-state.js';
import { compareBytes, isGrantable } from './permissions/intervals.js';
import { ROOT } from './permissions/table.js';

const READ_WRITE = 2;

/** What the role root shows: everything. */
const rootPermission: Permission = {
  permType: READ_WRITE,
  key: new Uint8Array(0),
  range_end: Uint8Array.of(0),
};

type Range = Pick<Permission, 'key' | 'range_end'>;

function isSameRange(a: Range, b: Range): boolean {
  return compareBytes(a.key, b.key) === 0 && compareBytes(a.range_end, b.range_end) === 0;
}

/** @throws MetaStoreError RoleEmpty, RoleExists, RequestTooLarge */
export function addRole(state: AuthState, { name }: Named): void {
  if (name === '') {
    throw MetaStoreError.of('RoleEmpty');
  }
  if (state.roles.has(name)) {
    throw MetaStoreError.of('RoleExists');
  }
  checkNameSize(name);
  state.putRole({ name, permissions: [] });
  state.raiseRevision();
}

/** Takes the role from all users too. @throws MetaStoreError InvalidAuthManagement, RoleNotFound */
export function deleteRole(state: AuthState, { role }: RoleNamed): void {
  if (state.enabled && role === ROOT) {
    throw MetaStoreError.of('InvalidAuthManagement');
  }
  state.role(role);
  state.deleteRole(role);
  for (const user of [...state.users.values()]) {
    if (user.roles.includes(role)) {
      state.putUser({ ...user, roles: user.roles.filter((held) => held !== role) });
    }
  }
  state.raiseRevision();
}

/** @throws MetaStoreError RoleNotFound */
export function permissionsOf(state: AuthState, { role }: RoleNamed): readonly Permission[] {
  const { permissions } = state.role(role);
  return role === ROOT ? [rootPermission] : permissions;
}

/**
 * A range that is granted already gets the new kind of permission, if no other range with the same
 * key stands before it: then both stand, and both count, as in etcd.
 *
 * @throws MetaStoreError PermissionNotGiven, InvalidAuthManagement, RoleNotFound
 */
export function grantPermission(state: AuthState, request: RoleGrantPermissionRequest): void {
  const { perm } = request;
  if (perm === null) {
    throw MetaStoreError.of('PermissionNotGiven');
  }
  if (!isGrantable(perm)) {
    throw MetaStoreError.of('InvalidAuthManagement');
  }
  const role = state.role(request.name);
  const permissions = [...role.permissions];
  const at = permissions.findIndex(({ key }) => compareBytes(key, perm.key) >= 0);
  const first = permissions[at];
  if (first !== undefined && isSameRange(first, perm)) {
    permissions[at] = perm;
  } else {
    // Sorting is stable: of equal keys the one granted first stands first.
    permissions.push(perm);
    permissions.sort((a, b) => compareBytes(a.key, b.key));
  }
  state.putRole({ ...role, permissions });
  state.raiseRevision();
}

/** @throws MetaStoreError RoleNotFound, PermissionNotGranted */
export function revokePermission(state: AuthState, request: RoleRevokePermissionRequest): void {
  const role = state.role(request.role);
  const permissions = role.permissions.filter((held) => !isSameRange(held, request));
  if (permissions.length === role.permissions.length) {
    throw MetaStoreError.of('PermissionNotGranted');
  }
  state.putRole({ ...role, permissions });
  state.raiseRevision();
}
