// Every RPC through official clients against every kind of cluster: one and three members, both
// engines, clear text, TLS, authentication. Reduced runs take a part of the clusters; the full run
// makes docs/compatibility.md. METASTORE_MATRIX_ONLY picks clusters whose name holds the text.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';

import { type Configuration, configurations, nameOf, startCluster } from './configurations.js';
import { type Case, runEtcdctl } from './etcdctl.js';
import { allRpcs, type Column, page, Results, readPage, writePage } from './table.js';
import { type Built, buildClient, clientNames } from './toolchains.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';
const only = process.env.METASTORE_MATRIX_ONLY;
const CLIENT_TIMEOUT_MS = 120_000;

t.setTimeout(30 * 60_000);

const etcdctl = process.env.METASTORE_ETCDCTL ?? null;
const letters: Readonly<Record<string, string>> = {
  etcdctl: 'E',
  'Go, generated': 'G',
  'npm etcd3': 'N',
  'Python etcd3': 'P',
  'Java jetcd': 'J',
  'Rust etcd-client': 'R',
};
const columns: readonly Column[] = Object.entries(letters).map(([client, letter]) => {
  return { client, letter };
});

/** Clusters of a reduced run: each engine, each mode and both sizes at least once. */
const reduced = new Set([
  '1 member, rocksdb, auth',
  '3 members, memory, TLS',
  '1 member, memory, plain',
]);

function wanted(configuration: Configuration): boolean {
  const name = nameOf(configuration);
  return only === undefined ? isFull || reduced.has(name) : name.includes(only);
}

function caseOf(line: string): Case | null {
  const match = /^(ok|FAIL) (\S+) ([^:]*)(?:: (.*))?$/.exec(line);
  if (match === null) return null;
  const [, word, rpcs = '', name = '', why = ''] = match;
  return { rpcs: rpcs.split(','), name, why: word === 'ok' ? null : why };
}

/** Runs a client's program to its end. @throws Error when it does not say that it got there */
async function runProgram(
  program: Extract<Built, { command: string }>,
  args: readonly string[],
): Promise<Case[]> {
  const child = spawn(program.command, [...program.args, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-4000);
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), CLIENT_TIMEOUT_MS);
  const cases: Case[] = [];
  let promised = -1;
  for await (const line of createInterface({ input: child.stdout })) {
    const made = caseOf(line);
    if (made !== null) cases.push(made);
    else if (line.startsWith('done ')) promised = Number(line.slice(5));
  }
  clearTimeout(timer);
  if (promised !== cases.length) throw new Error(`${cases.length} of ${promised} cases: ${said}`);
  return cases;
}

const results = new Results();

function judge(
  t: Test,
  configuration: Configuration,
  client: string,
  cases: readonly Case[],
): void {
  for (const { rpcs, name, why } of cases) {
    for (const rpc of rpcs) {
      t.ok(allRpcs.includes(rpc), `${rpc} is an RPC`);
      results.add(configuration, rpc, letters[client] ?? '?', why === null);
    }
    if (why === null) t.pass(`${rpcs.join()}: ${name}`);
    else t.fail(`${rpcs.join()}: ${name}: ${why}`);
  }
}

const clients = new Map(clientNames.map((name) => [name, buildClient(name, isFull)]));
let isComplete = etcdctl !== null;

for (const configuration of configurations.filter(wanted)) {
  t.test(nameOf(configuration), async (t) => {
    const cluster = await startCluster(t, configuration);
    // First: its watcher looks at the whole history, which others compact.
    if (etcdctl === null) t.test('etcdctl', { skip: 'no etcdctl here' }, async () => {});
    else {
      await t.test('etcdctl', async (t) => {
        const isAlive = () => cluster.dead().length === 0;
        judge(t, configuration, 'etcdctl', runEtcdctl(etcdctl, cluster.etcdctl, isAlive));
      });
    }
    for (const [name, program] of clients) {
      if ('missing' in program) {
        isComplete = false;
        t.test(name, { skip: program.missing }, async () => {});
        continue;
      }
      await t.test(name, async (t) => {
        if (cluster.dead().length > 0) throw new Error(`ended: ${cluster.dead().join()}`);
        judge(t, configuration, name, await runProgram(program, cluster.args));
      });
    }
  });
}

t.test('the page says what was seen', async (t) => {
  if (process.env.METASTORE_WRITE_COMPATIBILITY === '1') {
    t.ok(isFull && isComplete, 'only a full run with every client makes the page');
    writePage(page(results, columns));
    return;
  }
  const cells = readPage();
  t.ok(cells !== null, 'docs/compatibility.md is there');
  configurations.forEach((configuration, at) => {
    if (!wanted(configuration)) return;
    for (const rpc of allRpcs) {
      const claimed = cells?.get(rpc)?.[at] ?? '';
      const seen = results.text(configuration, rpc, columns);
      const missing = [...seen].filter((letter) => !claimed.includes(letter));
      t.equal(missing.join(''), '', `${nameOf(configuration)}: ${rpc}`);
    }
  });
});
