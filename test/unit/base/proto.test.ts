// Tests of src/base/proto: codecs over the .proto files, and the fields and numbers of those.
// Runs without a server and without the addon.

import t from 'tap';

import { Codec, serviceMethods } from '../../../src/base/proto/codec.js';
import * as kv from '../../../src/base/proto/kv-messages.js';
import * as rpc from '../../../src/base/proto/messages.js';
import { bytes } from '../../support/etcd/client.js';

const view = (buffer: Buffer): Uint8Array => buffer as unknown as Uint8Array;

t.test('int64 and uint64 keep all their bits', async (t) => {
  const extremes = [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n];
  for (const ID of extremes) {
    t.equal(rpc.leaseRevokeRequest.decode(view(rpc.leaseRevokeRequest.encode({ ID }))).ID, ID);
  }
  const header = { cluster_id: 2n ** 64n - 1n, member_id: 2n ** 63n, revision: -5n };
  const decoded = rpc.statusResponse.decode(view(rpc.statusResponse.encode({ header })));
  t.same(decoded.header, { ...header, raft_term: 0n });
});

t.test('bytes on the wire are those of the field table', async (t) => {
  const put = kv.putRequest.encode({ key: bytes('k'), value: bytes('v'), lease: -1n });
  t.equal(put.toString('hex'), '0a016b12017618ffffffffffffffffff01');
  const compare = { range_end: bytes('z'), lease: 3n, target: 4 };
  t.equal(kv.txnRequest.encode({ compare: [compare] }).toString('hex'), '0a08100440038204017a');
  const watch = kv.watchRequest.encode({ create_request: { filters: [0, 1] } });
  t.equal(watch.toString('hex'), '0a042a020001');
  const internal = rpc.internalRaftRequest.encode({ cluster_version_set: { ver: '3.7.0' } });
  t.equal(internal.toString('hex'), 'a251070a05332e372e30');
});

t.test('absent fields have their defaults', async (t) => {
  const empty = new Uint8Array(0);
  t.same(kv.rangeResponse.decode(empty), { header: null, kvs: [], more: false, count: 0n });
  t.equal(rpc.internalRaftRequest.decode(empty).lease_revoke, null);
});

t.test('what is not the message is Unmarshal, never a crash', async (t) => {
  const seeds = ['ff', '0a', '0aff', '08ffffffffffffffffffffff', '0b', '0a05616263'];
  for (const hex of seeds) {
    t.throws(() => kv.putRequest.decode(view(Buffer.from(hex, 'hex'))), { code: 'Unmarshal' }, hex);
  }
});

t.test('unknown fields are skipped', async (t) => {
  const bytesWithMore = Buffer.from('0a016bf8ff0305', 'hex');
  t.equal(kv.putRequest.decode(view(bytesWithMore)).key.toString(), 'k');
});

t.test('the services have all their methods', async (t) => {
  const counts: Record<string, number> = {
    'etcdserverpb.KV': 6,
    'etcdserverpb.Watch': 1,
    'etcdserverpb.Lease': 5,
    'etcdserverpb.Cluster': 5,
    'etcdserverpb.Maintenance': 8,
    'etcdserverpb.Auth': 17,
    'v3lockpb.Lock': 2,
    'v3electionpb.Election': 5,
    'grpc.health.v1.Health': 3,
  };
  for (const [service, count] of Object.entries(counts)) {
    t.equal(serviceMethods(service).length, count, service);
  }
  const watch = serviceMethods('etcdserverpb.Watch')[0];
  t.same(watch, {
    path: '/etcdserverpb.Watch/Watch',
    requestStream: true,
    responseStream: true,
  });
});

t.test('every message of the files can be encoded and decoded', async (t) => {
  for (const name of ['v3lockpb.LockResponse', 'v3electionpb.LeaderKey', 'leasepb.Lease']) {
    const codec = new Codec<Record<string, unknown>>(name);
    t.equal(codec.encode({}).length, 0, name);
    t.type(codec.decode(new Uint8Array(0)), 'object');
  }
});
