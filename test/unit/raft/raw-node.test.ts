// The interface of the consensus core: its configuration, its refusals, the order of work in both
// storage modes, and the cost of large batches.

import t from 'tap';
import { RaftAssertionError, RaftPanicError } from '../../../src/raft/base/assert.js';
import type { Config, Message, Ready } from '../../../src/raft/index.js';
import {
  emptyConfState,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  MemoryStorage,
  MessageType,
  makeEntry,
  makeMessage,
  RaftStorageError,
  RawNode,
  ReadOnlyOption,
  StateType,
} from '../../../src/raft/index.js';
import { bytesOf, Network, TextLogger } from '../../support/raft/cluster/network.js';

function configWith(changes: Partial<Config> = {}): Config {
  const logger = new TextLogger();
  return {
    id: 1n,
    electionTick: 10,
    heartbeatTick: 1,
    storage: new MemoryStorage(logger),
    maxSizePerMsg: 1 << 20,
    maxInflightMsgs: 256,
    logger,
    random: () => 0,
    ...changes,
  };
}

t.test('an impossible configuration is refused with its reason', (test) => {
  const cases: [Partial<Config>, string][] = [
    [{ id: 0n }, 'cannot use none as id'],
    [{ id: LOCAL_APPEND_THREAD }, 'cannot use local target as id'],
    [{ id: LOCAL_APPLY_THREAD }, 'cannot use local target as id'],
    [{ heartbeatTick: 0 }, 'heartbeat tick must be greater than 0'],
    [{ electionTick: 1 }, 'election tick must be greater than heartbeat tick'],
    [{ storage: null as unknown as MemoryStorage }, 'storage cannot be nil'],
    [{ maxInflightMsgs: 0 }, 'max inflight messages must be greater than 0'],
    [{ maxInflightBytes: 1 }, 'max inflight bytes must be >= max message size'],
    [
      { readOnlyOption: ReadOnlyOption.LeaseBased },
      'CheckQuorum must be enabled when ReadOnlyOption is ReadOnlyLeaseBased',
    ],
  ];
  for (const [change, reason] of cases) {
    const config = configWith(change);
    test.throws(() => new RawNode(config), new RaftPanicError(reason), reason);
    test.same((config.logger as TextLogger).lines, [`FATAL ${reason}`]);
  }
  test.throws(() => new RawNode(configWith({ applied: 1.5 })), RaftAssertionError);
  test.throws(() => new RawNode(configWith({ random: (n) => n })), RaftAssertionError);
  test.end();
});

t.test('a storage whose state is impossible is refused', (test) => {
  const config = configWith();
  (config.storage as MemoryStorage).setHardState({ term: 2, vote: 1n, commit: 5 });
  const range = '1 state.commit 5 is out of range [0, 0]';
  test.throws(() => new RawNode(config), new RaftPanicError(range));
  test.throws(() => new RawNode(configWith({ applied: 3 })), RaftPanicError);
  test.end();
});

function bootstrapped(changes: Partial<Config> = {}, peers = [1n]): RawNode {
  const node = new RawNode(configWith(changes));
  node.bootstrap(peers.map((id) => ({ id, context: bytesOf(`peer ${id}`) })));
  return node;
}

t.test('bootstrap starts the log with the members', (test) => {
  const node = bootstrapped({}, [1n, 2n]);
  const ready = node.ready();
  test.same(ready.hardState, { term: 1, vote: 0n, commit: 2 });
  test.same(
    ready.entries.map((entry) => [entry.type, entry.term, entry.index]),
    [
      [1, 1, 1],
      [1, 1, 2],
    ],
  );
  test.same(ready.committedEntries, ready.entries);
  test.same(node.status().config.voters.ids, [1n, 2n], 'effective before they are applied');
  const refused = { name: 'RaftError', code: 'invalid-bootstrap' };
  test.throws(() => new RawNode(configWith()).bootstrap([]), refused);
  const config = configWith();
  (config.storage as MemoryStorage).append([makeEntry(0, 1, 1, null)]);
  test.throws(() => new RawNode(config).bootstrap([{ id: 1n, context: null }]), refused);
  test.end();
});

t.test('messages that must not come from outside are refused', (test) => {
  const node = bootstrapped();
  const local = { name: 'RaftError', code: 'step-local-message' };
  test.throws(() => node.step(makeMessage(MessageType.Hup, 1n, { from: 1n })), local);
  test.throws(() => node.step(makeMessage(MessageType.StorageApplyResp, 1n, { from: 2n })), local);
  const stranger = { name: 'RaftError', code: 'step-peer-not-found' };
  const answer = makeMessage(MessageType.AppResp, 1n, { from: 9n, term: 1 });
  test.throws(() => node.step(answer), stranger);
  const invalid = { name: 'RaftError', code: 'invalid-message' };
  const app = makeMessage(MessageType.App, 1n, { from: 9n, term: -1 });
  test.throws(() => node.step(app), invalid);
  test.throws(() => node.propose([]), RaftAssertionError);
  test.throws(() => node.propose([bytesOf('x')]), { code: 'proposal-dropped' });
  const prop = makeMessage(MessageType.Prop, 1n, { from: 2n, entries: [makeEntry(0, 0, 0, null)] });
  test.throws(() => node.step(prop), { code: 'proposal-dropped' });
  test.end();
});

/** Does a Ready's work in synchronous mode. */
function handle(node: RawNode, storage: MemoryStorage): Ready {
  const ready = node.ready();
  if (ready.hardState !== null) {
    storage.setHardState(ready.hardState);
  }
  storage.append(ready.entries);
  node.advance();
  return ready;
}

t.test('synchronous mode: a lone voter from campaign to commit', (test) => {
  const storage = new MemoryStorage(new TextLogger());
  const node = bootstrapped({ storage });
  handle(node, storage);
  test.notOk(node.hasReady());
  node.campaign();
  const vote = handle(node, storage);
  test.same(vote.softState, { lead: 0n, raftState: StateType.Candidate });
  test.same(vote.hardState, { term: 2, vote: 1n, commit: 1 });
  test.ok(vote.mustSync);
  test.equal(node.basicStatus().softState.raftState, StateType.Leader, 'elected by its own vote');
  node.propose([bytesOf('a'), bytesOf('b')]);
  const append = handle(node, storage);
  test.equal(append.entries.length, 3, 'the empty entry and two proposals');
  test.equal(append.committedEntries.length, 0, 'nothing is committed before it is durable');
  const commit = handle(node, storage);
  test.equal(commit.committedEntries.length, 3);
  test.notOk(commit.mustSync, 'a commit index alone needs no sync');
  test.notOk(node.hasReady());
  test.same(node.ready().messages, [], 'a Ready without work is empty');
  node.advance();
  test.equal(node.status().progress.get(1n)?.match, 4);
  test.equal(node.basicStatus().applied, 4);
  test.end();
});

t.test('synchronous mode: one Ready at a time', (test) => {
  const node = bootstrapped();
  node.ready();
  node.campaign();
  const twice = new RaftPanicError('two accepted Ready structs without call to Advance');
  test.throws(() => node.ready(), twice);
  test.end();
});

t.test('asynchronous mode: work goes out as messages and comes back as answers', (test) => {
  const storage = new MemoryStorage(new TextLogger());
  const node = bootstrapped({ storage, asyncStorageWrites: true });
  const forbidden = 'Advance must not be called when using AsyncStorageWrites';
  test.throws(() => node.advance(), new RaftPanicError(forbidden));
  const [append, ...others] = node.ready().messages as [Message, ...Message[]];
  test.same(others, [], 'nothing is applied before it is durable');
  test.equal(append.to, LOCAL_APPEND_THREAD);
  test.same([append.term, append.vote, append.commit], [1, 0n, 1]);
  storage.append(append.entries);
  for (const response of append.responses) {
    node.step(response);
  }
  const [apply] = node.ready().messages as [Message];
  test.equal(apply.to, LOCAL_APPLY_THREAD);
  test.equal(apply.entries.length, 1);
  test.equal(node.basicStatus().applied, 0);
  node.applyConfChange({ id: 0n, type: 0, nodeId: 1n, context: null });
  node.step(apply.responses[0] as Message);
  test.equal(node.basicStatus().applied, 1);
  node.step(makeMessage(MessageType.StorageApplyResp, 1n, { from: LOCAL_APPLY_THREAD }));
  test.equal(node.basicStatus().applied, 1, 'an answer about nothing changes nothing');
  test.end();
});

t.test('a restarted replica reports only what changes', (test) => {
  const storage = new MemoryStorage(new TextLogger());
  const confState = { ...emptyConfState, voters: [1n], learners: [2n] };
  storage.applySnapshot({ data: null, metadata: { confState, index: 5, term: 2 } });
  storage.append([makeEntry(0, 3, 6, bytesOf('x')), makeEntry(0, 3, 7, bytesOf('y'))]);
  storage.setHardState({ term: 3, vote: 1n, commit: 7 });
  const node = new RawNode(configWith({ storage, applied: 6 }));
  const ready = node.ready();
  test.equal(ready.softState, null);
  test.equal(ready.hardState, null);
  test.same(
    ready.committedEntries.map((entry) => entry.index),
    [7],
  );
  test.same(node.status().config.learners, new Set([2n]));
  test.equal(node.status().progress.size, 0, 'only a leader knows of progress');
  test.end();
});

t.test('a change that breaks the rules stops the replica when it is applied', (test) => {
  const node = bootstrapped();
  const change = { id: 0n, type: 1, nodeId: 1n, context: null } as const;
  test.throws(() => node.applyConfChange(change), new RaftPanicError('removed all voters'));
  const wrong = { transition: 0, changes: [{ type: 9, nodeId: 0n }], context: null };
  test.doesNotThrow(() => node.applyConfChange(wrong as never), 'node 0 stands for nothing');
  test.end();
});

t.test('a snapshot that cannot be made now is asked for again', (test) => {
  const network = new Network(2);
  network.isolate(2);
  network.passes = () => true;
  network.elect(1);
  network.isolate(2);
  network.propose(1, 'a', 'b');
  const one = network.at(1);
  // The other half of the cluster is away, so nothing commits; compact what is.
  one.storage.compact(one.commit);
  network.at(2).storage.term = () => {
    throw new RaftStorageError('unavailable');
  };
  one.node.reportUnreachable(2n);
  const progress = one.node.raft.tracker.progress.get(2n);
  if (progress !== undefined) {
    progress.next = 1;
    progress.match = 0;
  }
  one.storage.snapshot = () => {
    throw new RaftStorageError('snapshot-temporarily-unavailable');
  };
  one.node.propose([bytesOf('c')]);
  const text = 'DEBUG 1 failed to send snapshot to 2 because snapshot is temporarily unavailable';
  test.ok(one.logger.lines.includes(text));
  one.storage.snapshot = () => {
    throw new Error('disk on fire');
  };
  test.throws(() => one.node.propose([bytesOf('d')]), /disk on fire/);
  one.storage.snapshot = () => ({
    data: null,
    metadata: { confState: emptyConfState, index: 0, term: 0 },
  });
  test.throws(
    () => one.node.propose([bytesOf('e')]),
    new RaftPanicError('need non-empty snapshot'),
  );
  if (progress !== undefined) {
    progress.recentActive = false;
  }
  one.node.propose([bytesOf('f')]);
  test.ok(
    one.logger.lines.includes('DEBUG ignore sending snapshot to 2 since it is not recently active'),
  );
  test.end();
});

t.test('messages that no correct replica sends stop the core', (test) => {
  const network = new Network(3);
  network.elect(1);
  const two = network.at(2);
  // A request for leadership that was forwarded to a replica which does not lead either.
  const transfer = makeMessage(MessageType.TransferLeader, 2n, { from: 3n, term: 1 });
  test.throws(
    () => two.node.step(transfer),
    new RaftPanicError('term should not be set when sending MsgTransferLeader (was 1)'),
  );
  // A replica of no term that refuses a vote has no term to answer with.
  const fresh = network.addEmpty(9);
  fresh.storage.append([makeEntry(0, 1, 1, null)]);
  fresh.restart();
  const preVote = makeMessage(MessageType.PreVote, 9n, { from: 1n, term: 1 });
  test.throws(
    () => fresh.node.step(preVote),
    new RaftPanicError('term should be set when sending MsgPreVoteResp'),
  );
  const heartbeat = makeMessage(MessageType.Heartbeat, 2n, { from: 1n, term: 1, commit: 99 });
  test.throws(() => two.node.step(heartbeat), RaftPanicError, 'a commit beyond the log');
  test.end();
});

t.test('a malformed answer to a read is reported and dropped', (test) => {
  const network = new Network(2);
  network.elect(1);
  const two = network.at(2);
  two.node.step(makeMessage(MessageType.ReadIndexResp, 2n, { from: 1n, term: 1, index: 2 }));
  const text = 'ERROR 2 invalid format of MsgReadIndexResp from 1, entries count: 0';
  test.ok(two.logger.lines.includes(text));
  test.same(two.reads, []);
  test.end();
});

// Found by the simulation, seed 6079: a follower that was applying old changes got a snapshot.
t.test('a change that a restored snapshot contains is not made again', (test) => {
  const storage = new MemoryStorage(new TextLogger());
  const old = { ...emptyConfState, voters: [1n, 2n] };
  storage.applySnapshot({ data: null, metadata: { confState: old, index: 1, term: 1 } });
  const node = new RawNode(configWith({ storage, asyncStorageWrites: true }));
  const confState = { ...emptyConfState, voters: [1n, 2n, 3n] };
  const snapshot = { data: null, metadata: { confState, index: 9, term: 1 } };
  node.step(makeMessage(MessageType.Snap, 1n, { from: 2n, term: 1, snapshot }));
  const removal = { id: 0n, type: 1, nodeId: 3n, context: null } as const;
  test.same(node.applyConfChange(removal, 9), confState, 'at or below the snapshot: no change');
  test.same(node.applyConfChange(removal, 10), old, 'above it: a change');
  test.end();
});

/** Microseconds per entry of proposing batches and taking them to the end, as a lone voter. */
function costPerEntry(batch: number, rounds: number): number {
  const storage = new MemoryStorage(new TextLogger());
  const logger = { debug() {}, info() {}, warning() {}, error() {}, fatal() {} };
  const node = bootstrapped({ storage, logger, asyncStorageWrites: true });
  const settle = (): void => {
    while (node.hasReady()) {
      for (const m of node.ready().messages) {
        if (m.type === MessageType.StorageAppend) {
          storage.append(m.entries);
        }
        for (const response of m.responses) {
          node.step(response);
        }
      }
    }
  };
  settle();
  node.campaign();
  settle();
  const payloads = Array.from({ length: batch }, () => ({ byteLength: 100 }));
  const start = process.hrtime.bigint();
  for (let i = 0; i < rounds; i++) {
    node.propose(payloads);
    settle();
  }
  const nanoseconds = Number(process.hrtime.bigint() - start);
  if (node.basicStatus().applied < batch * rounds) {
    throw new Error('not everything was applied');
  }
  return nanoseconds / 1000 / (batch * rounds);
}

t.test('the cost of an entry does not grow with the batch', (test) => {
  costPerEntry(1000, 20);
  const small = costPerEntry(500, 40);
  const large = costPerEntry(20_000, 1);
  test.comment(`${small.toFixed(3)} and ${large.toFixed(3)} microseconds per entry`);
  // Quadratic work would make it forty times as much; noise on a busy machine does not.
  test.ok(large < Math.max(small, 0.2) * 15, 'linear');
  test.end();
});
