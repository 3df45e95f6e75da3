// All cases of h2spec against the server, over each of its transports, in clear text and under TLS.
// A case may fail only where known-cases.ts gives the reason, and what is excepted there has to
// fail: the list is true or the test fails. The scores are printed, a real etcd's in full runs.

import t, { type Test } from 'tap';

import { Authority } from '../../support/etcd/certificates.js';
import { Relay } from '../../support/etcd/wire/relay.js';
import {
  hasReference,
  startOver,
  startReference,
  transports,
} from '../../support/etcd/wire/subject.js';
import { tempDir } from '../../support/temp-dir.js';
import { type Report, runH2spec, sectionOf, type Target } from './h2spec-run.js';
import { type KnownCases, knownCases } from './known-cases.js';

const isFull = process.env.METASTORE_TEST_FULL === '1';
const skip = process.env.METASTORE_H2SPEC ? false : 'no h2spec here (it is built with Go)';
const CASES = 145;
/** How often cases that surprise are run again. */
const ROUNDS = 4;
/** A client is taken to be done when it has been silent for so long. */
const QUIET_MS = 50;

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

/** The cases that differ from the list, each with how. */
function surprises(report: Report, excepted: ReadonlyMap<string, string>): Map<string, string> {
  const out = new Map<string, string>();
  for (const [name, failure] of report) {
    if (failure !== null && !excepted.has(name)) out.set(name, `fails: ${failure}`);
    if (failure === null && excepted.has(name)) out.set(name, 'passes, but is excepted');
  }
  for (const name of excepted.keys()) {
    if (!report.has(name)) out.set(name, 'is excepted, but there is no such case');
  }
  return out;
}

/** Runs these cases once more. */
async function again(report: Report, target: Target, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const sections = [...new Set(names.map(sectionOf))];
  const next = await runH2spec(target, sections);
  for (const name of names) {
    const outcome = next.get(name);
    if (outcome !== undefined) report.set(name, outcome);
  }
}

/**
 * Runs the cases, and those that surprise a few times more: on a busy machine an answer can be
 * late. Cases that race with an answer are then sent in one piece, which leaves them no race.
 */
async function check(t: Test, target: Target, lists: KnownCases): Promise<number> {
  const report = await runH2spec(target);
  t.equal(report.size, CASES, 'every case was run');
  t.same(
    [...lists.racing].filter((name) => !report.has(name)),
    [],
    'the cases that race exist',
  );
  const relay = await Relay.start(target.port, QUIET_MS);
  t.teardown(() => relay.stop());
  let left = surprises(report, lists.excepted);
  for (let round = 0; left.size > 0 && round < ROUNDS; round++) {
    const names = [...left.keys()];
    t.comment(`once more: ${names.join('; ')}`);
    const racing = names.filter((name) => lists.racing.has(name));
    await again(report, { ...target, port: relay.port }, racing);
    await again(
      report,
      target,
      names.filter((name) => !lists.racing.has(name)),
    );
    left = surprises(report, lists.excepted);
  }
  // The cases stand in the message: a log may be cut before the comparison.
  const differing = [...left].map(([name, how]) => `${name} ${how}`).join('; ');
  t.equal(differing, '', `the cases fail that are known to, and no others. ${differing}`.trim());
  return scoreOf(report);
}

for (const transport of transports) {
  for (const kind of ['clear', 'tls'] as const) {
    t.test(`${transport}, ${kind}`, { skip }, async (t) => {
      const member = await startOver(transport, optionsOf(kind));
      const target = targetOf(kind, member.clientPort);
      t.teardown(() => member.stop());
      const score = await check(t, target, knownCases(transport, kind));
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
