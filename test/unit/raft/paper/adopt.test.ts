// Entries that storage appends by itself in the name of a leader that is the whole cluster: they
// are committed when they are durable, and taken over from nobody else.

import t from 'tap';
import { RaftAssertionError } from '../../../../src/raft/base/assert.js';
import {
  type Entry,
  MemoryStorage,
  MessageType,
  makeEntry,
  makeMessage,
  RawNode,
} from '../../../../src/raft/index.js';
import { bytesOf, TextLogger } from '../../../support/raft/cluster/network.js';

function nodeOver(storage: MemoryStorage): RawNode {
  return new RawNode({
    id: 1n,
    electionTick: 10,
    heartbeatTick: 1,
    storage,
    asyncStorageWrites: true,
    maxSizePerMsg: 1 << 20,
    maxInflightMsgs: 256,
    logger: new TextLogger(),
    random: () => 0,
  });
}

/** A leader in term 2 of a cluster of these, the first of which it is; all handed out is done. */
function leader(others: readonly bigint[] = []) {
  const storage = new MemoryStorage(new TextLogger());
  const node = nodeOver(storage);
  node.bootstrap([1n, ...others].map((id) => ({ id, context: null })));
  const applied: number[] = [];
  const settle = () => {
    while (node.hasReady()) {
      for (const message of node.ready().messages) {
        if (message.type === MessageType.StorageAppend) {
          storage.append(message.entries);
        }
        if (message.type === MessageType.StorageApply) {
          applied.push(...message.entries.map(({ index }) => index));
        }
        for (const response of message.responses.filter(({ to }) => to === 1n)) {
          node.step(response);
        }
      }
    }
  };
  settle();
  node.campaign();
  settle();
  for (const id of others) {
    node.step(makeMessage(MessageType.VoteResp, 1n, { from: id, term: 2 }));
    settle();
    node.step(makeMessage(MessageType.AppResp, 1n, { from: id, term: 2, index: node.lastIndex }));
  }
  settle();
  applied.length = 0;
  const given = (first: number, count: number, term = 2): Entry[] =>
    Array.from({ length: count }, (_, i) => makeEntry(0, term, first + i, bytesOf(`${first + i}`)));
  return { node, storage, settle, applied, given };
}

t.test('they are committed when they are durable, and applied unasked', (test) => {
  const { node, storage, settle, applied, given } = leader();
  const before = node.lastIndex;
  const progress = () => [node.basicStatus().hardState.commit, node.basicStatus().applied];
  test.ok(node.isAlone && node.isHandedOut);
  storage.append(given(before + 1, 2));
  node.adopt(2, before + 1, 2);
  storage.append(given(before + 3, 1));
  node.adopt(2, before + 3, 1);
  test.equal(node.lastIndex, before + 3);
  test.notOk(node.hasReady(), 'nothing is to be written, and nothing is committed');
  node.adoptedApplied(before + 3);
  test.same(progress(), [before, before], 'nothing is applied before it is committed');
  node.adopted(2, before + 2);
  settle();
  test.same(progress(), [before + 2, before]);
  node.adoptedApplied(before + 1);
  test.same(progress(), [before + 2, before + 1]);
  node.adopted(2, before + 3);
  node.adoptedApplied(before + 3);
  node.adoptedApplied(before + 2);
  settle();
  test.same(progress(), [before + 3, before + 3]);
  test.same(applied, [], 'none of it is handed out');
  node.propose([bytesOf('own')]);
  settle();
  test.same(progress(), [before + 4, before + 4], 'own entries go behind them');
  test.same(applied, [before + 4]);
  test.end();
});

t.test('own entries that are being written go before, and are reported as ever', (test) => {
  for (const isFirst of [true, false]) {
    const { node, storage, settle, applied, given } = leader();
    const before = node.lastIndex;
    node.propose([bytesOf('own')]);
    test.notOk(node.isHandedOut);
    const [append] = node.ready().messages;
    storage.append(append?.entries ?? []);
    test.ok(node.isHandedOut);
    storage.append(given(before + 2, 2));
    node.adopt(2, before + 2, 2);
    if (isFirst) {
      // Both are heard of at once: what is handed out is all that is committed.
      node.adopted(2, before + 3);
    }
    for (const response of append?.responses ?? []) {
      node.step(response);
    }
    node.adoptedApplied(before + 3);
    test.equal(node.basicStatus().applied, before, 'the own one is reported first');
    settle();
    const handedOut = [before + 1, before + 2, before + 3];
    test.same(applied, isFirst ? handedOut : [before + 1]);
    node.adopted(2, before + 3);
    node.adoptedApplied(before + 3);
    settle();
    test.same(applied, isFirst ? handedOut : [before + 1]);
    test.equal(node.basicStatus().applied, before + 3);
  }
  test.end();
});

t.test('the word of an earlier term has no effect', (test) => {
  const { node, storage, settle, applied, given } = leader();
  const next = node.lastIndex + 1;
  storage.append(given(next, 1));
  node.adopt(2, next, 1);
  node.step(makeMessage(MessageType.Heartbeat, 1n, { from: 9n, term: 7 }));
  node.adopted(2, next);
  settle();
  test.same(applied, []);
  test.equal(node.basicStatus().hardState.commit, next - 1, 'who leads now says what is committed');
  storage.append(given(next + 1, 1));
  test.throws(() => node.adopt(2, next + 1, 1), RaftAssertionError, 'no leader');
  test.end();
});

t.test('nothing else is taken over', (test) => {
  const { node, storage, given } = leader();
  const next = node.lastIndex + 1;
  const refused = (term: number, first: number, count: number, why: string) => {
    test.throws(() => node.adopt(term, first, count), RaftAssertionError, why);
  };
  refused(2, next, 0, 'no entries');
  refused(2, next, 1, 'storage does not have it');
  storage.append(given(next, 2));
  refused(2, next, 1, 'storage has more');
  refused(1, next, 2, 'of another term');
  refused(2, next + 1, 1, 'a gap');
  node.adopt(2, next, 2);
  test.equal(node.lastIndex, next + 1);
  storage.append(given(next + 2, 1, 1));
  refused(2, next + 2, 1, 'storage says of another term');
  const own = leader();
  own.node.propose([bytesOf('own')]);
  own.storage.append(own.given(own.node.lastIndex, 2));
  test.throws(
    () => own.node.adopt(2, own.node.lastIndex + 1, 1),
    RaftAssertionError,
    'own entries have not been handed out',
  );
  const three = leader([2n, 3n]);
  test.notOk(three.node.isAlone);
  three.storage.append(three.given(three.node.lastIndex + 1, 1));
  test.throws(
    () => three.node.adopt(2, three.node.lastIndex + 1, 1),
    RaftAssertionError,
    'others have to agree',
  );
  test.end();
});

t.test('a change of the membership ends being alone before it is applied', (test) => {
  const { node } = leader();
  node.proposeConfChange({ id: 1n, type: 2, nodeId: 5n, context: null });
  test.notOk(node.isAlone);
  test.end();
});

// Found by the simulation, seed 6 of a sole member.
t.test('a sole voter reads only what its term has committed', (test) => {
  const storage = new MemoryStorage(new TextLogger());
  const confState = { voters: [1n], learners: [], votersOutgoing: [], learnersNext: [] };
  const metadata = { confState: { ...confState, autoLeave: false }, index: 5, term: 2 };
  storage.applySnapshot({ data: null, metadata });
  storage.append([makeEntry(0, 2, 6, bytesOf('told of, and not in the hard state'))]);
  storage.setHardState({ term: 2, vote: 1n, commit: 5 });
  const node = nodeOver(storage);
  node.campaign();
  const reads: number[] = [];
  let asked = false;
  for (let i = 0; i < 20 && node.hasReady(); i++) {
    const ready = node.ready();
    reads.push(...ready.readStates.map(({ index }) => index));
    for (const message of ready.messages) {
      if (message.type === MessageType.StorageAppend) {
        storage.append(message.entries);
        if (message.entries.length > 0 && !asked) {
          asked = true;
          node.readIndex(bytesOf('now'));
          test.equal(node.raft.readStates.length, 0, 'it leads, and has committed nothing yet');
        }
      }
      for (const response of message.responses) {
        node.step(response);
      }
    }
  }
  test.ok(asked);
  test.same(reads, [7], 'the entry that begins its term');
  test.end();
});
