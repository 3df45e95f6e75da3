// The commands of the log about users. Each checks in the documented order, then changes the state;
// a command that throws has changed nothing. The right to ask has been checked before.

import { bytesOf } from '../../base/bytes.js';
import { MetaStoreError } from '../../base/errors.js';
import type {
  Named,
  UserAddRequest,
  UserChangePasswordRequest,
  UserGrantRoleRequest,
  UserRevokeRoleRequest,
} from '../../base/proto/auth-messages.js';
import { type AuthState, byName, checkNameSize } from './auth-state.js';
import { ROOT } from './permissions/table.js';

const NONE = new Uint8Array(0);

function passwordOf(hashedPassword: string): Uint8Array {
  return bytesOf(Buffer.from(hashedPassword, 'base64'));
}

/** @throws MetaStoreError UserEmpty, UserExists, RequestTooLarge */
export function addUser(state: AuthState, request: UserAddRequest): void {
  const { name, options, hashedPassword } = request;
  if (name === '') {
    throw MetaStoreError.of('UserEmpty');
  }
  if (state.users.has(name)) {
    throw MetaStoreError.of('UserExists');
  }
  checkNameSize(name);
  const noPassword = options?.no_password ?? false;
  const password = noPassword ? NONE : passwordOf(hashedPassword);
  state.putUser({ name, password, roles: [], noPassword });
  state.raiseRevision();
}

/** @throws MetaStoreError InvalidAuthManagement, UserNotFound */
export function deleteUser(state: AuthState, { name }: Named): void {
  if (state.enabled && name === ROOT) {
    throw MetaStoreError.of('InvalidAuthManagement');
  }
  state.user(name);
  state.deleteUser(name);
  state.raiseRevision();
}

/** A user without a password stays one. @throws MetaStoreError UserNotFound */
export function changePassword(state: AuthState, request: UserChangePasswordRequest): void {
  const user = state.user(request.name);
  const password = user.noPassword ? NONE : passwordOf(request.hashedPassword);
  state.putUser({ ...user, password });
  state.raiseRevision();
}

/**
 * The role root may be given before it exists. A role that is held already changes nothing.
 *
 * @throws MetaStoreError UserNotFound, RoleNotFound
 */
export function grantRole(state: AuthState, request: UserGrantRoleRequest): void {
  const user = state.user(request.user);
  if (request.role !== ROOT) {
    state.role(request.role);
  }
  if (user.roles.includes(request.role)) {
    return;
  }
  state.putUser({ ...user, roles: [...user.roles, request.role].sort(byName) });
  state.raiseRevision();
}

/** @throws MetaStoreError InvalidAuthManagement, UserNotFound, RoleNotGranted */
export function revokeRole(state: AuthState, { name, role }: UserRevokeRoleRequest): void {
  if (state.enabled && name === ROOT && role === ROOT) {
    throw MetaStoreError.of('InvalidAuthManagement');
  }
  const user = state.user(name);
  if (!user.roles.includes(role)) {
    throw MetaStoreError.of('RoleNotGranted');
  }
  state.putUser({ ...user, roles: user.roles.filter((held) => held !== role) });
  state.raiseRevision();
}
