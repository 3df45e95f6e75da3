// Tests of what src/server counts and warns of: times of requests and of decided entries, slow and
// failed ones, late heartbeats.

import t from 'tap';
import { ErrorTable, MetaStoreError } from '../../../../src/base/errors.js';
import { createLogger } from '../../../../src/base/log/logger.js';
import { messageType } from '../../../../src/base/proto/codec.js';
import { EntryType } from '../../../../src/raft/index.js';
import { HeartbeatWatch } from '../../../../src/server/election/heartbeat-watch.js';
import { Tickets } from '../../../../src/server/replica/requests/tickets.js';
import { ControlTimes } from '../../../../src/server/serving/control-times.js';
import { RequestTimes, typeOfInternal } from '../../../../src/server/serving/request-times.js';
import { SlowRequests } from '../../../../src/server/serving/slow-requests.js';
import { nativeErrorRows } from '../../../support/fakes/native-errors.js';

const errors = new ErrorTable(nativeErrorRows());

function logged() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => lines.push(JSON.parse(line));
  const options = { level: 'info', format: 'json', outputs: [] } as const;
  const log = createLogger(options, { write, close: () => {} });
  return { lines, log };
}

function raftRequest(fields: Record<string, unknown>): Buffer {
  const type = messageType('etcdserverpb.InternalRaftRequest');
  return Buffer.from(type.encode(type.fromObject(fields)).finish());
}

const versionSet = raftRequest({ header: { ID: 7 }, cluster_version_set: { ver: '3.7.0' } });

t.test('types of internal requests', async (t) => {
  t.equal(typeOfInternal(versionSet), 'ClusterVersionSet');
  t.equal(typeOfInternal(raftRequest({ auth_user_add: { name: 'u' } })), 'AuthUserAdd');
  t.equal(typeOfInternal(raftRequest({ authenticate: { name: 'u' } })), 'Authenticate');
  t.equal(typeOfInternal(raftRequest({ header: { ID: 1 } })), 'Unknown');
  t.equal(typeOfInternal(Buffer.from([0xff])), 'Unknown');
});

t.test('proposals succeed with any result, reads only without an error', async (t) => {
  const times = new RequestTimes();
  const state = { nowMs: 0 };
  const tickets = new Tickets(errors, times, () => state.nowMs);
  const notFound = errors.codeOf('LeaseNotFound');
  const settle = async (method: string, isProposal: boolean, code: number) => {
    const number = tickets.next();
    const time = times.of(method, isProposal);
    const done = tickets.settleLater(number, isProposal ? 'proposal' : 'read', state.nowMs, time);
    state.nowMs += 5;
    tickets.settle(number, code, Buffer.alloc(0));
    await done.catch(() => undefined);
  };
  await settle('Put', true, 0);
  await settle('Put', true, notFound);
  await settle('Put', true, errors.codeOf('TimeoutLeaderFailure'));
  await settle('Compact', true, 0);
  await settle('Txn', false, 0);
  await settle('Range', false, notFound);
  await settle('Hash', false, 0);
  const counts = times.all.map(({ type, succeeded, failed }) => [
    type,
    succeeded.count,
    failed.count,
  ]);
  t.strictSame(counts, [
    ['Put', 2, 1],
    ['Compaction', 1, 0],
    ['ReadonlyTxn', 1, 0],
    ['Range', 0, 1],
  ]);
  t.equal(times.all[0]?.succeeded.sum, 0.01, 'seconds');
  t.equal(times.proposalsFailed, 1);
});

t.test('what ends without a result has failed', async (t) => {
  const times = new RequestTimes();
  const tickets = new Tickets(errors, times, () => 8000);
  const [expired, stopped] = [tickets.next(), tickets.next()];
  const time = times.of('Put', true);
  const first = tickets.settleLater(expired, 'proposal', 0, time);
  const second = tickets.settleLater(stopped, 'proposal', 5000, time);
  t.equal(tickets.countProposals(), 2);
  const timeout = () => MetaStoreError.of('Timeout');
  tickets.expire(1000, () => new Float64Array(0), timeout);
  t.equal(tickets.countProposals(), 1);
  tickets.failAll(MetaStoreError.of('Stopped'));
  await t.rejects(first, { code: 'Timeout' });
  await t.rejects(second, { code: 'Stopped' });
  t.equal(times.proposalsFailed, 2);
  t.equal(time?.failed.count, 2);
});

t.test('entries that TypeScript decides', async (t) => {
  const { lines, log } = logged();
  const slow = new SlowRequests(log, errors, 100);
  const state = { nowMs: 0, done: 0 };
  const times = new ControlTimes(slow, () => state.nowMs);
  const core = times.around({
    controlDone: () => {
      state.done++;
    },
  });
  times.begins(EntryType.Normal, versionSet);
  state.nowMs += 50;
  core.controlDone(1, [], 0, null, null);
  t.strictSame(lines, [], 'quick and successful: nothing is said');
  times.begins(EntryType.Normal, versionSet);
  state.nowMs += 150;
  core.controlDone(2, [], errors.codeOf('LeaseNotFound'), null, null);
  times.begins(EntryType.ConfChange, Buffer.alloc(0));
  core.controlDone(3, [], 0, null, null);
  t.equal(state.done, 3);
  const pair = times.all.get('ClusterVersionSet');
  t.strictSame([pair?.succeeded.count, pair?.failed.count, times.all.size], [1, 1, 1]);
  t.equal(slow.decidedSlowly, 1);
  t.match(lines, [
    {
      level: 'warn',
      msg: 'apply request took too long',
      took: '150ms',
      'expected-duration': '100ms',
      prefix: '',
      request: 'header:{ID:7}  cluster_version_set:{ver:"3.7.0"}',
      response: '',
      error: 'etcdserver: requested lease not found',
    },
    { level: 'warn', msg: 'failed to apply request', took: '150ms' },
  ]);
});

t.test('reads that native code tells of', async (t) => {
  const { lines, log } = logged();
  const slow = new SlowRequests(log, errors, 100);
  const request = Buffer.from([0x0a, 1, 0x61]);
  const read = { seconds: 0.25, code: 0, replyBytes: 30, rows: 2, request };
  slow.tell({ kind: 'range', ...read });
  slow.tell({ kind: 'txn', ...read, rows: -1, request: Buffer.alloc(0) });
  t.match(lines, [
    {
      prefix: 'read-only range ',
      took: '250ms',
      request: 'key:"a"',
      response: 'range_response_count:2 size:30',
    },
    { prefix: 'read-only txn ', response: 'size:30' },
  ]);
  t.notOk('error' in (lines[0] ?? {}));
});

t.test('heartbeats that are late', async (t) => {
  const { lines, log } = logged();
  const state = { nowMs: 0 };
  const watch = new HeartbeatWatch(log, () => state.nowMs, 100);
  for (const [passedMs, to] of [
    [0, 1n],
    [100, 1n],
    [200, 1n],
    [201, 1n],
    [0, 2n],
  ] as const) {
    state.nowMs += passedMs;
    watch.sent(to);
  }
  t.equal(watch.late, 1, 'twice the interval is in time');
  t.match(lines, [
    {
      level: 'warn',
      msg: /^leader failed to send out heartbeat on time; took too long, leader is overloaded/,
      to: '1',
      'heartbeat-interval': '100ms',
      'expected-duration': '200ms',
      'exceeded-duration': '1ms',
    },
  ]);
  state.nowMs += 1000;
  watch.reset();
  watch.sent(1n);
  t.equal(watch.late, 1, 'what another term sent means nothing');
});
