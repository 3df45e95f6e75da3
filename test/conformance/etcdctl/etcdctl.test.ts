// etcdctl against MetaStore and against a real etcd beside it: lists of commands print the same on
// all, apart from ids, terms, addresses and times. What is tried:
// METASTORE_ETCDCTL, METASTORE_ETCDCTL_34, and one on PATH that says it is of release 3.4.
// METASTORE_ETCDCTL_SCRIPT names the only script to run.

import { spawnSync } from 'node:child_process';
import t, { type Test } from 'tap';
import { MemberProcess } from '../../support/process.js';
import type { Engine } from '../support/programs.js';
import { versionIsDecided } from '../support/version.js';
import { auth } from './scripts/auth.js';
import { basics } from './scripts/basics.js';
import { keys } from './scripts/keys.js';
import { leases } from './scripts/leases.js';
import { concurrency, maintenance } from './scripts/maintenance.js';
import { transactions } from './scripts/transactions.js';
import { watches } from './scripts/watches.js';
import type { Step } from './step.js';
import { type Output, Subject, tooFewLines } from './subject.js';

/** Each on servers of its own. */
const scripts: Readonly<Record<string, readonly Step[]>> = {
  basics,
  maintenance,
  keys,
  transactions,
  watches,
  leases,
  concurrency,
  auth,
};
const onlyScript = process.env.METASTORE_ETCDCTL_SCRIPT;
const isFull = process.env.METASTORE_TEST_FULL === '1';
/** A command does not know its engine: in reduced runs the scripts take them in turns. */
const engines: readonly Engine[] = ['memory', 'rocksdb'];

interface Client {
  readonly program: string;
  readonly version: string;
}

function versionOf(program: string): string | null {
  const env = { PATH: process.env.PATH ?? '', ETCDCTL_API: '3' };
  const result = spawnSync(program, ['version'], { encoding: 'utf8', env });
  return /etcdctl version: (\S+)/.exec(result.stdout ?? '')?.[1] ?? null;
}

function findClients(): { newest: Client | null; old: Client | null } {
  const given = process.env.METASTORE_ETCDCTL;
  const newest = given ? versionOf(given) : null;
  const candidates = [process.env.METASTORE_ETCDCTL_34, 'etcdctl', '/usr/bin/etcdctl', given];
  let old: Client | null = null;
  for (const program of candidates) {
    const version = program ? versionOf(program) : null;
    if (old === null && program && version?.startsWith('3.4.')) old = { program, version };
  }
  const isNew = newest !== null && !newest.startsWith('3.4.');
  return { newest: given && isNew ? { program: given, version: newest } : null, old };
}

function describe(step: Step): string {
  const words = step.args.map((word) => (/[\s"]/.test(word) ? `'${word}'` : word));
  return words.join(' ').replaceAll('\n', '\\n').slice(0, 120);
}

/** Compares each server's output with the first one's, which is the reference if there is one. */
function compare(t: Test, step: Step, outputs: readonly Output[], names: readonly string[]) {
  const name = describe(step);
  const [first, ...others] = outputs;
  if (step.expected !== undefined) {
    for (const [index, output] of outputs.entries()) {
      t.equal(output.stdout, step.expected, `${name}: ${names[index]} as documented`);
    }
  }
  if (step.streaming) t.not(first?.status, tooFewLines, `${name}: ${names[0]} goes on`);
  for (const [index, output] of others.entries()) {
    const title = `${name}: ${names[index + 1]} as ${names[0]}`;
    if (step.notYet?.answer.test(output.stderr)) t.pass(title, { skip: step.notYet.reason });
    else t.strictSame(output, first, title);
  }
}

async function runScript(
  t: Test,
  steps: readonly Step[],
  { program, version }: Client,
  engines: readonly Engine[],
) {
  const members = await startAll(t, engines);
  const subjects = members.map(([name, { endpoint }]) => new Subject(name, endpoint, program));
  const names = subjects.map((subject) => subject.name);
  for (const step of steps) {
    if (step.since !== undefined && version.startsWith('3.4.')) continue;
    const outputs = await Promise.all(subjects.map((subject) => subject.run(step)));
    compare(t, step, outputs, names);
  }
}

async function startAll(t: Test, engines: readonly Engine[]): Promise<[string, MemberProcess][]> {
  const etcd = process.env.METASTORE_ETCD;
  const starts: Promise<[string, MemberProcess]>[] = [];
  const start = async (name: string, options: Parameters<typeof MemberProcess.start>[0]) => {
    const member = await MemberProcess.start(options);
    t.teardown(() => member.stop());
    await versionIsDecided(member.endpoint);
    return [name, member] as [string, MemberProcess];
  };
  const flags = ['--watch-progress-notify-interval=1s', '--bcrypt-cost=4'];
  if (etcd) starts.push(start('etcd', { engine: null, command: etcd, flags }));
  for (const engine of engines) starts.push(start(engine, { engine, flags }));
  return Promise.all(starts);
}

function runClient(t: Test, client: Client): void {
  t.comment(`etcdctl ${client.version}`);
  t.jobs = 2; // Watches and leases are waited for.
  Object.entries(scripts).forEach(([name, steps], at) => {
    if (onlyScript !== undefined && name !== onlyScript) return;
    const those = isFull ? engines : engines.slice(at % 2, (at % 2) + 1);
    t.test(name, (t) => runScript(t, steps, client, those));
  });
}

t.setTimeout(15 * 60_000);
const { newest, old } = findClients();
for (const [label, client] of [
  ['etcdctl 3.7', newest],
  ['etcdctl 3.4', old],
] as const) {
  const options = client === null ? { skip: 'no such etcdctl here' } : { timeout: 10 * 60_000 };
  t.test(label, options, async (t) => {
    if (client !== null) runClient(t, client);
  });
}
if (!process.env.METASTORE_ETCD) {
  t.test('outputs equal those of a real etcd', { skip: 'no etcd here' }, async () => {});
}
