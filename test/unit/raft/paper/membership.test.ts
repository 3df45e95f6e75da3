// The sections of Raft's dissertation about changes of the membership: one server at a time (§4.1),
// catching up as a learner (§4.2.1), removing the leader (§4.2.2), servers that disturb (§4.2.3),
// arbitrary changes by joint consensus (§4.3).

import t from 'tap';
import type { ConfChangeSingle } from '../../../../src/raft/index.js';
import { ConfChangeTransition, ConfChangeType, MessageType } from '../../../../src/raft/index.js';
import { Network } from '../../../support/raft/cluster/network.js';

function voters(network: Network, id: number): bigint[] {
  return [...network.at(id).node.raft.tracker.confState().voters];
}

function change(network: Network, leader: number, type: ConfChangeType, nodeId: bigint): void {
  network.at(leader).node.proposeConfChange({ id: 0n, type, nodeId, context: null });
}

function settleAndTick(network: Network, leader: number): void {
  network.settle();
  network.tick(leader, 1);
  network.settle();
}

t.test('§4.1: one server at a time; a second change waits for the first', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.addEmpty(4);
  network.isolate(1);
  change(network, 1, ConfChangeType.AddNode, 4n);
  network.settle();
  change(network, 1, ConfChangeType.RemoveNode, 3n);
  network.settle();
  test.match(network.at(1).logger.lines.at(-1), /ignoring conf change .*possible unapplied/);
  network.isolate();
  settleAndTick(network, 1);
  test.same(voters(network, 1), [1n, 2n, 3n, 4n], 'the second one became an empty entry');
  test.same(voters(network, 2), [1n, 2n, 3n, 4n]);
  test.end();
});

t.test('§4.1: old and new majorities overlap, so two leaders of a term cannot be', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.addEmpty(4);
  // Only 1 and 4 know of the change: not committed, so 2 and 3 still form the old majority.
  network.passes = (m) => m.from !== 1n && m.to !== 1n;
  change(network, 1, ConfChangeType.AddNode, 4n);
  network.settle();
  network.elect(2);
  test.ok(network.at(2).leads);
  test.same(voters(network, 1), [1n, 2n, 3n], 'not before it is committed');
  network.isolate();
  settleAndTick(network, 2);
  test.notOk(network.at(1).leads);
  test.same(voters(network, 1), [1n, 2n, 3n], 'and it never was');
  test.end();
});

t.test('§4.2.1: a new server catches up without a vote, then gets one', (test) => {
  const network = new Network(1);
  network.elect(1);
  for (let i = 0; i < 20; i += 1) network.propose(1, `${i}`);
  const two = network.addEmpty(2);
  change(network, 1, ConfChangeType.AddLearnerNode, 2n);
  network.isolate(2);
  network.settle();
  const { commit } = network.at(1);
  network.propose(1, 'alone');
  test.equal(network.at(1).commit, commit + 1, 'it does not count while it has nothing');
  network.isolate();
  settleAndTick(network, 1);
  settleAndTick(network, 1);
  test.equal(two.commit, network.at(1).commit);
  test.ok(two.node.raft.isLearner);
  change(network, 1, ConfChangeType.AddNode, 2n);
  settleAndTick(network, 1);
  test.notOk(two.node.raft.isLearner);
  network.isolate(2);
  network.propose(1, 'waits');
  test.ok(network.at(1).commit < network.at(1).storage.lastIndex(), 'now it counts');
  test.end();
});

t.test('§4.2.2: a removed leader commits its removal with the others, then steps down', (test) => {
  const network = new Network(3, { stepDownOnRemoval: true });
  network.elect(1);
  const before = network.at(1).commit;
  network.isolate(1, 2);
  change(network, 1, ConfChangeType.RemoveNode, 1n);
  network.settle();
  test.ok(network.at(1).commit > before, 'under the configuration of before: two of three');
  test.notOk(network.at(1).leads);
  test.same(voters(network, 2), [2n, 3n]);
  network.tick(1, 50);
  test.same(network.at(1).drain(), [], 'it asks for no votes');
  network.isolate(1);
  network.elect(2);
  test.ok(network.at(2).leads);
  network.propose(2, 'without it');
  test.same(network.at(3).texts, ['without it']);
  test.same(network.at(1).texts, []);
  test.end();
});

t.test('§4.2.3: a removed server that does not know cannot disturb', (test) => {
  const network = new Network(4, { checkQuorum: true, preVote: true });
  network.elect(1);
  network.isolate(4);
  change(network, 1, ConfChangeType.RemoveNode, 4n);
  network.settle();
  test.same(voters(network, 1), [1n, 2n, 3n]);
  network.isolate();
  for (let round = 0; round < 50; round += 1) {
    network.tick(4, 1);
    network.tick(1, 1);
    network.settle();
  }
  test.ok(network.at(1).leads);
  test.equal(network.at(1).term, 1);
  test.equal(network.at(4).term, 1, 'nor does it raise its own term');
  test.end();
});

const swap: readonly ConfChangeSingle[] = [
  { type: ConfChangeType.RemoveNode, nodeId: 1n },
  { type: ConfChangeType.RemoveNode, nodeId: 2n },
  { type: ConfChangeType.AddNode, nodeId: 4n },
  { type: ConfChangeType.AddNode, nodeId: 5n },
];

/** Three voters of which two are to be replaced, with the joint configuration committed. */
function jointNetwork(transition: ConfChangeTransition): Network {
  const network = new Network(3);
  network.elect(3);
  network.addEmpty(4);
  network.addEmpty(5);
  network.at(3).node.proposeConfChange({ transition, changes: swap, context: null });
  settleAndTick(network, 3);
  settleAndTick(network, 3);
  return network;
}

t.test('§4.3: elections need both majorities while the configuration is joint', (test) => {
  const network = jointNetwork(ConfChangeTransition.JointExplicit);
  const leave = { transition: ConfChangeTransition.Auto, changes: [], context: null };
  test.same(voters(network, 3), [3n, 4n, 5n]);
  // 4 and 5 are a majority of the new servers, but none of the old ones hears of them.
  const reaches = (ids: bigint[]): void => {
    network.passes = (m) => ids.includes(m.from) && ids.includes(m.to);
  };
  reaches([4n, 5n]);
  network.elect(4);
  test.notOk(network.at(4).leads, 'only the new majority');
  reaches([1n, 2n]);
  network.elect(1);
  test.notOk(network.at(1).leads, 'only the old majority');
  reaches([1n, 2n, 4n, 5n]);
  network.elect(4);
  network.elect(4);
  test.ok(network.at(4).leads, 'both, without the old leader');
  network.passes = () => true;
  settleAndTick(network, 4);
  network.at(4).node.proposeConfChange(leave);
  settleAndTick(network, 4);
  for (const id of [3, 4, 5]) test.same(voters(network, id), [3n, 4n, 5n], `replica ${id}`);
  reaches([3n, 4n]);
  network.propose(4, 'by the new majority');
  test.same(network.at(3).texts, ['by the new majority']);
  test.end();
});

t.test('§4.3: a change that shall leave by itself does', (test) => {
  const network = jointNetwork(ConfChangeTransition.JointImplicit);
  const state = network.at(3).node.raft.tracker.confState();
  test.same(state.voters, [3n, 4n, 5n]);
  test.same(state.votersOutgoing, []);
  const types = network.at(3).applied.map((entry) => entry.type);
  test.same(
    types.filter((type) => type !== 0),
    [2, 2],
    'one entry into it and one out of it',
  );
  network.passes = (m) => m.type !== MessageType.Vote || m.to !== 1n;
  network.elect(1);
  test.notOk(network.at(1).leads, 'who was removed cannot win');
  test.end();
});
