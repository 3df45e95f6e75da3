// A follower that was away for so long that the log it needs is gone: the leader sends it the
// state, with writes going on and the connection breaking in the middle. The full run moves a
// gibibyte. METASTORE_CLUSTER_SNAPSHOT_MB sets the size.

import t, { type Test } from 'tap';

import type { Cluster } from '../../support/cluster/cluster.js';
import type { ClusterMember } from '../../support/cluster/member.js';
import { canFindDialler } from '../../support/cluster/proxy/dialler.js';
import { waitFor } from '../../support/wait.js';
import { clusterFor, isFull, isReference, Scenario, shapes } from './scenario.js';

t.setTimeout(3600_000);
const sizeMb = Number(process.env.METASTORE_CLUSTER_SNAPSHOT_MB ?? (isFull ? 1100 : 32));
const valueBytes = 256 * 1024;
const inFlight = 8;

/** Values that do not compress: a page of noise, repeated with the key's number in front. */
function noisy(index: number, noise: Buffer): Buffer {
  const value = Buffer.from(new Uint8Array(noise));
  for (let at = 0; at < value.length; at += 64) value.writeUInt32LE((index * 31 + at) >>> 0, at);
  return value;
}

/** Puts the data, some of it twice, and compacts what was overwritten. */
async function fill(cluster: Cluster): Promise<void> {
  const { client } = await cluster.leader();
  const noise = Buffer.alloc(valueBytes);
  let state = 1;
  for (let i = 0; i < valueBytes; i += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    noise[i] = state >>> 16;
  }
  const count = Math.ceil((sizeMb * 1024 * 1024) / valueBytes);
  const numbers = Array.from({ length: count + 20 }, (_, i) => i % count).values();
  const writers = Array.from({ length: inFlight }, async () => {
    for (const index of numbers) {
      const value = new Uint8Array(noisy(index, noise));
      await client.put(`bulk/${index}`, value, {}, { timeoutMs: 60_000 });
    }
  });
  await Promise.all(writers);
  const last = (await client.put('bulk/end', 'end')).header?.revision ?? 0n;
  await client.compact(last - 5n, false, { timeoutMs: 60_000 });
}

/** Small writes until the log no longer has what the absent member needs. */
async function pushOutOfLog(cluster: Cluster): Promise<void> {
  const { client } = await cluster.leader();
  const numbers = Array.from({ length: 1500 }, (_, i) => i).values();
  const writers = Array.from({ length: 32 }, async () => {
    for (const index of numbers) await client.put(`small/${index % 100}`, `${index}`);
  });
  await Promise.all(writers);
}

async function applied(member: ClusterMember): Promise<number> {
  const status = await member.client.status({ timeoutMs: 1000 }).catch(() => null);
  return Number(status?.raftAppliedIndex ?? 0n);
}

async function catchUp(t: Test, cluster: Cluster): Promise<void> {
  const away = await cluster.follower();
  await away.kill();
  const started = performance.now();
  await fill(cluster);
  await pushOutOfLog(cluster);
  t.comment(`${sizeMb} MB written in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  const scenario = await Scenario.start(t, cluster, 'snapshot', { pauseMsMax: 60 });
  const leader = await cluster.leader();
  const { links } = cluster;
  const bytesPerSecond = isFull ? 60_000_000 : 16_000_000;
  links.set(leader.name, away.name, { bytesPerSecond });
  const before = links.bytes(leader.name, away.name);
  const from = performance.now();
  away.launch();
  const sent = () => links.bytes(leader.name, away.name) - before;
  const half = (sizeMb * 1024 * 1024) / 2;
  await waitFor('half of the data', () => sent() > half, 600_000, 5);
  t.ok(links.breakConnections(leader.name, away.name) > 0, 'the connections broke in the middle');
  const atBreak = sent();
  await away.ready(900_000);
  const target = await applied(leader);
  await waitFor('catching up', async () => (await applied(away)) >= target, 600_000, 50);
  const seconds = (performance.now() - from) / 1000;
  t.comment(
    `caught up after ${seconds.toFixed(1)} s; ${(sent() / 1e6).toFixed(0)} MB sent, ` +
      `broken after ${(atBreak / 1e6).toFixed(0)} MB`,
  );
  const log = away.process.stderr;
  t.match(log, /applied snapshot/, 'the state came as a snapshot');
  const transfers = () =>
    leader.process.logLines().filter(({ msg }) => msg === 'sent database snapshot');
  if (!isReference) {
    const sizeBytes = Number(transfers()[0]?.['size-mb']) * 1e6;
    t.comment(`as ${transfers()[0]?.kind} of ${(sizeBytes / 1e6).toFixed(0)} MB`);
    t.ok(sent() < 1.25 * sizeBytes, 'the transfer went on where it was broken');
  }
  links.heal();
  await scenario.load.writes(50);
  await scenario.judge();
  if (isReference) return;
  t.equal(transfers().length, 1, 'and then it followed the log: once was enough');
}

const skip = canFindDialler ? false : 'who dials cannot be told here (no /proc)';

for (const shape of shapes([4])) {
  if (shape.size !== 3) continue;
  t.test(shape.name, { skip }, async (t) => {
    const flags = ['--snapshot-count=500', '--quota-backend-bytes=8589934592'];
    const catchup = '--snapshot-catchup-entries=200';
    const options = { isProxied: true, flags: [...flags, catchup] };
    const cluster = await clusterFor(t, shape, options);
    await t.test('a member catches up by a snapshot', (t) => catchUp(t, cluster));
  });
}
