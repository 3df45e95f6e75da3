// auth, user and role commands, switching authentication on, what users may do then, and switching
// it off again. Called by etcdctl.test.ts, as the last script.

import { run, runAll, type Step } from '../step.js';

const root = (command: string): Step => run(`--user root:rootpw ${command}`);
const ann = (command: string): Step => run(`--user ann:annpw ${command}`);
const rootJson = (command: string): Step => root(`${command} -w json`);

const usersAndRoles: readonly Step[] = [
  ...runAll(`
    auth status
    auth status -w json
    auth disable
    user list
    role list
    role get none
    user get none
    user add root:rootpw
    user add ann:annpw
    user add ann:other
    user add :x
    user add bob --no-password
    user add
    role add app
    role add app
    role add
    role grant-permission app readwrite a/ --prefix
    role grant-permission app read foo
    role grant-permission app read c e
    role grant-permission app write z --from-key
    role grant-permission app read e c
    role grant-permission app other foo
    role grant-permission none read foo
    role grant-permission app readwrite foo
    role get app
    role get app -w json
    role get app -w simple
    role revoke-permission app foo bar
    role revoke-permission none foo
    role revoke-permission app c e
    role get app
    user grant-role ann app
    user grant-role ann app
    user grant-role ann none
    user grant-role none app
    user revoke-role ann none
    user get ann
    user get ann --detail
    user get ann -w json
    user get ann -w fields
    user list
    user list -w json
    role list -w table
  `),
  run('user add carl --interactive=false', { stdin: 'carlpw\n' }),
  run('user passwd carl --interactive=false', { stdin: 'newpw\n' }),
  run('user passwd none --interactive=false', { stdin: 'newpw\n' }),
  run(['user', 'add', `long:${'x'.repeat(73)}`]),
  run('user add --new-user-password=dora dora', { since: '3.7' }),
];

const enabled: readonly Step[] = [
  run('auth enable'),
  run('auth enable'),
  run('auth status'),
  root('auth status'),
  run('user list'),
  run('get foo'),
  run('put foo 1'),
  run('lease grant 100'),
  run('member list'),
  run('endpoint status'),
  run('endpoint health'),
  run('--user root:wrong get foo'),
  run('--user none:wrong get foo'),
  run('--user bob:wrong get foo'),
  run('--user carl:carlpw get foo'),
  run('--user carl:newpw get foo'),
  run('get foo', { environment: { ETCDCTL_USER: 'ann:annpw' } }),
  root('role list'),
  root('role get root'),
  root('auth enable'),
  ann('put foo 1'),
  ann('get foo'),
  ann('put a/1 1'),
  ann('put b 1'),
  ann('get a/ --prefix'),
  ann('get a --prefix'),
  ann('get z --from-key'),
  ann('put zz 1'),
  ann('del a/ --prefix'),
  ann('del zz --prev-kv'),
  ann('user get ann'),
  ann('user get root'),
  ann('user list'),
  ann('role get app'),
  ann('role get root'),
  ann('role add x'),
  ann('compact 2'),
  ann('alarm list'),
  ann('alarm disarm'),
  ann('defrag'),
  ann('lease list'),
  ann('watch b'),
  ann('move-leader 5'),
  run('--user ann:annpw txn', { stdin: 'value("foo") = "1"\n\nput a/2 1\n\nget b\n\n' }),
  run('--user ann:annpw txn', { stdin: 'value("foo") = "1"\n\nput a/2 1\n\nget foo\n\n' }),
];

const endings: readonly Step[] = [
  root('user delete root'),
  root('user revoke-role root root'),
  root('role delete root'),
  root('user revoke-role ann app'),
  ann('get foo'),
  rootJson('user grant-role ann app'),
  root('role revoke-permission app foo'),
  ann('get foo'),
  rootJson('role delete app'),
  root('role delete app'),
  root('user get ann'),
  run('--user root:rootpw user passwd ann --interactive=false', { stdin: 'annpw2\n' }),
  ann('get foo'),
  root('user delete ann'),
  root('user delete ann'),
  ann('get foo'),
  rootJson('auth status'),
  rootJson('auth disable'),
  run('auth disable'),
  run('auth status'),
  root('get foo'),
  ...runAll(`
    user delete bob
    user delete carl
    user revoke-role root root
    auth enable
    auth disable
    user delete root
    role delete root
    auth status
    user list
    role list
    del foo
  `),
];

export const auth: readonly Step[] = [...usersAndRoles, ...enabled, ...endings];
