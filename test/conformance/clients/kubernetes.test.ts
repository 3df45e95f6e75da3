// The storage layer of the Kubernetes API server against MetaStore: its own suite (create, update,
// paged and streamed lists, watches with bookmarks, compaction) with both engines. The program is
// in kubernetes/. METASTORE_KUBERNETES_ETCD=1 runs it against a real etcd as well.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';

import { MemberProcess } from '../../support/process.js';
import { type Built, buildKubernetes } from '../matrix/toolchains.js';

const SUITE_TIMEOUT_MS = 5 * 60_000;
/** Cases of the suite; fewer would mean that it broke off. */
const CASES_MIN = 38;

t.setTimeout(30 * 60_000);

type Suite = Extract<Built, { command: string }>;

async function run(t: Test, suite: Suite, endpoint: string, streamed: boolean): Promise<void> {
  const args = ['-test.v', `-endpoint=${endpoint}`, `-streamed=${streamed}`];
  const child = spawn(suite.command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), SUITE_TIMEOUT_MS);
  const recent: string[] = [];
  let cases = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [, verdict, name = ''] = /^--- (PASS|FAIL|SKIP): (\S+)/.exec(line) ?? [];
    if (verdict !== undefined) {
      cases += 1;
      t.equal(verdict, 'PASS', verdict === 'PASS' ? name : `${name}: ${recent.join(' | ')}`);
      recent.length = 0;
    } else if (!line.startsWith('=== ')) {
      recent.push(line.trim());
      recent.splice(0, recent.length - 12);
    }
  }
  clearTimeout(timer);
  t.ok(cases >= CASES_MIN, `${cases} cases`);
}

const suite = buildKubernetes(process.env.METASTORE_TEST_FULL === '1');
const etcd = process.env.METASTORE_KUBERNETES_ETCD === '1' ? process.env.METASTORE_ETCD : undefined;
// What its progress notifications are asked for with.
const flags = ['--watch-progress-notify-interval=1s'];

if ('missing' in suite) {
  t.test('the API server of Kubernetes', { skip: suite.missing }, async () => {});
} else {
  for (const engine of ['memory', 'rocksdb'] as const) {
    for (const streamed of [false, true]) {
      t.test(`${engine}, lists ${streamed ? 'streamed' : 'paged'}`, async (t) => {
        const member = await MemberProcess.start({ engine, flags });
        t.teardown(() => member.stop());
        await run(t, suite, member.endpoint, streamed);
      });
    }
  }
  if (etcd !== undefined) {
    t.test('a real etcd', async (t) => {
      const member = await MemberProcess.start({ engine: null, command: etcd, flags });
      t.teardown(() => member.stop());
      await run(t, suite, member.endpoint, true);
    });
  }
}
