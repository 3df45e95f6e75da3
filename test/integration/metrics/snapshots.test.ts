// Metrics of a snapshot on its way from one member to another that has fallen behind the log: both
// sides count it under each other's id, with its time, and nothing is in flight afterwards. And of
// learners: refused promotions by reason, successful ones.

import t from 'tap';
import { parseScrape, scrape, valuesOf } from '../../conformance/compared/metrics/scrape.js';
import { Cluster } from '../../support/cluster/cluster.js';
import { waitFor } from '../../support/wait.js';

const hex = (id: bigint) => id.toString(16);

t.test('a snapshot is counted on both sides', async (t) => {
  const flags = ['--snapshot-count=50', '--snapshot-catchup-entries=5'];
  const cluster = await Cluster.start({ size: 3, engines: ['memory'], flags });
  t.teardown(() => cluster.stop());
  const leader = await cluster.leader();
  const [away] = cluster.others(leader);
  if (away === undefined) throw new Error('nobody follows');
  await away.client.status();
  await cluster.statuses();
  const [from, to] = [hex(leader.id), hex(away.id)];
  await away.stop();
  for (let i = 0; i < 400; i++) {
    await leader.client.put(`key/${i}`, 'value');
  }
  await away.start();
  const endpoint = `127.0.0.1:${away.settings.clientPort}`;
  const received = await waitFor(
    'the snapshot',
    async () => {
      const values = valuesOf(await scrape(endpoint));
      const has = values.has(`etcd_network_snapshot_receive_success{From=${from}}`);
      // It is installed only some time after it has come.
      const isThere = (values.get('etcd_snap_db_fsync_duration_seconds_count') ?? 0) >= 1;
      return has && isThere ? values : undefined;
    },
    30_000,
    200,
  );
  const sent = await waitFor('its end', async () => {
    const values = valuesOf(await scrape(`127.0.0.1:${leader.settings.clientPort}`));
    const isOver = values.get(`etcd_network_snapshot_send_inflights_total{To=${to}}`) === 0;
    return isOver && values.has(`etcd_network_snapshot_send_success{To=${to}}`)
      ? values
      : undefined;
  });
  const network = 'etcd_network_snapshot_';
  t.ok((sent.get(`${network}send_success{To=${to}}`) ?? 0) >= 1);
  t.ok((sent.get(`${network}send_total_duration_seconds_count{To=${to}}`) ?? 0) >= 1);
  t.equal(sent.get(`${network}send_inflights_total{To=${to}}`), 0);
  t.ok((received.get(`${network}receive_success{From=${from}}`) ?? 0) >= 1);
  t.ok((received.get(`${network}receive_total_duration_seconds_count{From=${from}}`) ?? 0) >= 1);
  t.equal(received.get(`${network}receive_inflights_total{From=${from}}`), 0);
  t.ok((received.get('etcd_snap_db_save_total_duration_seconds_count') ?? 0) >= 1);
  const counts = valuesOf(await scrape(endpoint));
  t.ok((counts.get('etcd_snap_db_fsync_duration_seconds_count') ?? 0) >= 1);
  const checkpoints = sent.get('etcd_snap_fsync_duration_seconds_count') ?? 0;
  t.ok(checkpoints >= 1, 'checkpoints of the leader');
  t.equal(sent.get('etcd_debugging_snap_save_total_duration_seconds_count'), checkpoints);
  t.ok((received.get('etcd_debugging_mvcc_keys_total') ?? 0) >= 400, 'the installed state counts');
  const text = await (await fetch(`http://${endpoint}/metrics`)).text();
  t.equal(parseScrape(text).get(`${network}receive_inflights_total`)?.type, 'gauge');
  const lost = `etcd_network_disconnected_peers_total{Local=${from},Remote=${to}}`;
  t.ok((sent.get(lost) ?? 0) >= 1, 'the connection was lost meanwhile');
});

t.test('promotions of learners', async (t) => {
  const cluster = await Cluster.start({ size: 1, engines: ['memory'] });
  t.teardown(() => cluster.stop());
  const [leader] = cluster.members;
  if (leader === undefined) throw new Error('no member');
  const { client } = leader;
  const { memberAddRequest, memberAddResponse, memberPromoteRequest } = await import(
    '../../../src/base/proto/messages.js'
  );
  const learner = { peerURLs: ['http://127.0.0.1:1'], isLearner: true };
  const path = '/etcdserverpb.Cluster/Member';
  const request = memberAddRequest.encode(learner) as unknown as Uint8Array;
  const added = memberAddResponse.decode(
    (await client.raw(`${path}Add`, request)) as unknown as Uint8Array,
  );
  const promote = memberPromoteRequest.encode({ ID: added.member?.ID ?? 0n });
  await t.rejects(client.raw(`${path}Promote`, promote as unknown as Uint8Array), { code: 9 });
  const values = valuesOf(await scrape(`127.0.0.1:${leader.settings.clientPort}`));
  const reason = 'etcdserver: can only promote a learner member which is in sync with leader';
  t.equal(values.get(`etcd_server_learner_promote_failures{Reason=${reason}}`), 1);
  t.equal(values.get('etcd_server_learner_promote_successes'), 0);
});
