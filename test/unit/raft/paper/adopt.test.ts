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

/** A leader in term 2 of a cluster of these, the first of which it is; all handed out is done. */
function leader(others: readonly bigint[] = []) {
  const storage = new MemoryStorage(new TextLogger());
  const node = new RawNode({
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

t.test('they are committed and handed out when they are durable', (test) => {
  const { node, storage, settle, applied, given } = leader();
  const before = node.lastIndex;
  test.ok(node.isAlone && node.isHandedOut);
  const entries = given(before + 1, 3);
  storage.append(entries);
  node.adopt(entries);
  test.equal(node.lastIndex, before + 3);
  test.notOk(node.hasReady(), 'nothing is to be written, and nothing is committed');
  node.adopted(2, before + 2);
  settle();
  test.same(applied, [before + 1, before + 2]);
  node.adopted(2, before + 3);
  settle();
  test.same(applied, [before + 1, before + 2, before + 3]);
  test.equal(node.basicStatus().hardState.commit, before + 3);
  test.equal(node.raft.uncommittedBytes, 0, 'what was added is taken off when it is applied');
  node.propose([bytesOf('own')]);
  settle();
  test.equal(node.lastIndex, before + 4, 'own entries go behind them');
  test.equal(applied.at(-1), before + 4);
  test.end();
});

t.test('own entries that are being written go before, and are reported as ever', (test) => {
  const { node, storage, settle, applied, given } = leader();
  const before = node.lastIndex;
  node.propose([bytesOf('own')]);
  test.notOk(node.isHandedOut);
  test.throws(() => node.adopt(given(before + 2, 1)), RaftAssertionError, 'it comes first');
  const [append] = node.ready().messages;
  storage.append(append?.entries ?? []);
  test.ok(node.isHandedOut);
  const entries = given(before + 2, 2);
  storage.append(entries);
  node.adopt(entries);
  for (const response of append?.responses ?? []) {
    node.step(response);
  }
  settle();
  test.same(applied, [before + 1], 'the own one alone is durable');
  node.adopted(2, before + 3);
  settle();
  test.same(applied, [before + 1, before + 2, before + 3]);
  test.end();
});

t.test('the word of an earlier term has no effect', (test) => {
  const { node, storage, settle, applied, given } = leader();
  const entries = given(node.lastIndex + 1, 1);
  storage.append(entries);
  node.adopt(entries);
  node.step(makeMessage(MessageType.Heartbeat, 1n, { from: 9n, term: 7 }));
  node.adopted(2, node.lastIndex);
  settle();
  test.same(applied, [], 'who leads now says what is committed');
  test.throws(() => node.adopt(given(node.lastIndex + 1, 1)), RaftAssertionError, 'no leader');
  test.end();
});

t.test('nothing else is taken over', (test) => {
  const { node, storage, given } = leader();
  const next = node.lastIndex + 1;
  const refused = (entries: Entry[], why: string) => {
    test.throws(() => node.adopt(entries), RaftAssertionError, why);
  };
  refused([], 'no entries');
  refused(given(next, 1), 'storage does not have it');
  storage.append(given(next, 2));
  refused(given(next, 1), 'storage has more');
  refused(given(next, 2, 1), 'of another term');
  refused(given(next + 1, 1), 'a gap');
  refused([makeEntry(1, 2, next, null), makeEntry(0, 2, next + 1, null)], 'a membership change');
  node.adopt(given(next, 2));
  test.equal(node.lastIndex, next + 1);
  const three = leader([2n, 3n]);
  test.notOk(three.node.isAlone);
  const entries = three.given(three.node.lastIndex + 1, 1);
  three.storage.append(entries);
  test.throws(() => three.node.adopt(entries), RaftAssertionError, 'others have to agree');
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
  const node = new RawNode({
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
