// The sections of the Raft paper about the log and what rests on it: §5.3 replication, §5.4.2
// committing entries of earlier terms, §6 membership changes, §7 snapshots, §8 reads.

import t from 'tap';
import type { Message } from '../../../../src/raft/index.js';
import { emptyConfState, MessageType, makeEntry, makeMessage } from '../../../../src/raft/index.js';
import { bytesOf, Network, type Replica } from '../../../support/raft/cluster/network.js';

function leaderCommits(network: Network, id: number): number {
  return network.at(id).commit;
}

t.test('§5.3: an entry commits when a majority has it, and then everybody applies it', (test) => {
  const network = new Network(5);
  network.elect(1);
  const before = leaderCommits(network, 1);
  network.isolate(1, 2);
  network.propose(1, 'a');
  test.equal(leaderCommits(network, 1), before, 'two of five are not enough');
  network.isolate(4, 5);
  network.tick(1, 1);
  network.settle();
  test.equal(leaderCommits(network, 1), before + 1, 'three are');
  network.isolate();
  network.tick(1, 1);
  network.settle();
  for (const id of [1, 2, 3, 4, 5]) {
    test.same(network.at(id).texts, ['a'], `replica ${id}`);
  }
  test.end();
});

/** Gives a replica a log with these terms after the entry at index 1. */
function preset(replica: Replica, terms: readonly number[]): void {
  replica.storage.append(terms.map((term, i) => makeEntry(0, term, i + 2, bytesOf(`${term}`))));
  replica.storage.setHardState({ term: terms.at(-1) ?? 1, vote: 0n, commit: 1 });
  replica.restart();
}

t.test('§5.3, figure 7: followers with any log end up with the leader’s', (test) => {
  const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  const followers = [
    [1, 1, 1, 4, 4, 5, 5, 6, 6],
    [1, 1, 1, 4],
    [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    [1, 1, 1, 4, 4, 4, 4],
    [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  ];
  for (const [i, terms] of followers.entries()) {
    const network = new Network(3);
    preset(network.at(1), leader);
    preset(network.at(2), terms);
    // The third one's vote is what elects the first.
    network.passes = (m) => m.type !== MessageType.Vote || m.to === 3n;
    for (let round = 0; !network.at(1).leads && round < 10; round++) {
      network.elect(1);
    }
    network.passes = () => true;
    network.propose(1, 'end');
    const [one, two] = [network.at(1).storage, network.at(2).storage];
    test.equal(two.lastIndex(), one.lastIndex(), `follower ${i}`);
    const logs = [one, two].map((s) => s.entries(2, s.lastIndex() + 1, 1e9).map((e) => e.term));
    test.same(logs[1], logs[0], `follower ${i}`);
    test.equal(network.at(2).commit, network.at(1).commit);
  }
  test.end();
});

t.test('§5.3: whole terms are skipped when a follower’s log differs', (test) => {
  const network = new Network(3);
  preset(network.at(1), [1, ...new Array<number>(50).fill(3)]);
  preset(network.at(2), [1, ...new Array<number>(50).fill(2)]);
  network.elect(1);
  let rejections = 0;
  for (let round = 0; !network.at(1).leads && round < 5; round++) {
    network.elect(1);
  }
  network.passes = (m) => {
    rejections += m.type === MessageType.AppResp && m.reject && m.from === 2n ? 1 : 0;
    return true;
  };
  network.propose(1, 'x');
  test.ok(rejections <= 3, `${rejections} rejections for 50 differing entries`);
  test.equal(network.at(2).storage.lastIndex(), network.at(1).storage.lastIndex());
  test.end();
});

t.test('§5.4.2, figure 8: entries of earlier terms commit with one of this term', (test) => {
  const one = new Network(3).at(1);
  preset(one, [1]);
  one.node.campaign();
  one.drain();
  one.node.step(makeMessage(MessageType.VoteResp, 1n, { from: 2n, term: 2 }));
  one.drain();
  test.ok(one.leads, 'in term 2, with an entry of term 1 at index 2 and an own one at 3');
  const acknowledge = (from: bigint, index: number): void => {
    one.node.step(makeMessage(MessageType.AppResp, 1n, { from, term: 2, index }));
    one.drain();
  };
  acknowledge(2n, 2);
  acknowledge(3n, 2);
  test.equal(one.commit, 1, 'on all three, but not committed');
  acknowledge(2n, 3);
  test.equal(one.commit, 3, 'now both');
  test.same(one.texts, ['1']);
  test.end();
});

t.test('§6: a new member takes over the log and then counts', (test) => {
  const network = new Network(1);
  network.elect(1);
  network.propose(1, 'before');
  const two = network.addEmpty(2);
  network.at(1).node.proposeConfChange({ id: 1n, type: 0, nodeId: 2n, context: null });
  network.settle();
  network.tick(1, 1);
  network.settle();
  test.equal(two.commit, network.at(1).commit);
  network.isolate(2);
  const before = network.at(1).commit;
  network.propose(1, 'after');
  test.equal(network.at(1).commit, before, 'one of two is no majority');
  network.isolate();
  network.tick(1, 1);
  network.settle();
  test.same(two.texts, ['after']);
  test.end();
});

t.test('§6: a joint change needs both majorities', (test) => {
  const network = new Network(3);
  network.elect(1);
  const changes = [
    { type: 1, nodeId: 2n },
    { type: 1, nodeId: 3n },
    { type: 0, nodeId: 4n },
    { type: 0, nodeId: 5n },
  ] as const;
  network.at(1).node.proposeConfChange({ transition: 2, changes, context: null });
  network.settle();
  test.same(network.at(1).node.raft.tracker.confState(), {
    ...emptyConfState,
    voters: [1n, 4n, 5n],
    votersOutgoing: [1n, 2n, 3n],
  });
  const before = network.at(1).commit;
  network.propose(1, 'x');
  test.equal(network.at(1).commit, before, 'the old majority alone cannot commit');
  test.end();
});

t.test('§7: a follower that lags behind the log gets a snapshot', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.isolate(3);
  for (let i = 0; i < 10; i++) {
    network.propose(1, `${i}`);
  }
  const one = network.at(1);
  const confState = { ...emptyConfState, voters: [1n, 2n, 3n] };
  one.storage.createSnapshot(one.commit, confState, bytesOf('image'));
  one.storage.compact(one.commit);
  network.isolate();
  network.tick(1, 1);
  network.settle();
  const three = network.at(3);
  test.equal(three.commit, one.commit);
  test.equal(three.storage.snapshot().metadata.index, one.commit);
  test.same(three.texts, [], 'entries before the snapshot are not applied again');
  network.propose(1, 'next');
  test.same(three.texts, ['next']);
  three.restart();
  test.equal(three.node.basicStatus().applied, one.commit - 1, 'also after a restart');
  test.end();
});

t.test('§8: a read sees everything that was committed before it', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.propose(1, 'a');
  network.at(1).node.readIndex(bytesOf('r1'));
  network.at(2).node.readIndex(bytesOf('r2'));
  network.settle();
  const { commit } = network.at(1);
  test.same(network.at(1).reads, [{ index: commit, requestCtx: bytesOf('r1') }]);
  test.same(network.at(2).reads, [{ index: commit, requestCtx: bytesOf('r2') }]);
  test.end();
});

t.test('§8: a leader that was deposed without knowing answers no read', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.isolate(1);
  network.elect(2);
  network.propose(2, 'newer');
  test.ok(network.at(1).leads, 'it still believes to lead');
  network.at(1).node.readIndex(bytesOf('r'));
  network.tick(1, 3);
  network.settle();
  test.same(network.at(1).reads, []);
  network.isolate();
  network.tick(1, 1);
  network.settle();
  network.tick(2, 1);
  network.settle();
  test.same(network.at(1).reads, [], 'nor afterwards');
  test.same(network.at(1).texts, ['newer']);
  test.end();
});

function heartbeatAnswer(context: Uint8Array): Message {
  return makeMessage(MessageType.HeartbeatResp, 1n, { from: 2n, term: 1, context });
}

t.test('§8: contexts that were never sent confirm nothing', (test) => {
  const network = new Network(3);
  network.elect(1);
  const { node } = network.at(1);
  node.readIndex(bytesOf('r'));
  network.at(1).drain();
  const forged = [new Uint8Array(8).fill(255), bytesOf('other'), new Uint8Array(8)];
  for (const context of forged) {
    node.step(heartbeatAnswer(context));
  }
  test.same(network.at(1).drain().length + network.at(1).reads.length, 0);
  const right = new Uint8Array(8);
  right[0] = 1;
  node.step(heartbeatAnswer(right));
  network.at(1).drain();
  test.equal(network.at(1).reads.length, 1);
  test.end();
});
