// The official Go client, clientv3, against MetaStore with both engines: builds the program in go/
// once into .cache and turns each line that it prints into a test. With METASTORE_GO_CLIENTS_ETCD=1
// the same cases run against a real etcd as well, which proves the cases themselves.

import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import t, { type Test } from 'tap';

import { packageRoot } from '../../../src/base/package.js';
import { clientTransport, MemberProcess } from '../../support/process.js';

const source = join(packageRoot, 'test', 'conformance', 'clients', 'go');
const cache = process.env.METASTORE_TEST_CACHE ?? join(packageRoot, '.cache', 'clients');
const runTimeoutMs = 5 * 60_000;

function findGo(): string | null {
  for (const candidate of ['go', '/usr/local/go/bin/go', '/usr/lib/go/bin/go']) {
    if (spawnSync(candidate, ['version']).status === 0) return candidate;
  }
  return null;
}

/** Builds the program unless this very source was built before; answers where it lies. */
function build(go: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(source).sort()) {
    hash.update(name).update(readFileSync(join(source, name)));
  }
  const program = join(cache, `clientv3-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  const result = spawnSync(go, ['build', '-mod=readonly', '-trimpath', '-o', unfinished, '.'], {
    cwd: source,
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '' },
    encoding: 'utf8',
    timeout: 10 * 60_000,
  });
  if (result.status !== 0) throw new Error(`the Go client does not build:\n${result.stderr}`);
  renameSync(unfinished, program);
  return program;
}

/** Cases that grpc-js cannot meet: how they fail there, and the reason. */
const notPortable: Readonly<Record<string, { readonly answer: RegExp; readonly reason: string }>> =
  {
    'authority-of-3.4': {
      answer: /RST_STREAM with error code: PROTOCOL_ERROR/,
      reason: 'grpc-js: Node.js refuses a URL as :authority',
    },
    'authority-of-3.5.0': {
      answer: /RST_STREAM with error code: PROTOCOL_ERROR/,
      reason: 'grpc-js: Node.js refuses a list of endpoints as :authority',
    },
  };

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** One line of the program's output. @returns how many cases it says there were, at its end */
async function line(t: Test, text: string, child: Child, member: MemberProcess): Promise<number> {
  const [word = '', rest = ''] = text.split(/ (.*)/s);
  switch (word) {
    case 'ok':
      await t.test(rest, async (t) => t.pass());
      return 0;
    case 'FAIL': {
      const name = rest.split(':')[0] ?? '';
      const known = clientTransport === 'grpc-js' ? notPortable[name] : undefined;
      if (known?.answer.test(rest)) await t.test(name, { skip: known.reason }, async () => {});
      else await t.test(name, async (t) => t.fail(rest));
      return 0;
    }
    case '#':
      t.comment(rest);
      return 0;
    case 'restart':
      // Not a clean stop: the client has to find out by itself.
      await member.kill();
      await member.restart();
      child.stdin.write('restarted\n');
      return 0;
    case 'done':
      return Number(rest);
    default:
      t.fail(`the program printed: ${text}`);
      return 0;
  }
}

async function exercise(t: Test, program: string, member: MemberProcess): Promise<void> {
  const only = process.env.METASTORE_GO_CLIENTS_ONLY ?? '';
  const child = spawn(program, [`-endpoint=${member.endpoint}`, `-only=${only}`], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), runTimeoutMs);
  let cases = 0;
  for await (const text of createInterface({ input: child.stdout })) {
    cases += await line(t, text, child, member);
  }
  clearTimeout(timer);
  t.ok(cases > 0, 'the program ran to its end');
}

const engines = ['memory', 'rocksdb'] as const;
const etcd = process.env.METASTORE_GO_CLIENTS_ETCD === '1' ? process.env.METASTORE_ETCD : undefined;
const go = findGo();

t.setTimeout(20 * 60_000);
t.jobs = 2; // Members of their own, and cases that wait for leases.
if (go === null) {
  t.test('clientv3', { skip: 'no Go here' }, async () => {});
} else {
  const program = build(go);
  for (const engine of engines) {
    t.test(`clientv3: ${engine}`, { timeout: runTimeoutMs + 30_000 }, async (t) => {
      const member = await MemberProcess.start({ engine });
      t.teardown(() => member.stop());
      await exercise(t, program, member);
    });
  }
  if (etcd) {
    t.test('clientv3: a real etcd', { timeout: runTimeoutMs + 30_000 }, async (t) => {
      const member = await MemberProcess.start({ engine: null, command: etcd });
      t.teardown(() => member.stop());
      await exercise(t, program, member);
    });
  }
}
