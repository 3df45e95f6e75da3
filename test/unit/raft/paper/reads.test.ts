// The sections of Raft's dissertation about reads: linearizable ones without a log entry (§6.4), by
// lease (§6.4.1), and the entry at the start of a term that both need (§6.4 step 1; paper §8).

import t from 'tap';
import { MessageType, makeMessage, ReadOnlyOption } from '../../../../src/raft/index.js';
import { bytesOf, Network } from '../../../support/raft/cluster/network.js';

t.test('§6.4: a new leader answers no read before it committed an entry of its term', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.propose(1, 'a');
  // 2 is elected, but nobody takes its first entry.
  network.passes = (m) => m.type !== MessageType.App || m.from !== 2n;
  network.elect(2);
  test.ok(network.at(2).leads);
  network.at(2).node.readIndex(bytesOf('r'));
  network.settle();
  network.tick(2, 3);
  network.settle();
  test.same(network.at(2).reads, [], 'heartbeats of a quorum are not enough');
  network.passes = () => true;
  network.tick(2, 1);
  network.settle();
  const { commit } = network.at(2);
  test.same(network.at(2).reads, [{ index: commit, requestCtx: bytesOf('r') }]);
  test.end();
});

t.test('§6.4: one round of heartbeats answers every read before it', (test) => {
  const network = new Network(5);
  network.elect(1);
  network.propose(1, 'a');
  const one = network.at(1);
  for (let i = 0; i < 100; i += 1) one.node.readIndex(Uint8Array.of(i));
  const heartbeats = one.drain().filter((m) => m.type === MessageType.Heartbeat);
  const lastOf = (id: bigint): Uint8Array =>
    heartbeats.filter((m) => m.to === id).at(-1)?.context ?? new Uint8Array(0);
  const answer = (from: bigint): void => {
    const context = lastOf(from);
    one.node.step(makeMessage(MessageType.HeartbeatResp, 1n, { from, term: 1, context }));
    one.drain();
  };
  answer(2n);
  test.equal(one.reads.length, 0, 'two of five');
  answer(2n);
  test.equal(one.reads.length, 0, 'the same one again counts once');
  answer(3n);
  test.same(
    one.reads.map(({ requestCtx }) => requestCtx[0]),
    Array.from({ length: 100 }, (_, i) => i),
    'in the order in which they were asked',
  );
  test.end();
});

t.test('§6.4: an answer to an earlier round says nothing about a later read', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.propose(1, 'a');
  const one = network.at(1);
  one.node.readIndex(bytesOf('early'));
  const [heartbeat] = one.drain().filter((m) => m.to === 2n);
  one.node.readIndex(bytesOf('late'));
  one.drain();
  const context = heartbeat?.context ?? new Uint8Array(0);
  one.node.step(makeMessage(MessageType.HeartbeatResp, 1n, { from: 2n, term: 1, context }));
  one.drain();
  test.same(one.reads, [{ index: one.commit, requestCtx: bytesOf('early') }]);
  test.end();
});

t.test('§6.4: a follower asks the leader, and waits for what it applied', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.passes = (m) => m.to !== 3n || m.type !== MessageType.App;
  network.propose(1, 'a');
  network.at(3).node.readIndex(bytesOf('r'));
  network.settle();
  const [read] = network.at(3).reads;
  test.equal(read?.index, network.at(1).commit);
  test.ok((read?.index ?? 0) > network.at(3).commit, 'the index is ahead of what it has');
  network.passes = () => true;
  network.tick(1, 1);
  network.settle();
  test.ok(network.at(3).commit >= (read?.index ?? Number.POSITIVE_INFINITY));
  test.same(network.at(3).texts, ['a']);
  test.end();
});

t.test('§6.4.1: with a lease reads need no round, and the lease ends in time', (test) => {
  const readOnlyOption = ReadOnlyOption.LeaseBased;
  const network = new Network(3, { checkQuorum: true, readOnlyOption });
  network.elect(1);
  network.propose(1, 'a');
  const one = network.at(1);
  one.node.readIndex(bytesOf('r1'));
  test.same(one.drain(), [], 'nobody is asked');
  test.equal(one.reads.length, 1);
  // Cut off: nobody else can be elected while the lease of the others runs.
  network.isolate(1);
  network.tick(2, 9);
  network.at(3).node.campaign();
  network.settle();
  test.notOk(network.at(3).leads, 'the others are within their lease');
  network.tick(1, 10);
  network.settle();
  network.tick(1, 10);
  network.settle();
  test.notOk(one.leads, 'it steps down when it heard of nobody for an election timeout');
  one.node.readIndex(bytesOf('r2'));
  test.same(one.drain(), []);
  test.equal(one.reads.length, 1, 'without a lease it answers none');
  test.end();
});

t.test('§6.4.1: leases need check-quorum', (test) => {
  const readOnlyOption = ReadOnlyOption.LeaseBased;
  test.throws(() => new Network(3, { readOnlyOption }), /CheckQuorum must be enabled/);
  test.end();
});

t.test('§8: a leader starts its term with an entry of its own', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.isolate(1, 2);
  network.propose(1, 'a');
  const { commit } = network.at(1);
  // 2 has the entry, and need not know that it is committed.
  const { term, vote } = network.at(2).storage.initialState().hardState;
  network.at(2).storage.setHardState({ term, vote, commit: 1 });
  network.at(2).restart();
  network.isolate(1);
  network.elect(2);
  test.ok(network.at(2).leads);
  test.equal(network.at(2).commit, commit + 1, 'which commits what was there before');
  test.same(network.at(2).texts, ['a']);
  test.same(network.at(3).texts, ['a']);
  test.end();
});
