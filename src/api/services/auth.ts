// The Auth service: logging in, users, roles, permissions. All of it goes through the log, reading
// too, and is decided where it is applied (src/state/auth); here passwords are hashed and checked
// before, and tokens handed out after.

import { bytesOf } from '../../base/bytes.js';
import type { CallContext, Handler } from '../../base/call.js';
import { MetaStoreError } from '../../base/errors.js';
import type { Logger } from '../../base/log/logger.js';
import * as auth from '../../base/proto/auth-messages.js';
import type { Codec, Partially } from '../../base/proto/codec.js';
import { type InternalRaftRequest, internalRaftRequest } from '../../base/proto/messages.js';
import type { Member } from '../../server/member.js';
import { nobody } from '../../server/serving/caller.js';
import type { Passwords } from '../../state/auth/passwords.js';
import type { TokenProvider } from '../../state/auth/tokens/types.js';
import type { Access } from '../access.js';
import { type Service, unary } from './service.js';

export interface AuthParts {
  readonly member: Pick<Member, 'auth' | 'propose' | 'linearizable'>;
  readonly access: Access;
  readonly tokens: TokenProvider;
  readonly passwords: Passwords;
  readonly log: Logger;
}

type Request = Partially<InternalRaftRequest>;

/** Puts a request into the log for whoever asks; the reply as it was decided there. */
async function propose(
  { member, access }: AuthParts,
  context: CallContext,
  request: Request,
): Promise<Buffer> {
  const caller = await access.caller(context);
  if (caller.refusal !== null) {
    throw caller.refusal;
  }
  return member.propose(internalRaftRequest.encode(request), caller);
}

/** Base64 of the hash, as it stands in the log. */
async function hashed({ passwords }: AuthParts, password: string, signal: AbortSignal) {
  return Buffer.from(await passwords.hash(password, signal)).toString('base64');
}

async function addUser(parts: AuthParts, context: CallContext, bytes: Buffer): Promise<Buffer> {
  const { name, options, password } = auth.userAddRequest.decode(bytesOf(bytes));
  const hashedPassword =
    options?.no_password === true ? '' : await hashed(parts, password, context.signal);
  return propose(parts, context, { auth_user_add: { name, options, hashedPassword } });
}

/** An empty password is none: the user cannot log in by password any more. */
async function changePassword(
  parts: AuthParts,
  context: CallContext,
  bytes: Buffer,
): Promise<Buffer> {
  const { name, password } = auth.userChangePasswordRequest.decode(bytesOf(bytes));
  const hashedPassword = password === '' ? '' : await hashed(parts, password, context.signal);
  return propose(parts, context, { auth_user_change_password: { name, hashedPassword } });
}

/**
 * The auth revision at which the password was right.
 *
 * @throws MetaStoreError AuthNotEnabled, AuthFailed, NoPasswordUser, TooManyRequests
 */
async function checkPassword(
  { member, passwords, log }: AuthParts,
  { name, password }: auth.AuthenticateRequest,
  context: CallContext,
): Promise<number> {
  const { enabled, users, revision } = member.auth;
  if (!enabled) {
    throw MetaStoreError.of('AuthNotEnabled');
  }
  const user = users.get(name);
  if (user?.noPassword === true) {
    throw MetaStoreError.of('NoPasswordUser');
  }
  const isRight =
    user !== undefined && (await passwords.matches(password, user.password, context.signal));
  if (!isRight) {
    log.warn('invalid authentication was requested', {
      user: name,
      'remote-address': context.peer,
    });
    throw MetaStoreError.of('AuthFailed');
  }
  return revision;
}

/**
 * The password is checked before the log is asked, since that takes long, and again when users have
 * changed meanwhile: the token is of the users and roles under which the password was right.
 */
async function authenticate(
  parts: AuthParts,
  context: CallContext,
  bytes: Buffer,
): Promise<Buffer> {
  const { member, tokens, log } = parts;
  const request = auth.authenticateRequest.decode(bytesOf(bytes));
  await member.linearizable();
  while (!context.signal.aborted) {
    const revision = await checkPassword(parts, request, context);
    const authenticated = { name: request.name, simple_token: tokens.newPrefix() };
    const proposal = internalRaftRequest.encode({ authenticate: authenticated });
    // Nobody has to be somebody to log in: a token in the metadata does not matter.
    const reply = await member.propose(proposal, nobody);
    if (revision === member.auth.revision) {
      const { header, token: assigned } = auth.authenticateResponse.decode(bytesOf(reply));
      const token = await tokens.issue(request.name, assigned, revision);
      return auth.authenticateResponse.encode({ header, token });
    }
    log.info('revision when password checked became stale; retrying', {
      'revision-at-check': revision,
      'auth-revision': member.auth.revision,
    });
  }
  throw MetaStoreError.of('ContextCanceled');
}

type Method = (parts: AuthParts, context: CallContext, bytes: Buffer) => Promise<Buffer>;

/** A request that goes into the log as it is. */
function through<Field extends keyof typeof auth.authRequests>(field: Field): Method {
  const codec = auth.authRequests[field] as Codec<unknown>;
  return (parts, context, bytes) => {
    const request: unknown = codec.decode(bytesOf(bytes));
    return propose(parts, context, { [field]: request } as Request);
  };
}

const methods: Readonly<Record<string, Method>> = {
  AuthEnable: through('auth_enable'),
  AuthDisable: through('auth_disable'),
  AuthStatus: through('auth_status'),
  Authenticate: authenticate,
  UserAdd: addUser,
  UserGet: through('auth_user_get'),
  UserList: through('auth_user_list'),
  UserDelete: through('auth_user_delete'),
  UserChangePassword: changePassword,
  UserGrantRole: through('auth_user_grant_role'),
  UserRevokeRole: through('auth_user_revoke_role'),
  RoleAdd: through('auth_role_add'),
  RoleGet: through('auth_role_get'),
  RoleList: through('auth_role_list'),
  RoleDelete: through('auth_role_delete'),
  RoleGrantPermission: through('auth_role_grant_permission'),
  RoleRevokePermission: through('auth_role_revoke_permission'),
};

export function authService(parts: AuthParts): Service {
  const handlers = Object.entries(methods).map(([name, method]): [string, Handler] => [
    name,
    unary(async (context, bytes) => method(parts, context, bytes)),
  ]);
  return Object.fromEntries(handlers);
}
