// Protobuf bytes to JSON: what is written and what is left out, replies in pieces, and bytes that
// are no message.

import t from 'tap';

import { encodeJson, encodeJsonPieces } from '../../../../src/api/http/gateway/json/encode.js';
import { shapeOf } from '../../../../src/api/http/gateway/json/shape.js';
import { methodTypes } from '../../../../src/base/proto/codec.js';

function encoded(path: string, message: Record<string, unknown>): string {
  const { response } = methodTypes(path);
  const wire = response.encode(response.fromObject(message)).finish() as Buffer;
  return encodeJson(shapeOf(response), wire);
}

t.test('what is written, and how', async (t) => {
  const kv = { key: Buffer.from('foo'), mod_revision: '2', lease: '-5', value: Buffer.from([255]) };
  t.equal(
    encoded('etcdserverpb.KV.Range', { header: { cluster_id: '18446744073709551615' }, kvs: [kv] }),
    '{"header":{"cluster_id":"18446744073709551615"},' +
      '"kvs":[{"key":"Zm9v","mod_revision":"2","value":"/w==","lease":"-5"}]}',
  );
  t.equal(encoded('etcdserverpb.KV.Range', { more: false, count: '0', kvs: [] }), '{}');
  t.equal(encoded('etcdserverpb.KV.Range', { more: true }), '{"more":true}');
  t.equal(
    encoded('etcdserverpb.Maintenance.Status', { downgradeInfo: {} }),
    '{"downgradeInfo":{}}',
  );
  t.equal(encoded('etcdserverpb.Maintenance.Hash', { hash: 4_294_967_295 }), '{"hash":4294967295}');
  t.equal(
    encoded('etcdserverpb.Maintenance.Alarm', { alarms: [{ alarm: 1 }, { alarm: 9 }, {}] }),
    '{"alarms":[{"alarm":"NOSPACE"},{"alarm":9},{}]}',
  );
  t.equal(
    encoded('etcdserverpb.KV.Txn', { responses: [{ response_put: {} }, { response_range: {} }] }),
    '{"responses":[{"response_put":{}},{"response_range":{}}]}',
  );
  t.equal(
    encoded('etcdserverpb.Cluster.MemberList', {
      members: [{ peerURLs: ['a', ''], name: '"\n<' }],
    }),
    '{"members":[{"name":"\\"\\n<","peerURLs":["a",""]}]}',
  );
  t.equal(
    encoded('etcdserverpb.Watch.Watch', { watch_id: '-1', events: [{ type: 1, kv: {} }, {}] }),
    '{"watch_id":"-1","events":[{"type":"DELETE","kv":{}},{}]}',
  );
});

t.test('the last of several counts, messages are merged', async (t) => {
  const { response } = methodTypes('etcdserverpb.KV.Put');
  const shape = shapeOf(response);
  const headers = Buffer.from('0a0208010a0210020a020801', 'hex');
  t.equal(encodeJson(shape, headers), '{"header":{"cluster_id":"1","member_id":"2"}}');
  const count = Buffer.from('20012002', 'hex');
  t.equal(
    encodeJson(shapeOf(methodTypes('etcdserverpb.KV.Range').response), count),
    '{"count":"2"}',
  );
  const unknown = Buffer.from('f8ff03052001f1ff030102030405060708f5ff0301020304', 'hex');
  const range = shapeOf(methodTypes('etcdserverpb.KV.Range').response);
  t.equal(encodeJson(range, unknown), '{"count":"1"}', 'unknown fields are passed over');
});

t.test('what is no message is an error, not a wrong answer', async (t) => {
  const range = shapeOf(methodTypes('etcdserverpb.KV.Range').response);
  for (const hex of ['0a', '0aff', '0a05616263', '20', '20ffffffffffffffffffffff', '0b', '7c']) {
    t.throws(() => encodeJson(range, Buffer.from(hex, 'hex')), /a reply/, hex);
  }
});

t.test('pieces are the whole', async (t) => {
  const { response } = methodTypes('etcdserverpb.KV.Range');
  const kvs = Array.from({ length: 500 }, (_, i) => ({
    key: Buffer.from(`key ${i}`),
    value: Buffer.alloc(i),
  }));
  const message = response.fromObject({ header: { revision: '7' }, kvs, count: '500' });
  const wire = response.encode(message).finish() as Buffer;
  const shape = shapeOf(response);
  const whole = encodeJson(shape, wire);
  const pieces = [...encodeJsonPieces(shape, wire, 1000)];
  t.ok(pieces.length > 50, `${pieces.length} pieces`);
  t.equal(pieces.join(''), whole);
  t.equal(JSON.parse(whole).kvs.length, 500);
});
