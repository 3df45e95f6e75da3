// Tests of src/server/upkeep/downgrades.ts and src/cluster/members/versions.ts: which targets are
// taken, how a downgrade ends by itself, and what comes back from stored rows.

import t from 'tap';

import { bytesOf } from '../../../../src/base/bytes.js';
import { MetaStoreError } from '../../../../src/base/errors.js';
import { createLogger } from '../../../../src/base/log/logger.js';
import { internalRaftRequest } from '../../../../src/base/proto/messages.js';
import { Membership } from '../../../../src/cluster/membership.js';
import {
  Downgrades,
  majorMinor,
  needRecentServer,
} from '../../../../src/server/upkeep/downgrades.js';
import type { MetaRow } from '../../../../src/storage/native.js';

function made(version: string | null, others: readonly (string | null)[] = []) {
  const lines: string[] = [];
  const log = createLogger(
    { level: 'info', format: 'json', outputs: [] },
    { write: (line) => lines.push((JSON.parse(String(line)) as { msg: string }).msg), close() {} },
  );
  const membership = new Membership();
  for (let id = 1; id <= others.length + 1; id++) {
    membership.add(BigInt(id), { name: '', peerUrls: [`${id}`], isLearner: false });
  }
  if (version !== null) membership.setVersion(version);
  const releases = [...others];
  const state = { isLeader: true, own: '3.7.0', unreadable: false };
  const host = {
    id: 1n,
    get isLeader() {
      return state.isLeader;
    },
    membership,
    get options() {
      const fetchVersion = async ([url = '']: readonly string[]) => {
        const release = releases[Number(url) - 2];
        if (release === null || release === undefined) throw new Error('silent');
        return release;
      };
      return { clusterVersion: state.own, fetchVersion };
    },
    linearizable: async () => {
      if (state.unreadable) throw MetaStoreError.of('Timeout');
    },
    propose: async (request: Buffer) => {
      const set = internalRaftRequest.decode(bytesOf(request)).downgrade_info_set;
      membership.setDowngrade(set?.enabled === true ? set.ver : null);
      return Buffer.alloc(0);
    },
  };
  return { downgrades: new Downgrades(host, log), membership, state, releases, lines };
}

t.test('versions as they may be written', async (t) => {
  t.same(majorMinor('3.6'), [3, 6]);
  t.same(majorMinor('3.6.9'), [3, 6]);
  t.same(majorMinor('3.6.0-rc.1+build'), [3, 6]);
  for (const text of ['', '3', '3.', '3.6.', 'v3.6', '3.6-rc', '3.6.0.1', ' 3.6', '3.x', '-3.6']) {
    t.equal(majorMinor(text), null, text);
  }
});

t.test('one minor version down, and no other', async (t) => {
  const { downgrades, membership, state } = made('3.7.0');
  t.equal(await downgrades.validate('3.6'), '3.6.0');
  t.equal(await downgrades.validate('3.6.5'), '3.6.0');
  for (const version of ['3.7', '3.5', '3.8', '2.6', '4.6']) {
    await t.rejects(downgrades.validate(version), { code: 'DowngradeVersion' }, version);
  }
  await t.rejects(downgrades.validate('x'), { code: 'DowngradeVersionFormat' });
  state.unreadable = true;
  await t.rejects(downgrades.validate('x'), { code: 'Timeout' }, 'the state comes first');
  state.unreadable = false;
  t.notOk(membership.downgrade.enabled, 'nothing has been asked for');
  await downgrades.enable('3.6.1');
  t.same(membership.downgrade, { enabled: true, targetVersion: '3.6.0' });
  await t.rejects(downgrades.enable('3.6'), { code: 'DowngradeInProcess' });
  await t.rejects(downgrades.validate('3.5'), { code: 'DowngradeVersion' });
  await downgrades.cancel();
  t.same(membership.downgrade, { enabled: false, targetVersion: '' });
  await downgrades.cancel();
  const undecided = made(null);
  await t.rejects(undecided.downgrades.validate('3.6'), { code: 'ClusterVersionNotFound' });
});

t.test('it ends by itself when every member runs what it leads to', async (t) => {
  const { downgrades, membership, state, releases, lines } = made('3.7.0', ['3.6.4', '3.7.1']);
  await downgrades.check();
  t.same(lines, [], 'nothing to look for');
  await downgrades.enable('3.6');
  membership.setVersion('3.6.0');
  state.own = '3.6.0';
  await downgrades.check();
  t.ok(membership.downgrade.enabled, 'one of them runs another version');
  releases[1] = null;
  await downgrades.check();
  t.ok(membership.downgrade.enabled, 'one of them is silent');
  releases[1] = '3.6.1';
  state.isLeader = false;
  await downgrades.check();
  t.ok(membership.downgrade.enabled, 'only the leader decides');
  state.isLeader = true;
  await downgrades.check();
  t.notOk(membership.downgrade.enabled);
  t.same(lines, ['remotes server has mismatching etcd version', 'the cluster has been downgraded']);
});

t.test('a server that is too old is not started', async (t) => {
  needRecentServer(null, '3.7.0');
  needRecentServer('3.7.0', '3.7.0');
  needRecentServer('3.6.0', '3.7.0');
  for (const cluster of ['3.8.0', '4.0.0']) {
    t.throws(() => needRecentServer(cluster, '3.7.0'), { message: /^invalid downgrade; server/ });
  }
});

function store(meta: Map<string, Buffer>, rows: readonly MetaRow[]): void {
  for (const { key, value } of rows) meta.set(key, Buffer.from(value ?? []));
}

t.test('versions come back from their rows', async (t) => {
  const meta = new Map<string, Buffer>();
  const membership = new Membership();
  t.equal(membership.storageVersion, '3.5.0');
  store(meta, membership.setVersion('3.0.0'));
  t.equal(membership.storageVersion, '3.5.0', 'clusters that old say nothing of it');
  store(meta, membership.setVersion('3.7.0'));
  store(meta, membership.setDowngrade('3.6.0'));
  t.equal(meta.get('downgrade')?.toString(), '{"target-version":"3.6.0","enabled":true}');
  store(meta, membership.setVersion('3.6.0'));
  t.equal(meta.get('storage_version')?.toString(), '3.6.0');
  const restored = Membership.restore(meta);
  t.equal(restored.version, '3.6.0');
  t.equal(restored.storageVersion, '3.6.0');
  t.same(restored.downgrade, { enabled: true, targetVersion: '3.6.0' });
  store(meta, restored.setDowngrade(null));
  t.equal(meta.get('downgrade')?.toString(), '{"target-version":"","enabled":false}');
  restored.reload(meta);
  t.same(restored.downgrade, { enabled: false, targetVersion: '' });
  const old = Membership.restore(new Map([['cluster_version', Buffer.from('3.7.0')]]));
  t.equal(old.storageVersion, '3.7.0', 'a directory from before there was such a row');
});
