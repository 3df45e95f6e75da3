// The sections of the Raft paper and dissertation about elections: §5.1 terms, §5.2 leader
// election, §5.4.1 election restriction, §6 disruptive servers, §9.6 pre-vote of the dissertation,
// §3.10 leadership transfer of the dissertation.

import t from 'tap';
import type { Message } from '../../../../src/raft/index.js';
import { MessageType, makeEntry, makeMessage, StateType } from '../../../../src/raft/index.js';
import { Network } from '../../../support/raft/cluster/network.js';
import { seeded } from '../../../support/raft/cluster/prng.js';

t.test('§5.1: every role follows a higher term', (test) => {
  const roles: ((network: Network) => void)[] = [
    () => {},
    (network) => network.at(1).node.campaign(),
    (network) => network.elect(1),
  ];
  for (const role of roles) {
    const network = new Network(3);
    role(network);
    const { node } = network.at(1);
    node.step(makeMessage(MessageType.App, 1n, { from: 2n, term: 7 }));
    const { softState, hardState } = node.basicStatus();
    test.same(softState, { lead: 2n, raftState: StateType.Follower });
    test.same([hardState.term, hardState.vote], [7, 0n], 'the vote is of the new term');
  }
  test.end();
});

t.test('§5.1: requests of an old term are refused', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.elect(2);
  const { node } = network.at(3);
  const before = node.basicStatus();
  node.step(makeMessage(MessageType.App, 3n, { from: 1n, term: 1, index: 1, logTerm: 1 }));
  test.same(node.basicStatus(), before);
  test.end();
});

t.test('§5.2: a follower without a leader starts an election, and wins with a majority', (test) => {
  for (const size of [1, 3, 5]) {
    const network = new Network(size);
    network.tick(1, 9);
    network.settle();
    test.notOk(network.at(1).leads, 'not before its timeout');
    network.tick(1, 1);
    network.settle();
    test.ok(network.at(1).leads, `${size} replicas`);
    test.equal(network.at(1).term, 1);
  }
  const minority = new Network(5);
  minority.isolate(1, 2);
  minority.elect(1);
  test.notOk(minority.at(1).leads, 'two of five are not enough');
  test.end();
});

t.test('§5.2: a replica votes once per term, for who asks first', (test) => {
  const network = new Network(3);
  const { node } = network.at(3);
  const ask = (from: bigint): void =>
    node.step(makeMessage(MessageType.Vote, 3n, { from, term: 1, index: 1, logTerm: 1 }));
  ask(1n);
  ask(2n);
  ask(1n);
  const answers = network
    .at(3)
    .drain()
    .filter((m) => m.type === MessageType.VoteResp);
  test.same(
    answers.map((m) => [m.to, m.reject]),
    [
      [1n, false],
      [2n, true],
      [1n, false],
    ],
  );
  network.at(3).restart();
  network.at(3).node.step(makeMessage(MessageType.Vote, 3n, { from: 2n, term: 1, index: 9 }));
  test.ok(network.at(3).drain()[0]?.reject, 'also after a restart');
  test.end();
});

t.test('§5.2: heartbeats keep elections away', (test) => {
  const network = new Network(3);
  network.elect(1);
  for (let i = 0; i < 50; i++) {
    for (const id of [1, 2, 3]) {
      network.tick(id, 1);
    }
    network.settle();
  }
  test.ok(network.at(1).leads);
  test.equal(network.at(2).term, 1);
  test.end();
});

t.test('§5.2: timeouts are spread over one election timeout', (test) => {
  const network = new Network(1, { random: seeded(4) });
  const seen = new Set<number>();
  for (let i = 0; i < 500; i++) {
    network.at(1).node.raft.becomeFollower(i + 1, 0n);
    seen.add(network.at(1).node.raft.randomizedElectionTimeout);
  }
  test.same(
    [...seen].sort((a, b) => a - b),
    [10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
  );
  test.end();
});

t.test('§5.4.1: who lacks committed entries is not elected', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.isolate(3);
  network.propose(1, 'committed');
  network.isolate();
  network.isolate(1);
  network.elect(3);
  test.notOk(network.at(3).leads, 'its log is behind');
  network.elect(2);
  test.ok(network.at(2).leads);
  test.same(network.at(3).texts, ['committed']);
  test.end();
});

t.test('§6: with check-quorum a replica that was away does not depose the leader', (test) => {
  const network = new Network(3, { checkQuorum: true });
  network.elect(1);
  network.isolate(3);
  network.elect(3);
  network.elect(3);
  network.isolate();
  network.passes = (m) => m.type === MessageType.Vote || m.from !== 3n;
  network.elect(3);
  test.ok(network.at(1).leads, 'its requests are not even considered');
  test.equal(network.at(1).term, 1);
  network.passes = () => true;
  network.tick(1, 1);
  network.settle();
  test.ok(network.at(1).term > 1, 'it is freed by an answer with its term');
  test.end();
});

t.test('§6: a leader without a quorum steps down', (test) => {
  const network = new Network(3, { checkQuorum: true });
  network.elect(1);
  network.isolate(1);
  network.tick(1, 10);
  network.settle();
  test.ok(network.at(1).leads, 'a quorum was heard of in the first period');
  network.tick(1, 10);
  network.settle();
  test.notOk(network.at(1).leads);
  test.end();
});

t.test('dissertation §9.6: a lost pre-vote changes no term', (test) => {
  const network = new Network(3, { preVote: true });
  network.elect(1);
  network.isolate(3);
  network.propose(1, 'a');
  for (let i = 0; i < 5; i++) {
    network.elect(3);
  }
  test.equal(network.at(3).term, 1);
  network.isolate();
  network.elect(3);
  test.equal(network.at(3).term, 1);
  test.ok(network.at(1).leads);
  network.tick(1, 1);
  network.settle();
  network.elect(2);
  test.ok(network.at(2).leads, 'a won one leads to an election');
  test.equal(network.at(2).term, 2);
  test.end();
});

t.test('dissertation §3.10: leadership goes to whom the leader chooses', (test) => {
  const network = new Network(3, { checkQuorum: true, preVote: true });
  network.elect(1);
  network.isolate(3);
  network.propose(1, 'a', 'b');
  network.isolate();
  network.at(1).node.transferLeader(3n);
  test.throws(() => network.at(1).node.propose([new Uint8Array(1)]), { code: 'proposal-dropped' });
  test.equal(network.at(1).node.basicStatus().leadTransferee, 3n);
  network.tick(1, 1);
  network.settle();
  network.tick(1, 1);
  network.settle();
  test.ok(network.at(3).leads, 'after it has caught up, and in spite of the leases');
  test.same(network.at(3).texts, ['a', 'b']);
  test.end();
});

t.test('dissertation §3.10: a learner cannot be chosen, nor start an election', (test) => {
  const network = new Network(2);
  network.elect(1);
  network.at(1).node.proposeConfChange({ id: 1n, type: 3, nodeId: 3n, context: null });
  const learner = network.addEmpty(3);
  network.settle();
  network.tick(1, 1);
  network.settle();
  test.ok(learner.node.raft.isLearner);
  learner.node.campaign();
  network.at(1).node.transferLeader(3n);
  network.tick(3, 30);
  network.settle();
  test.ok(network.at(1).leads);
  const votes: Message[] = [];
  learner.node.step(
    makeMessage(MessageType.Vote, 3n, { from: 2n, term: 9, index: 99, logTerm: 8 }),
  );
  votes.push(...learner.drain());
  test.notOk(votes[0]?.reject, 'but it votes, since it may not know that it is a voter by now');
  test.end();
});

t.test('a replica does not campaign with a membership change to apply', (test) => {
  const network = new Network(1);
  const one = network.at(1);
  network.elect(1);
  const change = makeEntry(1, 1, one.storage.lastIndex() + 1, Uint8Array.of(0x10, 0, 0x18, 2));
  one.storage.append([change]);
  one.storage.setHardState({ term: 1, vote: 1n, commit: change.index });
  one.restart();
  one.node.campaign();
  test.equal(one.node.basicStatus().softState.raftState, StateType.Follower);
  test.match(one.logger.lines.at(-1), /still pending configuration changes to apply$/);
  test.end();
});
