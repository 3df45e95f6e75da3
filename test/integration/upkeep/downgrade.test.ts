// A downgrade of three members: what each of them says of it, over a change of leaders, a restart
// of everybody and for a member that comes later; and giving it up.

import t, { type Test } from 'tap';

import { downgradeRequest, downgradeResponse } from '../../../src/base/proto/messages.js';
import { Cluster } from '../../support/cluster/cluster.js';
import type { ClusterMember } from '../../support/cluster/member.js';
import type { EtcdClient } from '../../support/etcd/client.js';
import { waitFor } from '../../support/wait.js';

t.setTimeout(300_000);
t.jobs = 2; // Clusters of their own, which mostly wait.

const view = (buffer: Buffer): Uint8Array => buffer as unknown as Uint8Array;
const ENABLE = 1;
const CANCEL = 2;

async function downgrade(client: EtcdClient, action: number, version = ''): Promise<string> {
  const request = downgradeRequest.encode({ action, version });
  const answer = await client.raw('/etcdserverpb.Maintenance/Downgrade', view(request));
  return downgradeResponse.decode(view(answer)).version;
}

/** What a member says of versions, in all places. */
async function saidBy(member: ClusterMember) {
  const { storageVersion, version, downgradeInfo } = await member.client.status();
  const get = async (url: string) => (await fetch(url)).text();
  const [client, peer, enabled] = await Promise.all([
    get(`http://${member.endpoint}/version`),
    get(`${member.peerUrl}/version`),
    get(`${member.peerUrl}/downgrade/enabled`),
  ]);
  return { storageVersion, version, downgradeInfo, client, peer, enabled };
}

async function allSay(t: Test, cluster: Cluster, at: string, target: string): Promise<void> {
  const text = `{"etcdserver":"3.7.1","etcdcluster":"${at}","storage":"${at}"}`;
  const wanted = {
    storageVersion: at,
    version: '3.7.1',
    downgradeInfo: { enabled: target !== '', targetVersion: target },
    client: text,
    peer: text,
    enabled: String(target !== ''),
  };
  for (const member of cluster.running) {
    const said = async () => {
      const all = await saidBy(member);
      return JSON.stringify(all) === JSON.stringify(wanted);
    };
    await waitFor(`${member.name} at ${at}`, said, 20_000, 200).catch(() => undefined);
    t.same(await saidBy(member), wanted, member.name);
  }
}

t.test('three members go down and up again', async (t) => {
  const cluster = await Cluster.start({ size: 3, engines: ['memory', 'rocksdb', 'memory'] });
  t.teardown(() => cluster.stop());
  await allSay(t, cluster, '3.7.0', '');
  const follower = await cluster.follower();
  await t.rejects(downgrade(follower.client, ENABLE, '3.5'), { code: 3 });
  t.equal(await downgrade(follower.client, ENABLE, '3.6'), '3.7');
  await allSay(t, cluster, '3.6.0', '3.6.0');

  await t.test('another leader leaves it so', async (t) => {
    const leader = await cluster.leader();
    await leader.stop();
    await cluster.leader(15_000, leader);
    await allSay(t, cluster, '3.6.0', '3.6.0');
    await leader.start();
    await cluster.healthy();
    await allSay(t, cluster, '3.6.0', '3.6.0');
  });

  await t.test('and so does a restart of everybody', async (t) => {
    for (const member of cluster.members) await member.kill();
    for (const member of cluster.members) member.launch();
    await Promise.all(cluster.members.map((member) => member.ready()));
    await cluster.healthy();
    await allSay(t, cluster, '3.6.0', '3.6.0');
  });

  await t.test('a member that joins hears of it', async (t) => {
    await cluster.add();
    await cluster.healthy();
    await allSay(t, cluster, '3.6.0', '3.6.0');
  });

  const leader = await cluster.leader();
  t.equal(await downgrade(leader.client, CANCEL), '3.6');
  await allSay(t, cluster, '3.7.0', '');
});

t.test('without a quorum nothing is asked for', async (t) => {
  const cluster = await Cluster.start({ size: 3, engines: ['memory'] });
  t.teardown(() => cluster.stop());
  const [one, two, three] = cluster.members as [ClusterMember, ClusterMember, ClusterMember];
  await Promise.all([two.kill(), three.kill()]);
  const asked = one.client.raw(
    '/etcdserverpb.Maintenance/Downgrade',
    view(downgradeRequest.encode({ action: ENABLE, version: '3.6' })),
    { timeoutMs: 20_000 },
  );
  await t.rejects(asked, { code: 14, details: 'etcdserver: request timed out' });
});
