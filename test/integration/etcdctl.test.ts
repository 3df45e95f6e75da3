// The command line client of the reference against a real process, on both engines: what operators
// type first. METASTORE_ETCDCTL names the program; without it the tests are skipped by name.

import { execFile, spawn } from 'node:child_process';
import t from 'tap';

import { MemberProcess } from '../support/process.js';
import { waitFor } from '../support/wait.js';

const etcdctl = process.env.METASTORE_ETCDCTL;
const skip = etcdctl === undefined ? 'METASTORE_ETCDCTL is not set' : false;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runner(endpoint: string) {
  return (args: string[], input = ''): Promise<Outcome> =>
    new Promise((resolve) => {
      const all = [`--endpoints=${endpoint}`, ...args];
      const env = { ...process.env, ETCDCTL_API: '3' };
      const child = execFile(
        etcdctl ?? '',
        all,
        { env, timeout: 20_000 },
        (error, stdout, stderr) =>
          resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
      );
      // Most commands read nothing, and may be over before this is written: their answer counts.
      child.stdin?.on('error', () => undefined);
      child.stdin?.end(input);
    });
}

for (const engine of ['memory', 'rocksdb'] as const) {
  t.test(`${engine}: what operators type`, { skip }, async (t) => {
    const member = await MemberProcess.start({ engine });
    t.teardown(() => member.stop());
    const run = runner(member.endpoint);
    const out = async (...args: string[]) => (await run(args)).stdout;

    t.test('put, get, del', async (t) => {
      t.equal(await out('put', 'a', '1'), 'OK\n');
      t.equal(await out('put', 'a', '2', '--prev-kv'), 'OK\na\n1\n');
      t.equal(await out('put', 'b', '1'), 'OK\n');
      t.equal(await out('get', 'a'), 'a\n2\n');
      t.equal(await out('get', 'a', '--print-value-only'), '2\n');
      t.equal(await out('get', 'a', '--rev=2'), 'a\n1\n');
      t.equal(await out('get', '', '--prefix', '--keys-only'), 'a\n\nb\n\n');
      t.equal(await out('get', '', '--prefix', '--order=DESCEND', '--limit=1'), 'b\n1\n');
      t.equal(await out('get', 'b', '--from-key', '--consistency=s'), 'b\n1\n');
      t.match(await out('get', '', '--prefix', '--count-only', '-w=fields'), '"Count" : 2');
      t.equal(await out('del', '', '--prefix'), '2\n');
    });

    t.test('txn', async (t) => {
      const text = 'create("t") = "0"\n\nput t yes\n\nget t\n\n';
      t.equal((await run(['txn'], text)).stdout, 'SUCCESS\n\nOK\n');
      t.equal((await run(['txn'], text)).stdout, 'FAILURE\n\nt\nyes\n');
    });

    t.test('watch', async () => {
      const child = spawn(etcdctl ?? '', [`--endpoints=${member.endpoint}`, 'watch', 'w']);
      let seen = '';
      child.stdout.on('data', (text: Buffer) => {
        seen += text.toString();
      });
      await waitFor('the watch', async () => {
        await out('put', 'w', '1');
        return seen.includes('PUT\nw\n1\n');
      });
      child.kill('SIGKILL');
      const historic = spawn(etcdctl ?? '', [
        `--endpoints=${member.endpoint}`,
        'watch',
        'a',
        '--rev=2',
      ]);
      let past = '';
      historic.stdout.on('data', (text: Buffer) => {
        past += text.toString();
      });
      await waitFor('history', () => past.includes('PUT\na\n1\nPUT\na\n2\nDELETE\na\n'));
      historic.kill('SIGKILL');
    });

    t.test('leases', async (t) => {
      const [, id = ''] = /^lease ([0-9a-f]{16}) granted with TTL\(60s\)\n$/.exec(
        await out('lease', 'grant', '60'),
      ) ?? [''];
      t.ok(id);
      await out('put', 'leased', '1', `--lease=${id}`);
      t.match(
        await out('lease', 'timetolive', id, '--keys'),
        /granted with TTL\(60s\), remaining\((59|60)s\), attached keys\(\[leased\]\)/,
      );
      t.match(await out('lease', 'keep-alive', '--once', id), 'keepalived with TTL(60)');
      t.match(await out('lease', 'list'), id);
      t.equal(await out('lease', 'revoke', id), `lease ${id} revoked\n`);
      t.equal(await out('get', 'leased'), '');
      t.equal(await out('lease', 'timetolive', id), `lease ${id} already expired\n`);
    });

    t.test('compaction, status, health, members, alarms', async (t) => {
      await out('put', 'x', '1');
      t.match(await out('compaction', '3'), 'compacted revision 3');
      const gone = await run(['get', 'a', '--rev=2']);
      t.equal(gone.code, 1);
      t.match(gone.stderr, 'etcdserver: mvcc: required revision has been compacted');
      t.match(await out('endpoint', 'status'), ', 3.7.1, ');
      const health = await run(['endpoint', 'health']);
      t.equal(health.code, 0);
      t.match(health.stdout + health.stderr, 'is healthy: successfully committed proposal');
      t.match(await out('endpoint', 'hashkv'), member.endpoint);
      t.match(await out('member', 'list'), /^[0-9a-f]+, started, m1, http:/);
      t.equal(await out('alarm', 'list'), '');
      t.match((await run(['defrag'])).stdout, 'Finished defragmenting etcd member');
    });
  });
}
