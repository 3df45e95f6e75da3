// Metrics against a real etcd: the same load to both, then the same families, types, labels and
// bounds, and equal values wherever a value is determined by the load. One member with each engine,
// fresh and after the load; a leader and a follower of three.

import t, { type Test } from 'tap';
import { Cluster } from '../../../support/cluster/cluster.js';
import { EtcdClient } from '../../../support/etcd/client.js';
import { MemberProcess } from '../../../support/process.js';
import { waitFor } from '../../../support/wait.js';
import { hasReference } from '../../support/programs.js';
import { equalSeries, formDifferences, type Scrape, valueDifferences } from './compare.js';
import { additional, incomparable, missing } from './exceptions.js';
import { runLoad } from './load.js';
import { scrape } from './scrape.js';

/** A member that has had the load. */
interface Loaded {
  readonly fresh: Scrape;
  /** As of now. */
  readonly used: () => Promise<Scrape>;
}

const used = new Set<string>();

/** For what runs in the background: a stream's end is counted after its client knows of it. */
const SETTLE_MS = 20_000;
const ROUND_TRIPS = 'etcd_network_peer_round_trip_time_seconds';

async function loaded(
  t: Test,
  engine: 'memory' | 'rocksdb' | null,
  flags: string[],
): Promise<Loaded> {
  const command = process.env.METASTORE_ETCD ?? '';
  const options = engine === null ? { engine, command, flags } : { engine, flags };
  const member = await MemberProcess.start(options);
  const client = new EtcdClient(member.endpoint);
  t.teardown(async () => {
    client.close();
    await member.stop();
  });
  // etcd decides the version of the cluster a moment after it serves.
  const fresh = await waitFor('a version', () => scrapeWith(member, 'etcd_cluster_version'));
  await runLoad(client);
  return { fresh, used: () => scrape(member.endpoint) };
}

/** Both after the load: as soon as their values are equal, or else when all must have settled. */
async function settled(theirs: Loaded, ours: Loaded): Promise<[Scrape, Scrape]> {
  const both = () => Promise.all([theirs.used(), ours.used()]);
  const equal = async () => {
    const scrapes = await both();
    return valueDifferences(...scrapes, new Set()).length === 0 ? scrapes : undefined;
  };
  return await waitFor('equal values', equal, SETTLE_MS, 200).catch(both);
}

async function ofCluster(program: 'metastore' | 'etcd'): Promise<Scrape[]> {
  const cluster = await Cluster.start({ size: 3, engines: ['memory'], program });
  try {
    const leader = await cluster.leader();
    await runLoad(leader.client);
    const [follower = leader] = cluster.others(leader);
    // etcd asks its peers how long the way is when some seconds have passed.
    return await Promise.all(
      [leader, follower].map(({ settings: { clientPort } }) =>
        waitFor(
          'a round trip',
          () => scrapeWith({ endpoint: `127.0.0.1:${clientPort}` }, ROUND_TRIPS),
          30_000,
          500,
        ),
      ),
    );
  } finally {
    await cluster.stop();
  }
}

/** The scrape once it has the family. */
async function scrapeWith(
  { endpoint }: { readonly endpoint: string },
  family: string,
): Promise<Scrape | undefined> {
  const families = await scrape(endpoint);
  return families.has(family) ? families : undefined;
}

function sameForm(t: Test, theirs: Scrape, ours: Scrape, when: string): void {
  t.strictSame(formDifferences(theirs, ours, used), [], `families, ${when}`);
}

t.setTimeout(300_000);

if (!hasReference()) {
  t.test('compared with etcd', { skip: 'METASTORE_ETCD names no etcd' }, async () => {});
} else {
  t.test('one member', async (t) => {
    for (const flag of ['--metrics=basic', '--metrics=extensive']) {
      const theirs = await loaded(t, null, [flag]);
      for (const engine of ['memory', 'rocksdb'] as const) {
        const ours = await loaded(t, engine, [flag]);
        sameForm(t, theirs.fresh, ours.fresh, `fresh, ${engine}, ${flag}`);
        const both = await settled(theirs, ours);
        sameForm(t, ...both, `used, ${engine}, ${flag}`);
        const differences = valueDifferences(...both, used);
        t.strictSame(differences, [], `values after the load, ${engine}, ${flag}`);
        const equal = equalSeries(...both);
        t.ok(equal > 900, `${equal} series are equal`);
      }
    }
  });

  t.test('three members', async (t) => {
    const theirs = await ofCluster('etcd');
    const ours = await ofCluster('metastore');
    for (const [i, role] of ['leader', 'follower'].entries()) {
      sameForm(t, theirs[i] as Scrape, ours[i] as Scrape, role);
    }
  });

  t.test('every exception is needed', async (t) => {
    for (const { pattern, reason, isChance } of [...missing, ...additional, ...incomparable]) {
      t.ok(isChance || used.has(String(pattern)), `${pattern}: ${reason}`);
    }
  });
}
