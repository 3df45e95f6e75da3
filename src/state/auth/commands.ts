// What an entry of the log about users and roles does: who may ask for it, the change, the answer.
// Called by src/server/replica/control for every such entry, on every member alike; the answer is
// of use where the entry was proposed. Rights are checked by the state as the entry finds it.

import { bytesOf } from '../../base/bytes.js';
import { MetaStoreError, type SharedErrorCode } from '../../base/errors.js';
import * as auth from '../../base/proto/auth-messages.js';
import type { InternalRaftRequest, ResponseHeader } from '../../base/proto/messages.js';
import type { MetaRow } from '../../storage/native.js';
import { type AuthState, byName } from './auth-state.js';
import { ROOT } from './permissions/table.js';
import * as roles from './roles.js';
import type { TokenKeeper } from './tokens/types.js';
import * as users from './users.js';

/** What an entry has brought about. */
export interface Outcome {
  readonly rows: readonly MetaRow[];
  /** Null when it was carried out. */
  readonly refusal: SharedErrorCode | null;
  /** The reply message; empty with a refusal. */
  readonly reply: Buffer;
  /** What requests are checked by from now on; null when that has not changed. */
  readonly table: Buffer | null;
}

interface Entry {
  readonly index: number;
  /** Who asked, as the entry says. */
  readonly userName: string;
  readonly header: ResponseHeader;
}

interface Parts {
  readonly state: AuthState;
  readonly tokens: TokenKeeper;
  /** Entries up to this index were committed before this start. */
  readonly loggedBefore: number;
}

interface Command<Request> {
  /** Whether only a user with the role root may ask, once authentication is on. */
  readonly admin: boolean;
  /** The reply. @throws MetaStoreError, and then nothing has changed */
  run(parts: Parts, request: Request, entry: Entry): Buffer;
}

type Commands = {
  readonly [Field in keyof auth.AuthRequests]: Command<NonNullable<auth.AuthRequests[Field]>>;
};

/** For administrators; the answer is a header. */
function change<Request>(
  run: (state: AuthState, request: Request) => void,
  then: (parts: Parts, request: Request) => void = () => undefined,
): Command<Request> {
  return {
    admin: true,
    run: (parts, request, { header }) => {
      run(parts.state, request);
      then(parts, request);
      return auth.headerResponse.encode({ header });
    },
  };
}

function enable(state: AuthState): void {
  if (state.enabled) {
    return;
  }
  const root = state.users.get(ROOT);
  if (root === undefined) {
    throw MetaStoreError.of('RootUserNotExist');
  }
  if (!root.roles.includes(ROOT)) {
    throw MetaStoreError.of('RootRoleNotExist');
  }
  state.setEnabled(true);
}

function disable(state: AuthState): void {
  if (state.enabled) {
    state.setEnabled(false);
    state.raiseRevision();
  }
}

/** The password has been checked where the entry was proposed; here the token comes to be. */
function authenticate(
  { state, tokens, loggedBefore }: Parts,
  { name, simple_token }: auth.InternalAuthenticateRequest,
  { index, header }: Entry,
): Buffer {
  if (!state.enabled) {
    throw MetaStoreError.of('AuthNotEnabled');
  }
  const user = state.users.get(name);
  if (user === undefined || user.noPassword) {
    throw MetaStoreError.of('AuthFailed');
  }
  const token = simple_token === '' ? '' : `${simple_token}.${index}`;
  // Applied again after a restart, a login of long ago must not come to life again.
  if (token !== '' && index > loggedBefore) {
    tokens.assign(token, name);
  }
  return auth.authenticateResponse.encode({ header, token });
}

/** Everybody may see themselves. */
function getUser({ state }: Parts, { name }: auth.Named, { userName, header }: Entry): Buffer {
  if (name !== userName) {
    state.checkAdmin(userName);
  }
  return auth.userGetResponse.encode({ header, roles: state.user(name).roles });
}

/** Everybody may see the roles that they hold. */
function getRole({ state }: Parts, request: auth.RoleNamed, { userName, header }: Entry): Buffer {
  const held = state.users.get(userName)?.roles ?? [];
  if (!held.includes(request.role)) {
    state.checkAdmin(userName);
  }
  return auth.roleGetResponse.encode({ header, perm: roles.permissionsOf(state, request) });
}

const commands: Commands = {
  auth_enable: change(enable),
  auth_disable: change(disable, ({ tokens }) => tokens.dropAll()),
  auth_status: {
    admin: false,
    run: ({ state: { enabled, revision } }, _request, { header }) =>
      auth.authStatusResponse.encode({ header, enabled, authRevision: BigInt(revision) }),
  },
  authenticate: { admin: false, run: authenticate },
  auth_user_add: change(users.addUser),
  auth_user_delete: change(users.deleteUser, ({ tokens }, { name }) => tokens.dropUser(name)),
  auth_user_get: { admin: false, run: getUser },
  auth_user_change_password: change(users.changePassword, ({ tokens }, { name }) =>
    tokens.dropUser(name),
  ),
  auth_user_grant_role: change(users.grantRole),
  auth_user_revoke_role: change(users.revokeRole),
  auth_user_list: {
    admin: true,
    run: ({ state }, _request, { header }) =>
      auth.userListResponse.encode({ header, users: [...state.users.keys()].sort(byName) }),
  },
  auth_role_list: {
    admin: true,
    run: ({ state }, _request, { header }) =>
      auth.roleListResponse.encode({ header, roles: [...state.roles.keys()].sort(byName) }),
  },
  auth_role_add: change(roles.addRole),
  auth_role_delete: change(roles.deleteRole),
  auth_role_get: { admin: false, run: getRole },
  auth_role_grant_permission: change(roles.grantPermission),
  auth_role_revoke_permission: change(roles.revokePermission),
};

const fields = Object.keys(commands) as (keyof Commands)[];

const EMPTY = Buffer.alloc(0);

function runField<Field extends keyof Commands>(
  field: Field,
  parts: Parts,
  request: NonNullable<auth.AuthRequests[Field]>,
  entry: Entry,
): Buffer {
  const command: Command<NonNullable<auth.AuthRequests[Field]>> = commands[field];
  if (command.admin) {
    parts.state.checkAdmin(entry.userName);
  }
  return command.run(parts, request, entry);
}

/** Carries out entries about users and roles. */
export class AuthCommands {
  readonly #parts: Parts;

  /**
   * @param loggedBefore where the log ended when this member was started: a sole voter answers
   *   before it notes that it has committed, so its whole log counts as old
   */
  constructor(state: AuthState, tokens: TokenKeeper, loggedBefore = 0) {
    this.#parts = { state, tokens, loggedBefore };
  }

  /** Null when the entry is about something else. `header` is asked for the answer's header. */
  decide(
    index: number,
    request: InternalRaftRequest,
    header: () => ResponseHeader,
  ): Outcome | null {
    for (const field of fields) {
      const body = request[field];
      if (body !== null) {
        const userName = request.header?.username ?? '';
        return this.#run(field, body, { index, userName, header: header() });
      }
    }
    return null;
  }

  #run<Field extends keyof Commands>(
    field: Field,
    body: NonNullable<auth.AuthRequests[Field]>,
    entry: Entry,
  ): Outcome {
    const { state } = this.#parts;
    try {
      const reply = runField(field, this.#parts, body, entry);
      const rows = state.takeRows();
      const table = rows.length === 0 ? null : state.permissionTable();
      return { rows, refusal: null, reply, table };
    } catch (error) {
      if (!(error instanceof MetaStoreError)) {
        throw error;
      }
      const refusal = error.code as SharedErrorCode;
      return { rows: [], refusal, reply: EMPTY, table: null };
    }
  }
}

/** The table in the form in which it crosses to native code. */
export function tableBytes(outcome: Outcome): Uint8Array | null {
  return outcome.table === null ? null : bytesOf(outcome.table);
}
