// Tests of src/server/replica/outgoing.ts: entries leave as bytes, in order per member, and never
// under a term that is over.

import t from 'tap';

import { createLogger } from '../../../../src/base/log/logger.js';
import {
  EntryType,
  type Message,
  MessageType,
  makeEntry,
  makeMessage,
} from '../../../../src/raft/index.js';
import { HeartbeatWatch } from '../../../../src/server/election/heartbeat-watch.js';
import { Outgoing } from '../../../../src/server/replica/outgoing.js';
import { NativePayload } from '../../../../src/storage/entry-run.js';

const log = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);

function append(to: bigint, first: number, count: number, term = 2): Message {
  const entries = Array.from({ length: count }, (_, i) =>
    makeEntry(EntryType.Normal, term, first + i, new NativePayload(1)),
  );
  return makeMessage(MessageType.App, to, { from: 1n, term, index: first - 1, entries });
}

function made() {
  const sent: string[] = [];
  const state = { term: 2, cachedFrom: 0, copies: 0, nowMs: 1000 };
  const reads: { resolve: (run: Buffer) => void; reject: (error: Error) => void }[] = [];
  const outgoing = new Outgoing({
    self: 1n,
    core: {
      cachedEntries: (from, to) => {
        if (from < state.cachedFrom) {
          return null;
        }
        state.copies++;
        return Buffer.from(`${from}-${to}`);
      },
    },
    peers: {
      send: (message, run) =>
        sent.push(`${message.to}: ${message.type} ${run === null ? '-' : Buffer.from(run)}`),
      sendSnapshot: (message) => sent.push(`${message.to}: snapshot`),
    },
    readEntries: () =>
      new Promise((resolve, reject) => {
        reads.push({ resolve, reject });
      }),
    log,
    term: () => state.term,
    heartbeats: new HeartbeatWatch(log, () => 0, 100),
    lost: (to) => sent.push(`${to}: lost`),
    nowMs: () => state.nowMs,
  });
  return { sent, state, reads, outgoing };
}

t.test('the same entries for several members are copied once', async (t) => {
  const { sent, state, outgoing } = made();
  const beat = makeMessage(MessageType.Heartbeat, 2n, { from: 1n, term: 2 });
  const snapshot = makeMessage(MessageType.Snap, 3n, { from: 1n, term: 2 });
  outgoing.send([append(2n, 5, 3), append(3n, 5, 3), beat, append(2n, 8, 0), snapshot]);
  t.same(sent, ['2: 3 5-7', '3: 3 5-7', '2: 8 -', '2: 3 -', '3: snapshot']);
  t.equal(state.copies, 1);
});

t.test('entries on disk hold up that member alone', async (t) => {
  const { sent, state, reads, outgoing } = made();
  state.cachedFrom = 10;
  outgoing.send([append(2n, 5, 1), append(2n, 20, 2), append(3n, 20, 2)]);
  t.same(sent, ['3: 3 20-21']);
  reads[0]?.resolve(Buffer.from('five'));
  await new Promise(setImmediate);
  t.equal(sent.at(-1), '2: 3 five');
  reads[1]?.resolve(Buffer.from('twenty'));
  await new Promise(setImmediate);
  t.equal(sent.at(-1), '2: 3 twenty', 'in order');
  outgoing.send([append(2n, 22, 1)]);
  t.equal(sent.at(-1), '2: 3 22-22', 'from memory again');
});

t.test('entries that have gone meanwhile are a lost message', async (t) => {
  const { sent, state, reads, outgoing } = made();
  state.cachedFrom = 10;
  outgoing.send([append(2n, 5, 1)]);
  reads[0]?.reject(new Error('compacted'));
  await new Promise(setImmediate);
  t.same(sent, ['2: lost']);
});

t.test('a term that is over sends no entries: others may stand in their place', async (t) => {
  const { sent, state, reads, outgoing } = made();
  outgoing.send([append(2n, 5, 1, 1)]);
  t.same(sent, []);
  state.cachedFrom = 10;
  outgoing.send([append(2n, 5, 1)]);
  state.term = 3;
  reads[0]?.resolve(Buffer.from('late'));
  await new Promise(setImmediate);
  t.same(sent, []);
});

t.test('what another member forwarded here is not forwarded again', async (t) => {
  const { sent, outgoing } = made();
  const context = new Uint8Array(8);
  const entries = [makeEntry(EntryType.Normal, 0, 0, context)];
  outgoing.send([
    makeMessage(MessageType.ReadIndex, 2n, { from: 2n, entries }),
    makeMessage(MessageType.Prop, 3n, { from: 2n, entries }),
    makeMessage(MessageType.ReadIndex, 3n, { from: 1n, entries }),
    makeMessage(MessageType.TransferLeader, 3n, { from: 2n, term: 2 }),
  ]);
  t.same(sent, [`3: ${MessageType.ReadIndex} -`, `3: ${MessageType.TransferLeader} -`]);
});

t.test('a commit index leaves with the entries of the same turn', async (t) => {
  const { sent, outgoing } = made();
  const empty = { ...append(2n, 5, 0), commit: 4 };
  const full = { ...append(2n, 5, 2), commit: 4 };
  outgoing.send([empty, full]);
  t.same(sent.splice(0), ['2: 3 5-6'], 'the second says all that the first one does');
  const others = [
    { ...full, to: 3n },
    { ...append(2n, 6, 1), commit: 4 },
    { ...full, commit: 3 },
    { ...full, logTerm: 1 },
  ];
  for (const other of others) {
    outgoing.send([empty, other]);
    t.equal(sent.splice(0).length, 2, 'it is about something else');
  }
  outgoing.send([full, empty]);
  t.equal(sent.length, 2, 'what comes later is news');
});

t.test('a leader is not told twice at once what it knows', async (t) => {
  const { sent, state, outgoing } = made();
  const answer = (index: number, to = 2n, term = 2, reject = false) =>
    makeMessage(MessageType.AppResp, to, { from: 1n, term, index, reject });
  outgoing.send([answer(4), answer(5), answer(6, 3n), answer(6)]);
  t.same(sent.splice(0), ['3: 4 -', '2: 4 -'], 'the newest one says it all');
  outgoing.send([answer(6)]);
  t.same(sent.splice(0), []);
  for (const news of [answer(7), answer(6), answer(6, 2n, 3), answer(6, 2n, 3, true)]) {
    outgoing.send([news]);
    t.equal(sent.splice(0).length, 1, 'another index, term, or answer');
  }
  outgoing.send([answer(6, 2n, 3)]);
  t.equal(sent.splice(0).length, 1, 'a rejection lies between');
  state.nowMs += 49;
  outgoing.send([answer(6, 2n, 3)]);
  t.same(sent, []);
  state.nowMs += 1;
  outgoing.send([answer(6, 2n, 3)]);
  t.equal(sent.length, 1, 'the first one may be lost');
});
