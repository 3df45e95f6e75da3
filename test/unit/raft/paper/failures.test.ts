// The sections of the Raft paper and dissertation about what may fail: safety (§5.4.3), crashes of
// followers and candidates (§5.5), timing and availability (§5.6); of the dissertation persisted
// state (§3.8) and the leader's own write in parallel (§10.2.1).

import t from 'tap';
import type { Message } from '../../../../src/raft/index.js';
import {
  emptyConfState,
  isStorageThread,
  MemoryStorage,
  MessageType,
  makeMessage,
  RawNode,
} from '../../../../src/raft/index.js';
import { bytesOf, Network, TextLogger } from '../../../support/raft/cluster/network.js';

t.test('§5.4.3: what a leader committed is in the log of every later leader', (test) => {
  const network = new Network(5);
  network.elect(1);
  // Each leader commits with another majority, and the next one comes from outside of it.
  const majorities: [number, number[], number][] = [
    [1, [4, 5], 4],
    [2, [1, 4], 1],
    [3, [2, 5], 5],
  ];
  for (const [leader, away, late] of majorities) {
    network.isolate();
    network.elect(leader);
    test.ok(network.at(leader).leads, `${leader} has everything`);
    network.isolate(...away);
    network.propose(leader, `by ${leader}`);
    network.isolate();
    network.passes = (m) => m.type !== MessageType.App || m.from !== BigInt(leader);
    network.elect(late);
    test.notOk(network.at(late).leads, `${late} lacks what ${leader} committed`);
    network.passes = () => true;
  }
  network.elect(4);
  test.ok(network.at(4).leads);
  for (const id of [1, 2, 3, 4, 5]) {
    test.same(network.at(id).texts, ['by 1', 'by 2', 'by 3'], `replica ${id}`);
  }
  test.end();
});

t.test('§5.5: a follower that crashed is retried until it is back, and nothing is lost', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.propose(1, 'a');
  network.isolate(3);
  network.propose(1, 'b');
  network.at(3).restart();
  test.same(network.at(3).texts, [], 'what was applied is volatile here');
  network.propose(1, 'c');
  network.isolate();
  network.tick(1, 1);
  network.settle();
  test.same(network.at(3).texts, ['a', 'b', 'c']);
  test.equal(network.at(3).commit, network.at(1).commit);
  test.end();
});

t.test('§5.5: requests are idempotent: a follower that crashed may get one again', (test) => {
  const network = new Network(3);
  network.elect(1);
  const sent: Message[] = [];
  network.passes = (m) => {
    if (m.to === 2n) sent.push(m);
    return true;
  };
  network.propose(1, 'a');
  network.propose(1, 'b');
  const two = network.at(2);
  const before = two.storage.entries(2, two.storage.lastIndex() + 1, 1e9);
  two.restart();
  for (const m of [...sent, ...sent.reverse()]) {
    two.node.step(m);
    two.drain();
  }
  test.ok(sent.some((m) => m.type === MessageType.App && m.entries.length > 0));
  test.same(two.storage.entries(2, two.storage.lastIndex() + 1, 1e9), before);
  test.same(two.texts, ['a', 'b']);
  test.end();
});

t.test('§5.5: a candidate that crashed has kept its vote', (test) => {
  const network = new Network(3);
  const one = network.at(1);
  one.node.campaign();
  const requests = one.drain();
  test.equal(requests.length, 2);
  one.restart();
  test.equal(one.term, 1);
  one.node.step(makeMessage(MessageType.Vote, 1n, { from: 2n, term: 1, index: 9, logTerm: 1 }));
  test.ok(one.drain()[0]?.reject, 'it voted for itself in this term');
  test.end();
});

t.test('§5.6: as long as a majority can talk, it has a leader and goes on', (test) => {
  const network = new Network(5, { checkQuorum: true, preVote: true });
  const tickAll = (rounds: number): void => {
    for (let round = 0; round < rounds; round += 1) {
      // Replicas tick one after another, as clocks that are not in step would.
      for (const id of [5, 3, 1, 2, 4]) {
        network.tick(id, 1);
        network.settle();
      }
    }
  };
  const leaders = (): number[] => [1, 2, 3, 4, 5].filter((id) => network.at(id).leads);
  tickAll(30);
  const [first] = leaders();
  test.ok(first !== undefined);
  const cut = [first ?? 0, ((first ?? 0) % 5) + 1];
  network.isolate(...cut);
  tickAll(60);
  const rest = leaders();
  test.equal(rest.length, 1, 'the old one has stepped down, the majority has its own');
  test.notOk(cut.includes(rest[0] ?? 0));
  network.propose(rest[0] ?? 0, 'while two are away');
  test.same(network.at(rest[0] ?? 0).texts, ['while two are away']);
  // Of two and three no part is a majority of five when one of the three goes as well.
  network.passes = (m) => [m.from, m.to].every((id) => cut.includes(Number(id)));
  tickAll(60);
  test.same(leaders(), []);
  network.isolate();
  tickAll(60);
  test.equal(leaders().length, 1);
  for (const id of [1, 2, 3, 4, 5]) {
    test.same(network.at(id).texts, ['while two are away'], `replica ${id}`);
  }
  test.end();
});

t.test('dissertation §3.8: term, vote and log survive; the commit index need not', (test) => {
  const network = new Network(3);
  network.elect(1);
  network.propose(1, 'a');
  const three = network.at(3);
  const { term, vote } = three.storage.initialState().hardState;
  three.storage.setHardState({ term, vote, commit: 1 });
  three.restart();
  test.same([three.term, three.commit], [term, 1]);
  test.same(three.texts, []);
  network.tick(1, 1);
  network.settle();
  test.equal(three.commit, network.at(1).commit, 'the leader tells it again');
  test.same(three.texts, ['a']);
  test.end();
});

/** One voter of three whose writes take until the test says so. */
class SlowDisk {
  readonly storage = new MemoryStorage(new TextLogger());
  readonly node: RawNode;
  readonly sent: Message[] = [];
  #waiting: Message[] = [];

  constructor() {
    const confState = { ...emptyConfState, voters: [1n, 2n, 3n] };
    this.storage.applySnapshot({ data: null, metadata: { confState, index: 1, term: 1 } });
    this.node = new RawNode({
      ...{ id: 1n, electionTick: 10, heartbeatTick: 1, asyncStorageWrites: true },
      ...{ maxSizePerMsg: Number.POSITIVE_INFINITY, maxInflightMsgs: 256, random: () => 0 },
      ...{ storage: this.storage, logger: new TextLogger() },
    });
  }

  work(): void {
    while (this.node.hasReady()) {
      for (const m of this.node.ready().messages) {
        if (m.type === MessageType.StorageAppend) this.#waiting.push(m);
        else if (!isStorageThread(m.to)) this.sent.push(m);
        else for (const response of m.responses) this.node.step(response);
      }
    }
  }

  /** Everything that waits becomes durable. */
  sync(): void {
    for (const m of this.#waiting.splice(0)) {
      this.storage.append(m.entries);
      for (const response of m.responses) {
        if (response.to === 1n) this.node.step(response);
        else this.sent.push(response);
      }
    }
    this.work();
  }

  answer(from: bigint, type: MessageType, index = 0): void {
    const { term } = this.node.basicStatus().hardState;
    this.node.step(makeMessage(type, 1n, { from, term, index }));
    this.work();
  }
}

t.test('dissertation §10.2.1: the leader writes while the followers do', (test) => {
  const one = new SlowDisk();
  one.node.campaign();
  one.work();
  one.answer(2n, MessageType.VoteResp);
  test.same(one.node.basicStatus().softState.lead, 0n, 'its own vote counts when it is durable');
  one.sync();
  test.same(one.node.basicStatus().softState.lead, 1n);
  one.sync();
  for (const peer of [2n, 3n]) one.answer(peer, MessageType.AppResp, one.node.raft.log.lastIndex());
  one.sent.length = 0;
  one.node.propose([bytesOf('a')]);
  one.work();
  const appends = one.sent.filter((m) => m.type === MessageType.App && m.entries.length > 0);
  test.equal(appends.length, 2, 'sent before the own write is done');
  const last = one.node.raft.log.lastIndex();
  one.answer(2n, MessageType.AppResp, last);
  const commit = (): number => one.node.basicStatus().hardState.commit;
  test.ok(commit() < last, 'one follower is no majority: the own copy is not durable');
  one.answer(3n, MessageType.AppResp, last);
  test.equal(commit(), last, 'two followers are, whatever the own disk does');
  test.ok(one.storage.lastIndex() < last);
  one.sync();
  test.equal(commit(), last);
  test.end();
});
