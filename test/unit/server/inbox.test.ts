// Tests of src/server/replica/inbox.ts: changes of the membership wait for the one before, nothing
// else does.

import t from 'tap';

import {
  EntryType,
  type Message,
  MessageType,
  makeEntry,
  makeMessage,
  type RawNode,
  StateType,
} from '../../../src/raft/index.js';
import { Inbox } from '../../../src/server/replica/inbox.js';

function made() {
  const raft = { state: StateType.Leader as number, pendingConfIndex: 5, log: { applied: 5 } };
  return { raft, inbox: new Inbox(raft as unknown as RawNode['raft']) };
}

function change(from: bigint): Message {
  const entries = [makeEntry(EntryType.ConfChange, 0, 0, null)];
  return makeMessage(MessageType.Prop, 0n, { from, entries });
}

const beat = makeMessage(MessageType.Heartbeat, 0n, { from: 9n });

function push(inbox: Inbox, ...messages: readonly Message[]): void {
  for (const message of messages) inbox.push({ message, importId: 0 });
}

const senders = (inbox: Inbox) => inbox.take().map(({ message }) => message.from);

t.test('a leader takes one change at a time', async (t) => {
  const { raft, inbox } = made();
  push(inbox, change(1n), beat, change(2n), change(3n));
  t.same(senders(inbox), [1n, 9n], 'what is no change goes at once');
  raft.pendingConfIndex = 6;
  t.equal(inbox.isChanging, true);
  push(inbox, beat);
  t.same(senders(inbox), [9n]);
  raft.log.applied = 6;
  t.same(senders(inbox), [2n]);
  raft.pendingConfIndex = 7;
  t.same(senders(inbox), []);
  raft.log.applied = 7;
  t.same(senders(inbox), [3n]);
  t.same(senders(inbox), []);
});

t.test('whoever does not lead hands on', async (t) => {
  const { raft, inbox } = made();
  raft.pendingConfIndex = 6;
  push(inbox, change(1n), change(2n));
  t.same(senders(inbox), []);
  raft.state = StateType.Follower;
  push(inbox, change(3n));
  t.equal(inbox.isChanging, false);
  t.same(senders(inbox), [1n], 'what was kept goes first');
  t.same(senders(inbox), [2n]);
  t.same(senders(inbox), [3n]);
});

t.test('no more than so many are kept', async (t) => {
  const { raft, inbox } = made();
  raft.pendingConfIndex = 6;
  push(inbox, ...Array.from({ length: 70 }, (_, i) => change(BigInt(i))));
  t.equal(inbox.take().length, 70 - 64, 'Raft refuses the rest');
});
