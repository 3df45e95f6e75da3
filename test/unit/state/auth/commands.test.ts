// Tests of src/state/auth: what entries of the log do to users and roles, in the documented order
// of checks, what they store, and that what is stored brings the same state back.

import t from 'tap';

import { bytesOf } from '../../../../src/base/bytes.js';
import * as auth from '../../../../src/base/proto/auth-messages.js';
import type { Partially } from '../../../../src/base/proto/codec.js';
import {
  type InternalRaftRequest,
  internalRaftRequest,
} from '../../../../src/base/proto/messages.js';
import { AuthState } from '../../../../src/state/auth/auth-state.js';
import { AuthCommands } from '../../../../src/state/auth/commands.js';
import { noKeeper, type TokenKeeper } from '../../../../src/state/auth/tokens/types.js';

const header = { cluster_id: 1n, member_id: 2n, revision: 3n, raft_term: 4n };
const text = (value: string) => bytesOf(Buffer.from(value));
const none = new Uint8Array(0);

function made() {
  const state = new AuthState();
  const rows = new Map<string, Buffer>();
  const tokens: string[] = [];
  const keeper: TokenKeeper = {
    noteApplied: () => undefined,
    assign: (token, userName) => tokens.push(`assign ${token} ${userName}`),
    dropUser: (userName) => tokens.push(`drop ${userName}`),
    dropAll: () => tokens.push('drop all'),
    retain: () => undefined,
  };
  const commands = new AuthCommands(state, keeper);
  let index = 0;
  /** Applies an entry as the user; its refusal, or what was replied. */
  const apply = (request: Partially<InternalRaftRequest>, username = ''): Buffer | string => {
    const bytes = internalRaftRequest.encode({ ...request, header: { username } });
    const outcome = commands.decide(
      ++index,
      internalRaftRequest.decode(bytesOf(bytes)),
      () => header,
    );
    if (outcome === null) {
      return 'not about users';
    }
    for (const { key, value } of outcome.rows) {
      if (value === null) rows.delete(key);
      else rows.set(key, Buffer.from(value));
    }
    t.equal(outcome.table === null, outcome.rows.length === 0, 'a change comes with its table');
    const restored = new AuthState();
    restored.restore(rows);
    t.same([...restored.users].sort(order), [...state.users].sort(order), 'rows hold the users');
    t.same([...restored.roles.keys()].sort(), [...state.roles.keys()].sort());
    t.same([restored.enabled, restored.revision], [state.enabled, state.revision]);
    t.ok(outcome.refusal === null || outcome.rows.length === 0, 'a refusal changes nothing');
    return outcome.refusal ?? outcome.reply;
  };
  return { state, rows, tokens, apply, commands };
}

function order([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

type Made = ReturnType<typeof made>;

/** Root with its role, and authentication on. */
function enabled(): Made {
  const all = made();
  all.apply({ auth_user_add: { name: 'root' } });
  all.apply({ auth_user_grant_role: { user: 'root', role: 'root' } });
  all.apply({ auth_enable: {} });
  t.equal(all.state.enabled, true);
  return all;
}

const grant = (name: string, permType: number, key: string, end = '') => ({
  auth_role_grant_permission: { name, perm: { permType, key: text(key), range_end: text(end) } },
});

t.test('users', async (t) => {
  const { state, apply, rows } = made();
  const hashedPassword = Buffer.from('$2a$hash').toString('base64');
  t.equal(apply({ auth_user_add: { name: '', hashedPassword } }), 'UserEmpty');
  t.type(apply({ auth_user_add: { name: 'ann', hashedPassword } }), Buffer);
  t.equal(Buffer.from(state.user('ann').password).toString(), '$2a$hash');
  t.equal(apply({ auth_user_add: { name: 'ann' } }), 'UserExists');
  t.equal(apply({ auth_user_add: { name: 'x'.repeat(32_769) } }), 'RequestTooLarge');
  t.equal(state.revision, 2, 'only what has an effect counts');
  apply({ auth_user_add: { name: 'bob', hashedPassword, options: { no_password: true } } });
  t.match(state.user('bob'), { noPassword: true, password: none });
  apply({ auth_user_change_password: { name: 'bob', hashedPassword } });
  t.match(state.user('bob'), { noPassword: true, password: none }, 'stays without a password');
  apply({ auth_user_change_password: { name: 'ann', hashedPassword: '' } });
  t.equal(state.user('ann').password.length, 0);
  t.equal(apply({ auth_user_change_password: { name: 'eve' } }), 'UserNotFound');
  const list = apply({ auth_user_list: {} }) as Buffer;
  t.same(auth.userListResponse.decode(bytesOf(list)), { header, users: ['ann', 'bob'] });
  t.equal(apply({ auth_user_delete: { name: 'eve' } }), 'UserNotFound');
  t.type(apply({ auth_user_delete: { name: 'ann' } }), Buffer);
  t.same([...rows.keys()].sort(), ['auth/revision', 'authUsers/bob']);
  t.equal(rows.get('auth/revision')?.toString(), String(state.revision));
});

t.test('names are listed in the order of their bytes', async (t) => {
  const { apply } = made();
  for (const name of ['\u{1f600}', '\uffee', 'b', 'a']) {
    apply({ auth_user_add: { name } });
    apply({ auth_role_add: { name } });
  }
  const sorted = ['a', 'b', '\uffee', '\u{1f600}'];
  const users = apply({ auth_user_list: {} }) as Buffer;
  t.same(auth.userListResponse.decode(bytesOf(users)).users, sorted);
  const roles = apply({ auth_role_list: {} }) as Buffer;
  t.same(auth.roleListResponse.decode(bytesOf(roles)).roles, sorted);
});

t.test('roles of users', async (t) => {
  const { state, apply } = made();
  apply({ auth_user_add: { name: 'ann' } });
  t.equal(apply({ auth_user_grant_role: { user: 'eve', role: 'r' } }), 'UserNotFound');
  t.equal(apply({ auth_user_grant_role: { user: 'ann', role: 'r' } }), 'RoleNotFound');
  apply({ auth_role_add: { name: 'r' } });
  t.type(apply({ auth_user_grant_role: { user: 'ann', role: 'r' } }), Buffer);
  const { revision } = state;
  t.type(apply({ auth_user_grant_role: { user: 'ann', role: 'r' } }), Buffer);
  t.equal(state.revision, revision, 'granting what is held changes nothing');
  t.type(apply({ auth_user_grant_role: { user: 'ann', role: 'root' } }), Buffer, 'never added');
  t.same(state.user('ann').roles, ['r', 'root']);
  const user = apply({ auth_user_get: { name: 'ann' } }) as Buffer;
  t.same(auth.userGetResponse.decode(bytesOf(user)), { header, roles: ['r', 'root'] });
  t.type(apply({ auth_role_delete: { role: 'r' } }), Buffer);
  t.same(state.user('ann').roles, ['root'], 'taken from all users');
  t.equal(apply({ auth_user_revoke_role: { name: 'ann', role: 'r' } }), 'RoleNotGranted');
  t.equal(apply({ auth_user_revoke_role: { name: 'eve', role: 'r' } }), 'UserNotFound');
  t.type(apply({ auth_user_revoke_role: { name: 'ann', role: 'root' } }), Buffer);
  t.same(state.user('ann').roles, []);
});

t.test('permissions of roles', async (t) => {
  const { state, apply } = made();
  t.equal(apply({ auth_role_add: { name: '' } }), 'RoleEmpty');
  apply({ auth_role_add: { name: 'r' } });
  t.equal(apply({ auth_role_add: { name: 'r' } }), 'RoleExists');
  t.equal(apply({ auth_role_grant_permission: { name: 'x' } }), 'PermissionNotGiven');
  t.equal(apply(grant('x', 0, '')), 'InvalidAuthManagement');
  t.equal(apply(grant('x', 0, 'b', 'b')), 'InvalidAuthManagement');
  t.equal(apply(grant('x', 0, 'b', 'a')), 'InvalidAuthManagement');
  t.equal(apply(grant('x', 0, 'b', '\0')), 'RoleNotFound', 'the range is good');
  for (const [type, key, end] of [
    [1, 'c', ''],
    [0, 'a', 'b'],
    [7, 'b', '\0'],
  ] as const) {
    t.type(apply(grant('r', type, key, end)), Buffer);
  }
  const { revision } = state;
  t.type(apply(grant('r', 2, 'c')), Buffer);
  t.type(apply(grant('r', 2, 'c')), Buffer);
  t.equal(state.revision, revision + 2, 'the same once more counts');
  const get = () => {
    const reply = apply({ auth_role_get: { role: 'r' } }) as Buffer;
    return auth.roleGetResponse
      .decode(bytesOf(reply))
      .perm.map(({ permType, key, range_end }) => [permType, String(key), String(range_end)]);
  };
  t.same(get(), [
    [0, 'a', 'b'],
    [7, 'b', '\0'],
    [2, 'c', ''],
  ]);
  const revoke = (key: string, end: string) => ({
    auth_role_revoke_permission: { role: 'r', key: text(key), range_end: text(end) },
  });
  t.equal(apply(revoke('a', '')), 'PermissionNotGranted');
  t.type(apply(revoke('a', 'b')), Buffer);
  t.equal(get().length, 2);
  t.equal(apply({ auth_role_delete: { role: 'x' } }), 'RoleNotFound');
  apply({ auth_role_add: { name: 'root' } });
  const root = apply({ auth_role_get: { role: 'root' } }) as Buffer;
  t.match(auth.roleGetResponse.decode(bytesOf(root)).perm, [
    { permType: 2, key: Buffer.alloc(0), range_end: Buffer.from([0]) },
  ]);
});

t.test('switching on and off', async (t) => {
  const { state, apply, tokens } = made();
  t.equal(apply({ auth_enable: {} }), 'RootUserNotExist');
  apply({ auth_user_add: { name: 'root' } });
  t.equal(apply({ auth_enable: {} }), 'RootRoleNotExist');
  apply({ auth_user_grant_role: { user: 'root', role: 'root' } });
  const { revision } = state;
  t.type(apply({ auth_disable: {} }), Buffer, 'off already');
  t.type(apply({ auth_enable: {} }), Buffer);
  t.equal(state.revision, revision, 'switching on is no change of users');
  t.equal(apply({ auth_enable: {} }), 'UserEmpty', 'from now on it takes an administrator');
  t.type(apply({ auth_enable: {} }, 'root'), Buffer);
  const status = apply({ auth_status: {} }) as Buffer;
  t.match(auth.authStatusResponse.decode(bytesOf(status)), {
    enabled: true,
    authRevision: BigInt(revision),
  });
  tokens.length = 0;
  t.type(apply({ auth_disable: {} }, 'root'), Buffer);
  t.same(tokens, ['drop all']);
  t.equal(state.revision, revision + 1);
  t.equal(apply({ cluster_version_set: { ver: '3.7.0' } }), 'not about users');
});

t.test('who may ask for what', async (t) => {
  const { state, apply } = enabled();
  apply({ auth_user_add: { name: 'ann' } }, 'root');
  apply({ auth_role_add: { name: 'r' } }, 'root');
  apply({ auth_user_grant_role: { user: 'ann', role: 'r' } }, 'root');
  const admin: Partially<InternalRaftRequest>[] = [
    { auth_enable: {} },
    { auth_disable: {} },
    { auth_user_add: { name: '' } },
    { auth_user_delete: { name: 'root' } },
    { auth_user_change_password: { name: 'ann' } },
    { auth_user_grant_role: { user: 'ann', role: 'root' } },
    { auth_user_revoke_role: { name: 'root', role: 'root' } },
    { auth_user_list: {} },
    { auth_role_list: {} },
    { auth_role_add: { name: '' } },
    { auth_role_delete: { role: 'root' } },
    { auth_role_grant_permission: { name: 'r' } },
    { auth_role_revoke_permission: { role: 'r' } },
  ];
  const { revision } = state;
  for (const request of admin) {
    const field = Object.keys(request).join();
    t.equal(apply(request), 'UserEmpty', field);
    t.equal(apply(request, 'eve'), 'UserNotFound', field);
    t.equal(apply(request, 'ann'), 'PermissionDenied', field);
  }
  t.equal(state.revision, revision);
  const guarded = 'InvalidAuthManagement';
  t.equal(apply({ auth_user_delete: { name: 'root' } }, 'root'), guarded);
  t.equal(apply({ auth_user_revoke_role: { name: 'root', role: 'root' } }, 'root'), guarded);
  t.equal(apply({ auth_role_delete: { role: 'root' } }, 'root'), guarded);
  t.type(apply({ auth_user_get: { name: 'ann' } }, 'ann'), Buffer);
  t.equal(apply({ auth_user_get: { name: 'root' } }, 'ann'), 'PermissionDenied');
  t.equal(apply({ auth_user_get: { name: 'eve' } }, 'eve'), 'UserNotFound');
  t.equal(apply({ auth_user_get: { name: 'ann' } }), 'UserEmpty');
  t.type(apply({ auth_role_get: { role: 'r' } }, 'ann'), Buffer);
  t.equal(apply({ auth_role_get: { role: 'x' } }, 'ann'), 'PermissionDenied');
  t.equal(apply({ auth_role_get: { role: 'x' } }, 'root'), 'RoleNotFound');
  t.type(apply({ auth_status: {} }), Buffer);
});

t.test('logging in', async (t) => {
  const off = made();
  const login = (name: string, simple_token = '') => ({ authenticate: { name, simple_token } });
  t.equal(off.apply(login('root')), 'AuthNotEnabled');
  const { apply, tokens } = enabled();
  apply({ auth_user_add: { name: 'bob', options: { no_password: true } } }, 'root');
  t.equal(apply(login('eve', 'abc')), 'AuthFailed');
  t.equal(apply(login('bob', 'abc')), 'AuthFailed');
  t.same(tokens, []);
  const reply = apply(login('root', 'abc')) as Buffer;
  t.same(auth.authenticateResponse.decode(bytesOf(reply)), { header, token: 'abc.7' });
  t.same(tokens, ['assign abc.7 root']);
  const other = apply(login('root')) as Buffer;
  t.equal(auth.authenticateResponse.decode(bytesOf(other)).token, '', 'not of this kind');
  t.equal(tokens.length, 1);
  apply({ auth_user_change_password: { name: 'bob' } }, 'root');
  apply({ auth_user_delete: { name: 'bob' } }, 'root');
  t.same(tokens.slice(1), ['drop bob', 'drop bob']);
});

t.test('a login that is applied again after a restart gives no token', async (t) => {
  const state = new AuthState();
  state.setEnabled(true);
  state.putUser({ name: 'ann', password: none, roles: [], noPassword: false });
  const assigned: string[] = [];
  const keeper = { ...noKeeper, assign: (token: string) => assigned.push(token) };
  const commands = new AuthCommands(state, keeper, 5);
  for (const index of [4, 5, 6]) {
    const request = { authenticate: { name: 'ann', simple_token: 'abc' } };
    const bytes = internalRaftRequest.encode(request);
    commands.decide(index, internalRaftRequest.decode(bytesOf(bytes)), () => header);
  }
  t.same(assigned, ['abc.6']);
});
