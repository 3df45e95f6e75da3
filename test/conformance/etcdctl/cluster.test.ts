// What operators ask of clusters of three, by etcdctl and through every kind of member: changes of
// the membership, transfers of leadership, leases through followers, what a learner serves. Each
// step on a cluster of MetaStore members of both engines and on one of a real etcd must print the
// same. Without a real etcd the steps are run for their exit statuses alone.

import t, { type Test } from 'tap';
import { Cluster, type MemberStatus } from '../../support/cluster/cluster.js';
import type { ClusterMember, Program } from '../../support/cluster/member.js';
import { sleep, waitFor } from '../../support/wait.js';
import { run, type Step } from './step.js';
import { Subject } from './subject.js';

/** Long enough that nobody takes a busy machine for a lost leader. */
const ELECTION_MS = 3000;

type Role = 'leader' | 'follower' | 'other' | 'learner';

/** One cluster with the parts that its members play at the moment. */
class Side {
  readonly cluster: Cluster;
  readonly subject: Subject;
  readonly roles = new Map<Role, ClusterMember>();

  private constructor(cluster: Cluster, subject: Subject) {
    this.cluster = cluster;
    this.subject = subject;
  }

  static async start(program: Program, etcdctl: string): Promise<Side> {
    const engines = ['memory', 'rocksdb'] as const;
    const cluster = await Cluster.start({ size: 3, engines, program, electionMs: ELECTION_MS });
    const [{ endpoint = '' } = {}] = cluster.members;
    const side = new Side(cluster, new Subject(program, endpoint, etcdctl));
    const [one] = await cluster.statuses();
    side.#rememberId('cluster', one?.status.header?.cluster_id ?? 0n);
    await side.castRoles();
    await side.agreed();
    return side;
  }

  /**
   * Waits until every member has the version that all can do. A cluster begins with a lower one
   * when a member was late, and looks again after some seconds.
   */
  async agreed(): Promise<void> {
    await waitFor(
      'the version of the cluster',
      async () => {
        const statuses = await this.cluster.statuses();
        const has = ({ status }: MemberStatus) => {
          return majorMinor(status.storageVersion) === majorMinor(status.version);
        };
        return statuses.length === this.cluster.running.length && statuses.every(has);
      },
      30_000,
      100,
    );
  }

  /** Looks who leads now. */
  async castRoles(): Promise<void> {
    const leader = await this.cluster.leader();
    const [follower, other] = this.cluster.others(leader);
    this.#cast('leader', leader);
    if (follower) this.#cast('follower', follower);
    if (other) this.#cast('other', other);
  }

  async addLearner(): Promise<void> {
    this.#cast('learner', await this.cluster.add(true, 60_000));
    await this.agreed();
  }

  #cast(role: Role, member: ClusterMember): void {
    this.roles.set(role, member);
    this.subject.remember(role, member.endpoint);
    this.subject.remember(`${role}Peer`, member.peerUrl);
    this.subject.remember(`${role}Name`, member.name);
    this.#rememberId(`${role}Id`, member.id);
  }

  #rememberId(name: string, id: bigint): void {
    this.subject.remember(name, id.toString(16), true);
  }
}

function majorMinor(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}

function on(role: Role, command: string, rest: Partial<Step> = {}): Step {
  return run(['--endpoints', `\${${role}}`, ...command.split(' ')], {
    ...rest,
    normalize: (text) => plain(rest.normalize?.(text) ?? text),
  });
}

/** Ports, names and their order are each cluster's own. */
function plain(text: string): string {
  return (
    text
      .replace(/^(ETCD_INITIAL_CLUSTER=")(.*)"$/m, (_line, name: string, list: string) => {
        return `${name}${list.split(',').sort().join(',')}"`;
      })
      .replaceAll('<endpoint>', '<address>')
      // Ids are padded with blanks where their first digits are zeros.
      .replace(/\bMember +/g, 'Member ')
      .replace(/\bm\d(?=[,= ])/g, 'm')
      .replace(/remaining\(\d+s\)/g, 'remaining')
      .replace(/[\d.]+ [kM]?B|\b\d+%/g, '<size>')
      .replace(/(true|false), (true|false), \d+, \d+, \d+/, '$1, $2, 0, 0, 0')
  );
}

const members: Partial<Step> = { isUnordered: true };

const three: readonly Step[] = [
  on('follower', 'member list', members),
  on('follower', 'move-leader ${followerId}'),
  on('leader', 'move-leader 1234'),
  on('leader', 'move-leader ${leaderId}'),
  on('follower', 'member promote 1234'),
  on('leader', 'member promote 1234'),
  on('follower', 'member promote ${followerId}'),
  on('follower', 'member remove 1234'),
  on('follower', 'member update 1234 --peer-urls=http://127.0.0.1:9'),
  on('follower', 'member update ${otherId} --peer-urls=${leaderPeer}'),
  on('follower', 'member update ${otherId} --peer-urls=${otherPeer}'),
  on('follower', 'endpoint status'),
];

const leases: readonly Step[] = [
  on('follower', 'lease grant 600', {
    capture: { name: 'lease', pattern: /^lease ([0-9a-f]+)/, isId: true },
  }),
  on('follower', 'put --lease=${lease} k v'),
  on('follower', 'lease timetolive ${lease} --keys'),
  on('other', 'lease timetolive ${lease}'),
  on('follower', 'lease keep-alive ${lease} --once'),
  on('leader', 'lease keep-alive ${lease} --once'),
  on('follower', 'lease keep-alive 77 --once'),
  on('follower', 'lease timetolive 77'),
  on('follower', 'lease list'),
  on('leader', 'move-leader ${followerId}'),
  on('other', 'lease keep-alive ${lease} --once'),
  on('follower', 'lease keep-alive ${lease} --once'),
  on('other', 'lease revoke ${lease}'),
  on('follower', 'lease keep-alive ${lease} --once'),
  on('follower', 'lease timetolive ${lease}'),
  on('other', 'get k'),
];

const learning: readonly Step[] = [
  on('follower', 'member list', members),
  on('follower', 'member add y --learner --peer-urls=http://127.0.0.1:9'),
  on('follower', 'member add y --peer-urls=${learnerPeer}'),
  on('learner', 'get k'),
  on('learner', 'get k --consistency=s'),
  on('learner', 'put k v'),
  on('learner', 'member list'),
  on('learner', 'endpoint health'),
  on('learner', 'endpoint hashkv'),
  on('learner', 'lease grant 5'),
  on('learner', 'lease list'),
  on('learner', 'alarm list'),
  on('learner', 'watch k'),
  on('learner', 'endpoint status'),
  on('leader', 'move-leader ${learnerId}'),
  on('follower', 'member promote ${learnerId}'),
  on('follower', 'member promote ${learnerId}'),
  on('follower', 'member list', members),
  on('learner', 'put k v'),
  on('follower', 'member remove ${learnerId}'),
  on('follower', 'member remove ${learnerId}'),
  on('follower', 'member update ${learnerId} --peer-urls=http://127.0.0.1:9'),
  on('leader', 'member promote ${learnerId}'),
  on('follower', 'member list', members),
];

const oneDown: readonly Step[] = [
  on('leader', 'member add v --peer-urls=http://127.0.0.1:9'),
  on('leader', 'member add v --learner --peer-urls=http://127.0.0.1:9'),
  on('leader', 'member remove ${followerId}'),
  on('leader', 'member update ${otherId} --peer-urls=http://127.0.0.1:9,http://127.0.0.1:8'),
  on('leader', 'member list', members),
  on('leader', 'member remove ${otherId}'),
  on('leader', 'member list', members),
  on('leader', 'put k last'),
];

async function runSteps(t: Test, sides: readonly Side[], steps: readonly Step[]): Promise<void> {
  for (const step of steps) {
    const [first, ...rest] = await Promise.all(sides.map(({ subject }) => subject.run(step)));
    const title = `${step.args.slice(1).join(' ')}`;
    t.match(first?.status, /^code \d+$/, `${title} ends`);
    for (const output of rest) t.strictSame(output, first, title);
  }
}

const etcdctl = process.env.METASTORE_ETCDCTL;
const hasReference = Boolean(process.env.METASTORE_ETCD);

t.setTimeout(10 * 60_000);
t.test('clusters of three', etcdctl ? {} : { skip: 'no etcdctl here' }, async (t) => {
  const programs: readonly Program[] = hasReference ? ['etcd', 'metastore'] : ['metastore'];
  const sides = await Promise.all(programs.map((each) => Side.start(each, etcdctl ?? '')));
  t.teardown(() => Promise.all(sides.map(({ cluster }) => cluster.stop())));
  t.comment(programs.join(' and '));
  await t.test('three members', (t) => runSteps(t, sides, three));
  await t.test('leases', (t) => runSteps(t, sides, leases));
  await Promise.all(sides.map((side) => side.castRoles()));
  await Promise.all(sides.map((side) => side.addLearner()));
  // A voter counts as healthy five seconds after it has connected.
  await sleep(6000);
  await t.test('a learner', (t) => runSteps(t, sides, learning));
  for (const side of sides) {
    await side.roles.get('other')?.kill();
  }
  await sleep(3000);
  await t.test('a member is down', (t) => runSteps(t, sides, oneDown));
});
