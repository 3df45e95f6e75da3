// JSON to protobuf bytes, against protobufjs: a table of forms with what they stand for, texts of
// refusals, and random messages that come out as they went in.

import type protobuf from 'protobufjs';
import t from 'tap';

import { decodeJson } from '../../../../src/api/http/gateway/json/decode.js';
import { encodeJson } from '../../../../src/api/http/gateway/json/encode.js';
import { JsonProblem } from '../../../../src/api/http/gateway/json/scanner.js';
import { camelCase, shapeOf } from '../../../../src/api/http/gateway/json/shape.js';
import { methodTypes } from '../../../../src/base/proto/codec.js';
import { Random, randomMessage, toJsonObject } from './support/random-message.js';

const latin1 = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

function typesOf(path: string) {
  const { request, response } = methodTypes(path);
  return { request, response };
}

/** What a message reads as, with all that has its default left out. */
function read(type: protobuf.Type, bytes: Buffer): Record<string, unknown> {
  return type.toObject(type.decode(bytes as unknown as Uint8Array), { longs: String });
}

function decode(path: string, json: string): Record<string, unknown> {
  const { request } = typesOf(path);
  return read(request, decodeJson(shapeOf(request), latin1(json)));
}

const range = (json: string) => decode('etcdserverpb.KV.Range', json);
const bytes = (...values: number[]) => Buffer.from(values);

t.test('forms of each kind', async (t) => {
  const table: [string, Record<string, unknown>][] = [
    ['{}', {}],
    ['{"key":"Zm9v"}', { key: Buffer.from('foo') }],
    ['{"key":"_-8"}', { key: bytes(0xff, 0xef) }],
    ['{"key":"/+8="}', { key: bytes(0xff, 0xef) }],
    ['{"key":""}', {}],
    ['{"limit":"5"}', { limit: '5' }],
    ['{"limit":5.0}', { limit: '5' }],
    ['{"limit":1e3}', { limit: '1000' }],
    ['{"limit":"-9223372036854775808"}', { limit: '-9223372036854775808' }],
    ['{"limit":9223372036854775807}', { limit: '9223372036854775807' }],
    ['{"limit":0}', {}],
    ['{"limit":null}', {}],
    ['{"sort_order":"DESCEND"}', { sort_order: 2 }],
    ['{"sortOrder":1}', { sort_order: 1 }],
    ['{"sort_order":77}', { sort_order: 77 }],
    ['{"sort_order":-1}', { sort_order: -1 }],
    ['{"sort_order":"NOSUCH"}', {}],
    ['{"serializable":true,"keysOnly":false}', { serializable: true }],
    ['{"nosuch":{"a":[1,"}"]},"limit":1}', { limit: '1' }],
  ];
  for (const [json, expected] of table) {
    t.same(range(json), expected, json);
  }
});

t.test('strings, lists, messages, oneofs', async (t) => {
  const user = decode('etcdserverpb.Auth.UserAdd', '{"name":"\\u00e9\\ud83d\\ude00日\\n\\/"}');
  t.same(user, { name: 'é😀日\n/' });
  const member = decode('etcdserverpb.Cluster.MemberAdd', '{"peerURLs":["a","","b"]}');
  t.same(member, { peerURLs: ['a', '', 'b'] });
  const watch = decode(
    'etcdserverpb.Watch.Watch',
    '{"create_request":{"filters":["NODELETE",0,"NOSUCH"]}}',
  );
  t.same(watch, { create_request: { filters: [1, 0] } });
  t.same(decode('etcdserverpb.Watch.Watch', '{"progress_request":{}}'), { progress_request: {} });
  const txn = decode('etcdserverpb.KV.Txn', '{"compare":[{"version":"0"}],"success":[{}]}');
  t.same(txn, { compare: [{ version: '0' }], success: [{}] });
});

t.test('the wire form', async (t) => {
  const wire = (path: string, json: string) =>
    decodeJson(shapeOf(typesOf(path).request), json).toString('hex');
  t.equal(wire('etcdserverpb.KV.Put', '{"key":"aw==","lease":-1}'), '0a016b18ffffffffffffffffff01');
  t.equal(
    wire('etcdserverpb.KV.Txn', '{"compare":[{"rangeEnd":"eg==","lease":0}]}'),
    '0a0682' + '04017a' + '4000',
  );
  t.equal(wire('etcdserverpb.Watch.Watch', '{"create_request":{"filters":[0,1]}}'), '0a042a020001');
  t.equal(
    wire('etcdserverpb.Cluster.MemberRemove', '{"ID":"18446744073709551615"}'),
    '08ffffffffffffffffff01',
  );
});

t.test('refusals', async (t) => {
  const table: [string, string][] = [
    ['{"limit":5.5}', 'proto: (line 1:10): invalid value for int64 field limit: 5.5'],
    ['{"limit":"x"}', 'proto: (line 1:10): invalid value for int64 field limit: "x"'],
    ['{"range_end":5}', 'proto: (line 1:14): invalid value for bytes field rangeEnd: 5'],
    ['{"sort_order":{}}', 'proto: (line 1:15): invalid value for enum field sortOrder: {'],
    ['{"limit":1,"limit":1}', 'proto: (line 1:12): duplicate field "limit"'],
    ['[]', 'proto: syntax error (line 1:1): unexpected token ['],
    ['{\n"é":1,\n "limit":[]}', 'proto: (line 3:10): invalid value for int64 field limit: ['],
    ['{"x":"\\ud800"}', 'proto: unexpected EOF'],
  ];
  for (const [json, message] of table) {
    t.throws(() => range(json), new JsonProblem(message), json);
  }
  const nested = `${'{"success":[{"request_txn":'.repeat(1200)}{}${'}]}'.repeat(1200)}`;
  t.throws(() => decode('etcdserverpb.KV.Txn', nested), /max recursion depth/, 'much too deep');
});

t.test('names in camel case', async (t) => {
  t.equal(camelCase('create_revision'), 'createRevision');
  t.equal(camelCase('remaining_TTL'), 'remainingTTL');
  t.equal(camelCase('ID'), 'ID');
  t.equal(camelCase('a_b_c'), 'aBC');
});

t.test('random messages come out as they went in', async (t) => {
  const random = new Random(20_261_121);
  const paths = [
    'etcdserverpb.KV.Range',
    'etcdserverpb.KV.Put',
    'etcdserverpb.KV.Txn',
    'etcdserverpb.Watch.Watch',
    'etcdserverpb.Lease.LeaseTimeToLive',
    'etcdserverpb.Maintenance.Status',
    'etcdserverpb.Maintenance.Alarm',
    'etcdserverpb.Cluster.MemberAdd',
    'etcdserverpb.Auth.RoleGet',
    'etcdserverpb.Auth.UserAdd',
    'v3electionpb.Election.Campaign',
  ];
  for (let round = 0; round < 400; round += 1) {
    const { request, response } = typesOf(paths[round % paths.length] ?? '');
    for (const type of [request, response]) {
      const message = randomMessage(random, type, 3);
      const wire = type.encode(type.fromObject(message)).finish() as Buffer;
      const shape = shapeOf(type);
      // From JSON in any of its forms to the same message.
      const json = JSON.stringify(toJsonObject(random, type, message));
      const decoded = decodeJson(shape, latin1(json));
      t.same(read(type, decoded), read(type, wire), `${type.name} ${round}`);
      // To JSON and back.
      const again = decodeJson(shape, latin1(encodeJson(shape, wire)));
      t.same(read(type, again), read(type, wire), `${type.name} ${round} there and back`);
    }
  }
});
