// The rules of gRPC and of HTTP/2 as a client sees them, over every transport and, in the same
// words, on a real etcd. Where a server answers otherwise, its list in differences/ has the line:
// it is checked both ways, so that neither a new difference nor a settled one goes unnoticed.

import t, { type Test } from 'tap';

import { WireConnection } from '../../support/etcd/wire/connection.js';
import {
  hasReference,
  startOver,
  startReference,
  transports,
} from '../../support/etcd/wire/subject.js';
import type { MemberProcess } from '../../support/process.js';
import type { WireCase } from './cases/case.js';
import { frameCases } from './cases/frames.js';
import { messageCases } from './cases/messages.js';
import { requestCases } from './cases/requests.js';
import { deadlineCases, timeoutCases } from './cases/timeouts.js';
import { differencesOf, usual } from './differences/index.js';

const groups: readonly (readonly [string, readonly WireCase[]])[] = [
  ['headers of a call', requestCases],
  ['times', [...timeoutCases, ...deadlineCases]],
  ['messages', messageCases],
  ['frames', frameCases],
];

/** Connections at once. */
const WIDTH = 6;

t.setTimeout(10 * 60_000);

async function run(port: number, wanted: WireCase): Promise<string> {
  const connection = await WireConnection.open({ port });
  try {
    return await wanted.act(connection);
  } catch (error) {
    return `the test failed: ${(error as Error).message}`;
  } finally {
    connection.close();
  }
}

async function runAll(port: number, cases: readonly WireCase[]): Promise<Map<string, string>> {
  const seen = new Map<string, string>();
  const queue = [...cases];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      seen.set(next.name, await run(port, next));
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, work));
  return seen;
}

async function check(t: Test, name: string, start: () => Promise<MemberProcess>): Promise<void> {
  const member = await start();
  t.teardown(() => member.stop());
  const differences = differencesOf(name);
  for (const [title, cases] of groups) {
    const seen = await runAll(member.clientPort, cases);
    t.equal(seen.size, cases.length, `${title}: every case has a name of its own`);
    const expected = cases.map(({ name, expected }) => {
      const difference = differences.get(name);
      const isUsual = difference?.races === true && seen.get(name) === expected;
      return [name, isUsual ? expected : (difference?.seen ?? expected)];
    });
    const got = cases.map((one) => [one.name, usual(name, seen.get(one.name) ?? '')]);
    t.same(Object.fromEntries(got), Object.fromEntries(expected), title);
  }
  const all = groups.flatMap(([, cases]) => cases);
  const needless = [...differences].filter(([name, { seen }]) => {
    const found = all.find((one) => one.name === name);
    return found === undefined || found.expected === seen;
  });
  t.same(needless, [], 'every difference listed is one, of a case that there is');
  t.comment(`${name}: ${all.length - differences.size} of ${all.length} cases as documented`);
  t.equal(member.process.alive, true, 'the server is alive');
}

for (const transport of transports) {
  t.test(transport, (t) => check(t, transport, () => startOver(transport)));
}

const skip = hasReference ? false : 'no real etcd here';
t.test('a real etcd', { skip }, (t) => check(t, 'etcd', () => startReference()));
