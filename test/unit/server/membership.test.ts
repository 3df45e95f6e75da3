// Tests of src/cluster: ids from flags, members from the log, rows that bring them back.
// They stand with the server's tests, which is where the cluster is used.

import t from 'tap';

import { bootstrapMemberId, clusterId } from '../../../src/cluster/ids.js';
import {
  decodeMemberContext,
  encodeMemberContext,
  Membership,
} from '../../../src/cluster/membership.js';
import type { MetaRow } from '../../../src/storage/native.js';

function store(meta: Map<string, Buffer>, rows: readonly MetaRow[]): void {
  for (const { key, value } of rows) {
    if (value === null) {
      meta.delete(key);
    } else {
      meta.set(key, Buffer.from(value));
    }
  }
}

const plain = { isLearner: false, isPromote: false };

t.test('ids are those of the reference for its default flags', async (t) => {
  const id = bootstrapMemberId(['http://localhost:2380'], 'etcd-cluster');
  t.equal(id.toString(16), '8e9e05c52164694d');
  t.equal(clusterId([id]).toString(16), 'cdf818194e3a8c32');
  const urls = ['http://b:2', 'http://a:1'];
  t.equal(bootstrapMemberId(urls, 'x'), bootstrapMemberId([...urls].reverse(), 'x'));
  t.same(urls, ['http://b:2', 'http://a:1'], 'the argument is left alone');
  t.equal(clusterId([1n, 2n ** 63n]), clusterId([2n ** 63n, 1n]));
  t.not(clusterId([1n]), clusterId([2n]));
});

t.test('members come back from their rows, ids with all their bits', async (t) => {
  const meta = new Map<string, Buffer>();
  const membership = new Membership();
  const high = 2n ** 64n - 1n;
  store(meta, membership.add(high, { ...plain, peerUrls: ['http://p:1'], name: 'a' }));
  store(
    meta,
    membership.add(1n, { ...plain, peerUrls: ['http://p:2'], name: '', isLearner: true }),
  );
  store(meta, membership.setAttributes(1n, 'quoted "name"', ['http://c:1', 'http://c:2']));
  store(meta, membership.setVersion('3.7.0'));
  store(meta, membership.add(5n, { ...plain, peerUrls: [], name: 'gone' }));
  store(meta, membership.remove(5n));
  t.same(membership.setAttributes(5n, 'ghost', []), [], 'removed members publish nothing');
  const restored = Membership.restore(meta);
  t.same(restored.list(), membership.list());
  t.same(
    restored.list().map(({ id }) => id),
    [1n, high],
  );
  t.equal(restored.version, '3.7.0');
  t.ok(restored.isRemoved(5n));
  t.throws(() => restored.add(5n, { ...plain, peerUrls: [], name: '' }), {
    name: 'AssertionError',
  });
  store(meta, restored.add(1n, { ...plain, peerUrls: [], name: '', isPromote: true }));
  t.match(restored.get(1n), { isLearner: false, name: 'quoted "name"', peerUrls: ['http://p:2'] });
});

t.test('contexts of configuration changes', async (t) => {
  const context = encodeMemberContext(2n ** 64n - 1n, 'm', ['http://p']);
  t.equal(context.toString(), '{"id":18446744073709551615,"peerURLs":["http://p"],"name":"m"}');
  t.same(decodeMemberContext(context as unknown as Uint8Array), {
    ...plain,
    peerUrls: ['http://p'],
    name: 'm',
  });
  t.throws(() => decodeMemberContext(Uint8Array.from([1])), { name: 'SyntaxError' });
});
