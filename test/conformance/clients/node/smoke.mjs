// Exercises the npm package etcd3 against a server: each case is what programs do with it.
// Run by ../../matrix/matrix.test.ts. Arguments as --name=value: endpoints, cacert, cert, key,
// user, password.
// Prints `ok RPC[,RPC...] CASE` or `FAIL RPC[,RPC...] CASE: why` per case, and `done N` at the end.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Etcd3, Range } from 'etcd3';

const given = Object.fromEntries(
  process.argv.slice(2).map((word) => word.replace(/^--/, '').split(/=(.*)/s).slice(0, 2)),
);
const CASE_TIMEOUT_MS = 20_000;

function connect() {
  const read = (name) => (given[name] ? readFileSync(given[name]) : undefined);
  const scheme = given.cacert ? 'https' : 'http';
  // A certificate names the host, not its address.
  const hosts = given.endpoints
    .split(',')
    .map((place) => `${scheme}://${given.cacert ? place.replace(/^.*:/, 'localhost:') : place}`);
  return new Etcd3({
    hosts,
    ...(given.cacert && {
      credentials: {
        rootCertificate: read('cacert'),
        privateKey: read('key'),
        certChain: read('cert'),
      },
    }),
    ...(given.user && { auth: { username: given.user, password: given.password } }),
    dialTimeout: 10_000,
  });
}

const client = connect();

async function keysAndValues() {
  await client.put('node/kv').value('one');
  assert.equal(await client.get('node/kv').string(), 'one');
  await client.put('node/kv').value(Buffer.from([0, 255]));
  assert.deepEqual([...(await client.get('node/kv').buffer())], [0, 255]);
  assert.equal(await client.getAll().prefix('node/').count(), 1);
  assert.equal((await client.delete().range(Range.prefix('node/'))).deleted, '1');
}

async function transactions() {
  const once = () =>
    client
      .if('node/txn', 'Version', '==', 0)
      .then(client.put('node/txn').value('made'))
      .else(client.get('node/txn'))
      .commit();
  assert.equal((await once()).succeeded, true);
  const second = await once();
  assert.equal(second.succeeded, false);
  assert.equal(second.responses[0].response_range.kvs[0].value.toString(), 'made');
}

async function compaction() {
  const { header } = await client.put('node/compact').value('x');
  await client.kv.compact({ revision: header.revision, physical: true });
  await assert.rejects(client.kv.compact({ revision: header.revision }), /has been compacted/);
}

async function watching() {
  const watcher = await client.watch().prefix('node/watch').create();
  const seen = [];
  const both = new Promise((resolve) => {
    for (const kind of ['put', 'delete']) {
      watcher.on(kind, () => {
        seen.push(kind);
        if (seen.length === 2) resolve();
      });
    }
  });
  await client.put('node/watch/1').value('x');
  await client.delete().key('node/watch/1');
  await both;
  await watcher.cancel();
  assert.deepEqual(seen, ['put', 'delete']);
}

async function leases() {
  const lease = client.lease(60);
  await lease.put('node/lease').value('x');
  assert.equal((await lease.keepaliveOnce()).TTL, '60');
  const ID = await lease.grant();
  const left = await client.leaseClient.leaseTimeToLive({ ID, keys: true });
  assert.equal(left.keys.length, 1);
  await lease.revoke();
  assert.equal(await client.get('node/lease'), null);
}

async function locks() {
  await client.lock('node/lock').do(async () => undefined);
}

async function elections() {
  const election = client.election('node/election', 10);
  const campaign = election.campaign('me');
  await new Promise((resolve, reject) => {
    campaign.once('elected', resolve);
    campaign.once('error', reject);
  });
  assert.equal(await election.leader(), 'me');
  await campaign.resign();
}

async function maintenance() {
  const status = await client.maintenance.status();
  assert.match(status.version, /^3\./);
  assert.ok(Number(status.dbSize) > 0);
  await client.maintenance.alarm({ action: 'Get', memberID: 0, alarm: 'None' });
  assert.notEqual((await client.maintenance.hash()).hash, 0);
  await client.maintenance.defragment();
}

async function snapshots() {
  const stream = await client.maintenance.snapshot();
  let size = 0;
  stream.on('data', ({ blob }) => {
    size += blob.length;
  });
  await new Promise((resolve, reject) => {
    stream.once('end', resolve);
    stream.once('error', reject);
  });
  assert.equal(size % 512, 32);
}

async function usersAndRoles() {
  const role = client.role('node-role');
  await role.create();
  await role.grant({ permission: 'Readwrite', range: client.range({ prefix: 'node/' }) });
  assert.equal((await role.permissions()).length, 1);
  const user = client.user('node-user');
  await user.create('secret');
  await user.addRole('node-role');
  assert.deepEqual(
    (await user.roles()).map(({ name }) => name),
    ['node-role'],
  );
  assert.ok((await client.getUsers()).some(({ name }) => name === 'node-user'));
  assert.ok((await client.getRoles()).some(({ name }) => name === 'node-role'));
  await client.auth.userChangePassword({ name: 'node-user', password: 'other' });
  await user.removeRole('node-role');
  await role.revoke({ permission: 'Readwrite', range: client.range({ prefix: 'node/' }) });
  await user.delete();
  await role.delete();
}

async function members() {
  assert.ok((await client.cluster.memberList({})).members.length > 0);
}

const cases = [
  ['Put,Range,DeleteRange', 'keys and values', keysAndValues],
  ['Txn', 'transactions', transactions],
  ['Compact', 'a compaction', compaction],
  ['Watch', 'a watcher', watching],
  ['LeaseGrant,LeaseRevoke,LeaseKeepAlive,LeaseTimeToLive', 'leases', leases],
  ['Txn,LeaseGrant', 'a lock made of transactions', locks],
  ['Txn,Watch,LeaseGrant', 'an election made of transactions', elections],
  ['Alarm,Status,Hash,Defragment', 'maintenance', maintenance],
  // This client sends no token with it.
  ...(given.user ? [] : [['Snapshot', 'a snapshot', snapshots]]),
  [
    'UserAdd,UserGet,UserList,UserDelete,UserChangePassword,UserGrantRole,UserRevokeRole,' +
      'RoleAdd,RoleGet,RoleList,RoleDelete,RoleGrantPermission,RoleRevokePermission',
    'users and roles',
    usersAndRoles,
  ],
  ['MemberList', 'members', members],
];

for (const [rpcs, name, run] of cases) {
  const late = new Promise((_resolve, reject) => {
    setTimeout(() => reject(new Error('it took too long')), CASE_TIMEOUT_MS).unref();
  });
  try {
    await Promise.race([run(), late]);
    console.log(`ok ${rpcs} ${name}`);
  } catch (error) {
    console.log(`FAIL ${rpcs} ${name}: ${String(error.message).replaceAll('\n', ' | ')}`);
  }
}
if (given.user) console.log('ok Authenticate a token');
console.log(`done ${cases.length + (given.user ? 1 : 0)}`);
process.exit(0);
