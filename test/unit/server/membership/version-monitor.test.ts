// Tests of src/server/membership/version-monitor.ts: which version a cluster agrees on, when, and
// what members that do not answer change about it.

import t from 'tap';

import { bytesOf } from '../../../../src/base/bytes.js';
import { createLogger } from '../../../../src/base/log/logger.js';
import { internalRaftRequest } from '../../../../src/base/proto/messages.js';
import { Membership } from '../../../../src/cluster/membership.js';
import {
  nextClusterVersion,
  type VersionHost,
  VersionMonitor,
} from '../../../../src/server/membership/version-monitor.js';
import { ManualClock } from '../../../support/fakes/manual-clock.js';

function made(others: number, fetchVersion?: (urls: readonly string[]) => Promise<string>) {
  const lines: string[] = [];
  const log = createLogger(
    { level: 'info', format: 'json', outputs: [] },
    { write: (line) => lines.push((JSON.parse(String(line)) as { msg: string }).msg), close() {} },
  );
  const membership = new Membership();
  for (let id = 1; id <= others + 1; id++) {
    membership.add(BigInt(id), { name: '', peerUrls: [`http://p:${id}`], isLearner: id > 2 });
  }
  const state = { isLeader: true, fails: false };
  const proposed: string[] = [];
  const host: VersionHost = {
    id: 1n,
    get isLeader() {
      return state.isLeader;
    },
    membership,
    options: { clusterVersion: '3.7.0', ...(fetchVersion === undefined ? {} : { fetchVersion }) },
    propose: async (request) => {
      if (state.fails) throw new Error('dropped');
      const version = internalRaftRequest.decode(bytesOf(request)).cluster_version_set?.ver ?? '';
      proposed.push(version);
      membership.setVersion(version);
      return Buffer.alloc(0);
    },
  };
  return { monitor: new VersionMonitor(host, log), state, proposed, lines, membership };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

t.test('the version to agree on', async (t) => {
  t.equal(nextClusterVersion(null, [3, 7]), '3.7.0');
  t.equal(nextClusterVersion(null, null), '3.0.0', 'what every member can do');
  t.equal(nextClusterVersion('3.6.0', [3, 7]), '3.7.0');
  t.equal(nextClusterVersion('3.0.0', [3, 7]), '3.7.0');
  t.equal(nextClusterVersion('3.7.0', [3, 7]), null);
  t.equal(nextClusterVersion('3.7.0', [3, 6]), null, 'it does not go down');
  t.equal(nextClusterVersion('3.7.0', [4, 0]), null);
  t.equal(nextClusterVersion('3.6.0', null), null);
  t.equal(nextClusterVersion('odd', [3, 7]), null);
});

t.test('the version to agree on while a downgrade is wanted', async (t) => {
  t.equal(nextClusterVersion('3.7.0', [3, 7], '3.6.0'), '3.6.0');
  t.equal(nextClusterVersion('3.6.0', [3, 7], '3.6.0'), null, 'there, and not up again');
  t.equal(nextClusterVersion('3.7.0', [3, 6], '3.6.0'), '3.6.0', 'a member runs it already');
  t.equal(nextClusterVersion('3.7.0', null, '3.6.0'), null, 'not while somebody is silent');
  t.equal(nextClusterVersion('3.7.0', [3, 7], '3.5.0'), null, 'one step at a time');
  t.equal(nextClusterVersion('3.7.0', [3, 8], '3.6.0'), null);
  t.equal(nextClusterVersion('3.7.0', [3, 7], '2.6.0'), null);
  t.equal(nextClusterVersion('3.7.0', [3, 7], 'odd'), null);
  t.equal(nextClusterVersion('3.6.0', [3, 7], null), '3.7.0', 'given up');
});

t.test('a single member decides in the turn in which it begins to lead', async (t) => {
  const { monitor, proposed } = made(0);
  monitor.leads(0);
  t.same(proposed, ['3.7.0']);
  await settle();
  monitor.tick(60_000);
  await settle();
  t.equal(proposed.length, 1);
});

t.test('the lowest of all members counts, learners too; every four seconds', async (t) => {
  const versions = new Map([
    ['http://p:2', '3.6.4'],
    ['http://p:3', '3.5.1'],
  ]);
  let asked = 0;
  const { monitor, proposed, state } = made(2, async ([url = '']) => {
    asked++;
    return versions.get(url) ?? '';
  });
  monitor.leads(0);
  await settle();
  t.same(proposed, ['3.5.0']);
  versions.set('http://p:3', '3.7.1');
  monitor.tick(3999);
  await settle();
  t.equal(asked, 2);
  monitor.tick(4000);
  await settle();
  t.same(proposed, ['3.5.0', '3.6.0']);
  versions.set('http://p:2', '3.8.0');
  state.isLeader = false;
  monitor.tick(60_000);
  await settle();
  t.equal(proposed.length, 2, 'only the leader decides');
  state.isLeader = true;
  monitor.tick(60_100);
  await settle();
  t.same(proposed.at(-1), '3.7.0', "never above the leader's own");
});

t.test('a member that does not answer holds up nothing but a raise', async (t) => {
  let answers: string | null = null;
  const { monitor, proposed, lines } = made(1, async () => {
    if (answers === null) throw new Error('refused');
    return answers;
  });
  monitor.leads(0);
  await settle();
  t.same(proposed, ['3.0.0']);
  monitor.tick(5000);
  await settle();
  monitor.tick(10_000);
  await settle();
  t.same(proposed, ['3.0.0']);
  t.equal(lines.filter((msg) => msg === 'failed to get version of a member').length, 1);
  answers = 'nonsense';
  monitor.tick(15_000);
  await settle();
  t.same(proposed, ['3.0.0']);
  answers = '3.7.1';
  monitor.tick(20_000);
  await settle();
  t.same(proposed, ['3.0.0', '3.7.0']);
});

t.test('a proposal that fails is made again soon; leadership lost meanwhile ends it', async (t) => {
  const { monitor, proposed, state } = made(0);
  state.fails = true;
  monitor.leads(0);
  await settle();
  state.fails = false;
  monitor.tick(400);
  await settle();
  t.same(proposed, []);
  monitor.tick(500);
  await settle();
  t.same(proposed, ['3.7.0']);
  let answer: (version: string) => void = () => undefined;
  const slow = made(1, () => new Promise((resolve) => (answer = resolve)));
  slow.monitor.leads(0);
  slow.state.isLeader = false;
  answer('3.7.1');
  await settle();
  t.same(slow.proposed, []);
});

t.test('a start waits for the first version, and not for ever', async (t) => {
  const { monitor, membership } = made(0);
  const clock = new ManualClock();
  const ends: string[] = [];
  void monitor.decided(clock).then(() => ends.push('agreed'));
  clock.advance(1000);
  membership.setAttributes(1n, 'a', []);
  await settle();
  t.same(ends, []);
  membership.setVersion('3.7.0');
  await settle();
  t.same(ends, ['agreed']);
  await monitor.decided(clock);
  void made(0)
    .monitor.decided(clock)
    .then(() => ends.push('late'));
  clock.advance(4999);
  await settle();
  t.equal(ends.length, 1);
  clock.advance(1);
  await settle();
  t.same(ends, ['agreed', 'late']);
});
