// Tests of src/base/proto/text.ts: requests as the log shows them, with what clients store,
// passwords and tokens left out.

import t from 'tap';
import { messageType } from '../../../src/base/proto/codec.js';
import {
  deleteRangeRequest,
  rangeRequest,
  txnRequest,
} from '../../../src/base/proto/kv-messages.js';
import { leaseGrantRequest } from '../../../src/base/proto/messages.js';
import { messageText } from '../../../src/base/proto/text.js';

const key = Buffer.from('foo');

function raftText(fields: Record<string, unknown>): string {
  const type = messageType('etcdserverpb.InternalRaftRequest');
  const bytes = type.encode(type.fromObject(fields)).finish();
  return messageText('etcdserverpb.InternalRaftRequest', Buffer.from(bytes));
}

t.test('plain requests', async (t) => {
  const range = rangeRequest.encode({ key, range_end: Buffer.from([0]), limit: 4n, sort_order: 2 });
  t.equal(
    messageText('etcdserverpb.RangeRequest', range),
    'key:"foo"  range_end:"\\x00"  limit:4  sort_order:DESCEND',
  );
  const deletion = deleteRangeRequest.encode({ key, prev_kv: true });
  t.equal(messageText('etcdserverpb.DeleteRangeRequest', deletion), 'key:"foo"  prev_kv:true');
  t.equal(messageText('etcdserverpb.LeaseGrantRequest', leaseGrantRequest.encode({})), '');
});

t.test('a transaction', async (t) => {
  const value = Buffer.from('secret');
  const inner = { compare: [], success: [{ request_put: { key, value } }], failure: [] };
  const txn = txnRequest.encode({
    compare: [
      { key, target: 3, value },
      { key, target: 2, result: 1, mod_revision: 0n },
    ],
    success: [{ request_put: { key, value } }, { request_range: { key } }],
    failure: [{ request_txn: inner }, { request_delete_range: { key } }],
  });
  const text = messageText('etcdserverpb.TxnRequest', txn);
  t.equal(
    text,
    'compare:<target:VALUE key:"foo" value_size:6  ' +
      'result:GREATER  target:MOD  key:"foo"  mod_revision:0> ' +
      'success:<request_put:<key:"foo" value_size:6 > request_range:{key:"foo"}> ' +
      'failure:<request_txn:<compare:<> success:<request_put:<key:"foo" value_size:6 >> ' +
      'failure:<>> request_delete_range:{key:"foo"}>',
  );
  t.notMatch(text, /secret/);
});

t.test('entries of the log', async (t) => {
  t.equal(
    raftText({ header: { ID: 7 }, put: { key, value: Buffer.from('bar') } }),
    'header:<ID:7> put:<key:"foo" value_size:3 >',
  );
  t.equal(
    raftText({
      header: { ID: 7, username: 'root', auth_revision: 4 },
      lease_grant: { TTL: 30, ID: 0x1234 },
    }),
    'header:<ID:7  username:"root"  auth_revision:4> ' +
      'lease_grant:<ttl:30-second id:0000000000001234>',
  );
  t.equal(
    raftText({ header: { ID: 7 }, delete_range: { key } }),
    'header:{ID:7}  delete_range:{key:"foo"}',
  );
  t.equal(
    raftText({ header: { ID: 7 }, cluster_version_set: { ver: '3.7.0' } }),
    'header:{ID:7}  cluster_version_set:{ver:"3.7.0"}',
  );
});

t.test('passwords and tokens do not come out', async (t) => {
  const secrets = [
    raftText({ auth_user_add: { name: 'u', password: 'pass-word', hashedPassword: 'pass-hash' } }),
    raftText({ auth_user_change_password: { name: 'u', password: 'pass-word' } }),
    raftText({ authenticate: { name: 'u', password: 'pass-word', simple_token: 'pass-token' } }),
  ];
  for (const text of secrets) {
    t.match(text, /name:u>/);
    t.notMatch(text, /pass-/);
  }
});

t.test('what is no message', async (t) => {
  t.equal(messageText('etcdserverpb.RangeRequest', Buffer.from([0xff, 0xff])), '2 bytes');
});
