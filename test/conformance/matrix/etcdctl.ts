// etcdctl as one of the clients of the matrix: commands, and the RPCs that each goes through. What
// the commands print is compared with a real etcd's elsewhere (../etcdctl); here they have to work.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { tempDir } from '../../support/temp-dir.js';

export interface Case {
  readonly rpcs: readonly string[];
  readonly name: string;
  /** Null when the case passed. */
  readonly why: string | null;
}

interface Command {
  readonly rpcs: string;
  readonly words: string;
  readonly input?: string;
  /** What it has to print. */
  readonly prints: RegExp;
}

const transaction = 'ver("etcdctl/txn") = "0"\n\nput etcdctl/txn made\n\nget etcdctl/txn\n\n';

/** In this order: later ones rest on earlier ones. `$file` is a file that is not there. */
const commands: readonly Command[] = [
  { rpcs: 'Put', words: 'put etcdctl/kv one', prints: /^OK/ },
  { rpcs: 'Range', words: 'get etcdctl/kv', prints: /^etcdctl\/kv\none/ },
  { rpcs: 'RangeStream', words: 'get --prefix etcdctl/ --stream', prints: /one/ },
  { rpcs: 'DeleteRange', words: 'del --prefix etcdctl/', prints: /^1/ },
  { rpcs: 'Txn', words: 'txn', input: transaction, prints: /^SUCCESS\n\nOK/ },
  { rpcs: 'Watch', words: 'watch --rev=2 --prefix etcdctl/', prints: /PUT\netcdctl\/kv\none/ },
  { rpcs: 'LeaseGrant', words: 'lease grant 60', prints: /granted with TTL\(60s\)/ },
  { rpcs: 'LeaseLeases', words: 'lease list', prints: /found \d+ leases/ },
  {
    rpcs: 'LeaseGrant,LeaseKeepAlive,LeaseRevoke,Txn,Range',
    words: 'lock etcdctl/lock true',
    prints: /^/,
  },
  { rpcs: 'MemberList', words: 'member list', prints: /started/ },
  { rpcs: 'Range,Alarm', words: 'endpoint health', prints: /is healthy/ },
  { rpcs: 'Status', words: 'endpoint status -w json', prints: /"version":"3\.7\.1"/ },
  { rpcs: 'HashKV', words: 'endpoint hashkv', prints: /\d+/ },
  { rpcs: 'Alarm', words: 'alarm list', prints: /^/ },
  { rpcs: 'Defragment', words: 'defrag', prints: /Finished defragmenting/ },
  { rpcs: 'Snapshot', words: 'snapshot save $file', prints: /Snapshot saved at/ },
  { rpcs: 'Downgrade', words: 'downgrade validate 3.6', prints: /Downgrade validate success/ },
  { rpcs: 'RoleAdd', words: 'role add etcdctl', prints: /created/ },
  {
    rpcs: 'RoleGrantPermission',
    words: 'role grant-permission etcdctl readwrite --prefix etcdctl/',
    prints: /updated/,
  },
  { rpcs: 'RoleGet', words: 'role get etcdctl', prints: /etcdctl\// },
  { rpcs: 'RoleList', words: 'role list', prints: /etcdctl/ },
  { rpcs: 'UserAdd', words: 'user add etcdctl --new-user-password secret', prints: /created/ },
  { rpcs: 'UserGrantRole', words: 'user grant-role etcdctl etcdctl', prints: /is granted to/ },
  { rpcs: 'UserGet', words: 'user get etcdctl', prints: /Roles: etcdctl/ },
  { rpcs: 'UserList', words: 'user list', prints: /etcdctl/ },
  {
    rpcs: 'UserChangePassword',
    words: 'user passwd etcdctl --interactive=false',
    input: 'other\n',
    prints: /Password updated/,
  },
  { rpcs: 'UserRevokeRole', words: 'user revoke-role etcdctl etcdctl', prints: /is revoked/ },
  {
    rpcs: 'RoleRevokePermission',
    words: 'role revoke-permission etcdctl --prefix etcdctl/',
    prints: /is revoked from role/,
  },
  { rpcs: 'UserDelete', words: 'user delete etcdctl', prints: /deleted/ },
  { rpcs: 'RoleDelete', words: 'role delete etcdctl', prints: /deleted/ },
  { rpcs: 'AuthStatus', words: 'auth status', prints: /Authentication Status/ },
  { rpcs: 'Compact', words: 'compaction 2', prints: /compacted revision 2/ },
];

const TIMEOUT_MS = 20_000;

/**
 * Runs every command, as long as there is somebody to ask.
 *
 * @param access words that say where the cluster is and who asks
 */
export function runEtcdctl(
  program: string,
  access: readonly string[],
  isAlive: () => boolean,
): Case[] {
  const file = join(tempDir('etcdctl-matrix'), 'snapshot.db');
  return commands.map(({ rpcs, words, input = '', prints }) => {
    if (!isAlive()) return { rpcs: rpcs.split(','), name: words, why: 'a member has ended' };
    const args = [...access, ...words.replace('$file', file).split(' ')];
    const isEndless = words.startsWith('watch');
    const result = spawnSync(program, args, {
      encoding: 'utf8',
      input,
      timeout: isEndless ? 2000 : TIMEOUT_MS,
      env: { PATH: process.env.PATH ?? '' },
    });
    const isEnded = isEndless || result.status === 0;
    const isRight = isEnded && prints.test(result.stdout);
    const said = `${result.stdout}${result.stderr}`.trim().replaceAll('\n', ' | ');
    return { rpcs: rpcs.split(','), name: words, why: isRight ? null : said };
  });
}
