// Tests of src/cluster: ids from flags, members from the log, rows that bring them back.
// They stand with the server's tests, which is where the cluster is used.

import t from 'tap';

import { bytesOf } from '../../../../src/base/bytes.js';
import { bootstrapMemberId, clusterId } from '../../../../src/cluster/ids.js';
import { encodeChangeContext } from '../../../../src/cluster/members/member-json.js';
import {
  decodeMemberContext,
  encodeMemberContext,
  Membership,
} from '../../../../src/cluster/membership.js';
import type { MetaRow } from '../../../../src/storage/native.js';

function store(meta: Map<string, Buffer>, rows: readonly MetaRow[]): void {
  for (const { key, value } of rows) {
    if (value === null) {
      meta.delete(key);
    } else {
      meta.set(key, Buffer.from(value));
    }
  }
}

const plain = { isLearner: false };

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
  for (const id of [5n, 1n]) {
    t.throws(() => restored.add(id, { ...plain, peerUrls: [], name: '' }), {
      name: 'AssertionError',
    });
  }
  store(meta, restored.update(1n, ['http://p:3']));
  t.match(restored.get(1n), { isLearner: true, peerUrls: ['http://p:3'] }, 'still a learner');
  store(meta, restored.promote(1n));
  t.match(restored.get(1n), { isLearner: false, name: 'quoted "name"', peerUrls: ['http://p:3'] });
  t.same(Membership.restore(meta).list(), restored.list());
});

t.test('a snapshot replaces what is known, in place, and listeners hear of it', async (t) => {
  const meta = new Map<string, Buffer>();
  const other = new Membership();
  store(meta, other.add(7n, { ...plain, peerUrls: ['http://p:7'], name: 'g' }));
  store(meta, other.remove(1n));
  const membership = new Membership();
  const seen: string[] = [];
  membership.onChange(() =>
    seen.push(
      membership
        .list()
        .map(({ id }) => id)
        .join(),
    ),
  );
  membership.add(1n, { ...plain, peerUrls: ['http://p:1'], name: 'a' });
  membership.setAttributes(1n, 'b', []);
  membership.setVersion('3.7.0');
  membership.reload(meta);
  t.same(membership.list(), other.list());
  t.equal(membership.version, null, 'nothing of before is left');
  t.ok(membership.isRemoved(1n));
  t.same(seen, ['1', '1', '1', '7']);
});

t.test('members that are expected are contacts until they are removed', async (t) => {
  const membership = new Membership();
  const info = (id: bigint) => ({
    id,
    name: '',
    peerUrls: [`http://p:${id}`],
    clientUrls: [],
    isLearner: false,
  });
  membership.expect([info(2n), info(1n)]);
  t.same(membership.list(), []);
  t.same(
    membership.contacts().map(({ id }) => id),
    [1n, 2n],
  );
  membership.add(1n, { ...plain, peerUrls: ['http://new:1'], name: '' });
  t.match(membership.contacts(), [{ peerUrls: ['http://new:1'] }, { peerUrls: ['http://p:2'] }]);
  membership.remove(2n);
  t.same(
    membership.contacts().map(({ id }) => id),
    [1n],
  );
});

t.test('contexts of configuration changes', async (t) => {
  const context = encodeMemberContext(2n ** 64n - 1n, 'm', ['http://p']);
  t.equal(context.toString(), '{"id":18446744073709551615,"peerURLs":["http://p"],"name":"m"}');
  t.same(decodeMemberContext(bytesOf(context)), {
    ...plain,
    peerUrls: ['http://p'],
    name: 'm',
    isPromote: false,
    maxLearners: null,
  });
  const learner = encodeChangeContext(5n, {
    peerUrls: ['http://p'],
    isLearner: true,
    maxLearners: 3,
  });
  t.equal(
    learner.toString(),
    '{"id":5,"peerURLs":["http://p"],"isLearner":true,"isPromote":false,"maxLearners":3}',
  );
  t.match(decodeMemberContext(bytesOf(learner)), { isLearner: true, maxLearners: 3 });
  const promote = encodeChangeContext(5n, { isPromote: true });
  t.match(decodeMemberContext(bytesOf(promote)), { isPromote: true, maxLearners: null });
  for (const text of [
    '\u0001',
    '[]',
    'null',
    '7',
    '{"peerURLs":"http://p"}',
    '{"peerURLs":[1]}',
    '{"isLearner":1}',
    '{"name":{}}',
    '{"maxLearners":-1}',
    '{"maxLearners":"1"}',
  ]) {
    const bytes = bytesOf(Buffer.from(text));
    t.throws(() => decodeMemberContext(bytes), { name: 'SyntaxError' }, text);
  }
  t.same(decodeMemberContext(bytesOf(Buffer.from('{"peerURLs":null}'))).peerUrls, []);
});
