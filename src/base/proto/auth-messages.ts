// The messages of users, roles and logging in, as types, and a codec for each. The requests stand
// in the log as clients sent them; users and roles are stored in these forms too.

import { Codec } from './codec.js';
import type { Empty, ResponseHeader } from './messages.js';

interface WithHeader {
  readonly header: ResponseHeader | null;
}

/** An interval of keys: `range_end` empty is one key, one zero byte is unbounded. */
export interface Permission {
  /** READ=0, WRITE=1, READWRITE=2; other numbers grant nothing. */
  readonly permType: number;
  readonly key: Uint8Array;
  readonly range_end: Uint8Array;
}
export interface UserAddOptions {
  readonly no_password: boolean;
}
/** A user as it is stored. */
export interface UserRecord {
  readonly name: Uint8Array;
  readonly password: Uint8Array;
  readonly roles: readonly string[];
  readonly options: UserAddOptions | null;
}
/** A role as it is stored. */
export interface RoleRecord {
  readonly name: Uint8Array;
  readonly keyPermission: readonly Permission[];
}

export const userRecord = new Codec<UserRecord>('authpb.User');
export const roleRecord = new Codec<RoleRecord>('authpb.Role');

export interface AuthenticateRequest {
  readonly name: string;
  readonly password: string;
}
export interface UserAddRequest {
  readonly name: string;
  readonly password: string;
  readonly options: UserAddOptions | null;
  /** Base64 of what bcrypt made of the password; the only form that stands in the log. */
  readonly hashedPassword: string;
}
export interface UserChangePasswordRequest {
  readonly name: string;
  readonly password: string;
  readonly hashedPassword: string;
}
export interface Named {
  readonly name: string;
}
export interface UserGrantRoleRequest {
  readonly user: string;
  readonly role: string;
}
export interface UserRevokeRoleRequest {
  readonly name: string;
  readonly role: string;
}
export interface RoleNamed {
  readonly role: string;
}
export interface RoleGrantPermissionRequest {
  readonly name: string;
  readonly perm: Permission | null;
}
export interface RoleRevokePermissionRequest {
  readonly role: string;
  readonly key: Uint8Array;
  readonly range_end: Uint8Array;
}
/** What stands in the log for a login whose password has been checked. */
export interface InternalAuthenticateRequest {
  readonly name: string;
  /** Never filled in. */
  readonly password: string;
  /** The random part of the token to be given; empty where tokens are of another kind. */
  readonly simple_token: string;
}

/** The part of InternalRaftRequest that is about users and roles, by field; one is not null. */
export interface AuthRequests {
  readonly auth_enable: Empty | null;
  readonly auth_disable: Empty | null;
  readonly auth_status: Empty | null;
  readonly authenticate: InternalAuthenticateRequest | null;
  readonly auth_user_add: UserAddRequest | null;
  readonly auth_user_delete: Named | null;
  readonly auth_user_get: Named | null;
  readonly auth_user_change_password: UserChangePasswordRequest | null;
  readonly auth_user_grant_role: UserGrantRoleRequest | null;
  readonly auth_user_revoke_role: UserRevokeRoleRequest | null;
  readonly auth_user_list: Empty | null;
  readonly auth_role_list: Empty | null;
  readonly auth_role_add: Named | null;
  readonly auth_role_delete: RoleNamed | null;
  readonly auth_role_get: RoleNamed | null;
  readonly auth_role_grant_permission: RoleGrantPermissionRequest | null;
  readonly auth_role_revoke_permission: RoleRevokePermissionRequest | null;
}

export interface AuthStatusResponse extends WithHeader {
  readonly enabled: boolean;
  readonly authRevision: bigint;
}
export interface AuthenticateResponse extends WithHeader {
  readonly token: string;
}
export interface UserGetResponse extends WithHeader {
  readonly roles: readonly string[];
}
export interface UserListResponse extends WithHeader {
  readonly users: readonly string[];
}
export interface RoleGetResponse extends WithHeader {
  readonly perm: readonly Permission[];
}
export interface RoleListResponse extends WithHeader {
  readonly roles: readonly string[];
}

const request = <T>(name: string): Codec<T> => new Codec<T>(`etcdserverpb.${name}Request`);
const response = <T>(name: string): Codec<T> => new Codec<T>(`etcdserverpb.${name}Response`);

export const authenticateRequest = request<AuthenticateRequest>('Authenticate');
export const authenticateResponse = response<AuthenticateResponse>('Authenticate');
export const authStatusResponse = response<AuthStatusResponse>('AuthStatus');
export const userAddRequest = request<UserAddRequest>('AuthUserAdd');
export const userChangePasswordRequest =
  request<UserChangePasswordRequest>('AuthUserChangePassword');
export const userGetResponse = response<UserGetResponse>('AuthUserGet');
export const userListResponse = response<UserListResponse>('AuthUserList');
export const roleGetResponse = response<RoleGetResponse>('AuthRoleGet');
export const roleListResponse = response<RoleListResponse>('AuthRoleList');
/** The answers that are nothing but a header have one form. */
export const headerResponse = response<WithHeader>('AuthEnable');

/** Requests of the service that go into the log as they are, by the field that they get there. */
export const authRequests = {
  auth_enable: request<Empty>('AuthEnable'),
  auth_disable: request<Empty>('AuthDisable'),
  auth_status: request<Empty>('AuthStatus'),
  auth_user_delete: request<Named>('AuthUserDelete'),
  auth_user_get: request<Named>('AuthUserGet'),
  auth_user_grant_role: request<UserGrantRoleRequest>('AuthUserGrantRole'),
  auth_user_revoke_role: request<UserRevokeRoleRequest>('AuthUserRevokeRole'),
  auth_user_list: request<Empty>('AuthUserList'),
  auth_role_list: request<Empty>('AuthRoleList'),
  auth_role_add: request<Named>('AuthRoleAdd'),
  auth_role_delete: request<RoleNamed>('AuthRoleDelete'),
  auth_role_get: request<RoleNamed>('AuthRoleGet'),
  auth_role_grant_permission: request<RoleGrantPermissionRequest>('AuthRoleGrantPermission'),
  auth_role_revoke_permission: request<RoleRevokePermissionRequest>('AuthRoleRevokePermission'),
} as const;
