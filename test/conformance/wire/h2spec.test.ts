// All cases of h2spec against the server, over each of its transports, in clear text and under TLS.
// A case may fail only where known-cases.ts gives the reason, and what is excepted there has to
// fail: the list is true or the test fails. The scores are printed, a real etcd's in full runs.

import t, { type Test } from 'tap';

import { Authority } from '../../support/etcd/certificates.js';
import {
  hasReference,
  startOver,
  startReference,
  transports,
} from '../../support/etcd/wire/subject.js';
import { tempDir } from '../../support/temp-dir.js';
import { type Report, runH2spec, sectionOf, type Target } from './h2spec-run.js';
import { exceptionsOf, unsteadyOf } from './known-cases.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';
const skip = process.env.METASTORE_H2SPEC ? false : 'no h2spec here (it is built with Go)';
const CASES = 145;

t.setTimeout(20 * 60_000);

/** In clear text a call of gRPC, under TLS a page: only answers with a body show flow control. */
const paths = { clear: '/etcdserverpb.KV/Range', tls: '/version' } as const;
type Kind = keyof typeof paths;

const certificate = await (await Authority.make(tempDir('h2spec-tls'))).issue('server');

const optionsOf = (kind: Kind) => (kind === 'tls' ? { certificate } : {});

function targetOf(kind: Kind, port: number): Target {
  return { port, path: paths[kind], isSecure: kind === 'tls' };
}

function scoreOf(report: Report): number {
  return [...report.values()].filter((failure) => failure === null).length;
}

interface Known {
  readonly excepted: ReadonlyMap<string, string>;
  readonly unsteady: ReadonlyMap<string, string>;
}

/** What differs from the list: cases that fail without an exception, exceptions that pass. */
function surprises(report: Report, { excepted, unsteady }: Known): string[] {
  const out: string[] = [];
  for (const [name, failure] of report) {
    if (unsteady.has(name)) continue;
    if (failure !== null && !excepted.has(name)) out.push(`fails: ${name}: ${failure}`);
    if (failure === null && excepted.has(name)) out.push(`passes, but is excepted: ${name}`);
  }
  for (const name of excepted.keys()) {
    if (!report.has(name)) out.push(`is excepted, but there is no such case: ${name}`);
  }
  return out;
}

/** Runs the surprising sections once more: on a busy machine an answer can be late. */
async function checkTwice(t: Test, target: Target, known: Known): Promise<number> {
  const report = await runH2spec(target);
  t.equal(report.size, CASES, 'every case was run');
  const first = surprises(report, known);
  const names = [...report.keys()].filter((name) => first.some((line) => line.includes(name)));
  const sections = [...new Set(names.map(sectionOf))];
  if (sections.length > 0) {
    for (const [name, failure] of await runH2spec(target, sections)) report.set(name, failure);
  }
  t.same(surprises(report, known), [], 'cases fail that are known to, and no others');
  return scoreOf(report);
}

for (const transport of transports) {
  for (const kind of ['clear', 'tls'] as const) {
    t.test(`${transport}, ${kind}`, { skip }, async (t) => {
      const member = await startOver(transport, optionsOf(kind));
      const target = targetOf(kind, member.clientPort);
      t.teardown(() => member.stop());
      const excepted = exceptionsOf(transport, kind);
      const known = { excepted, unsteady: unsteadyOf(transport, kind) };
      const score = await checkTwice(t, target, known);
      t.comment(`h2spec, ${transport}, ${kind}: ${score} of ${CASES} pass`);
      t.equal(member.process.alive, true, 'the server is alive');
    });
  }
}

const without = skip || (hasReference && isFull ? false : 'a real etcd is measured in full runs');

// In clear text alone: under TLS such a server was seen to grow to 23 GiB.
t.test('a real etcd', { skip: without }, async (t) => {
  const member = await startReference();
  t.teardown(() => member.stop());
  const report = await runH2spec(targetOf('clear', member.clientPort));
  t.comment(`h2spec, etcd, clear: ${scoreOf(report)} of ${CASES} pass`);
  t.equal(report.size, CASES);
});
