// Tests of src/server/replica/disk/writes.ts: entries become runs for the native log, and a
// snapshot waits for apply, replaces the log, and goes before what comes behind it.

import t from 'tap';

import {
  type Entry,
  EntryType,
  emptyConfState,
  type Message,
  MessageType,
  makeEntry,
  makeMessage,
  type Snapshot,
} from '../../../../../src/raft/index.js';
import { LogStorage } from '../../../../../src/server/replica/disk/log-storage.js';
import { appendRuns, Writes } from '../../../../../src/server/replica/disk/writes.js';
import { NativePayload, ReceivedPayload } from '../../../../../src/storage/entry-run.js';
import type { InstalledSnapshot, Recovered } from '../../../../../src/storage/native.js';
import { ManualClock } from '../../../../support/fakes/manual-clock.js';

const run = new Uint8Array(100);
const otherRun = new Uint8Array(10);
const entry = (index: number, term: number, data: Entry['data']) =>
  makeEntry(EntryType.Normal, term, index, data);

t.test('entries become as few runs as their origins allow', async (t) => {
  const change = makeEntry(EntryType.ConfChange, 3, 14, Uint8Array.from([1]));
  const runs = appendRuns([
    entry(8, 2, new NativePayload(5)),
    entry(9, 2, new NativePayload(6)),
    entry(10, 3, new NativePayload(7)),
    entry(11, 3, null),
    entry(12, 3, new ReceivedPayload(4, run, 40)),
    entry(13, 4, new ReceivedPayload(4, run, 58)),
    change,
    entry(15, 4, new ReceivedPayload(4, run, 90)),
    entry(16, 4, new ReceivedPayload(4, otherRun, 4)),
  ]);
  t.same(runs, [
    { kind: 'queued', firstIndex: 8, term: 2, count: 2 },
    { kind: 'queued', firstIndex: 10, term: 3, count: 1 },
    { kind: 'inline', index: 11, term: 3, type: 0, data: null },
    { kind: 'received', firstIndex: 12, count: 2, run, offset: 40 },
    { kind: 'inline', index: 14, term: 3, type: 1, data: Uint8Array.from([1]) },
    { kind: 'received', firstIndex: 15, count: 1, run, offset: 90 },
    { kind: 'received', firstIndex: 16, count: 1, run: otherRun, offset: 4 },
  ]);
});

function made() {
  const events: string[] = [];
  const clock = new ManualClock();
  let finish: (state: InstalledSnapshot) => void = () => undefined;
  let idle = false;
  const recovered = { startIndex: 0, startTerm: 0, lastIndex: 0, appliedIndex: 0 } as Recovered;
  const storage = new LogStorage(
    { entryInfos: () => new Float64Array(0), entryData: () => null },
    { ...recovered, term: 1, vote: 7n, commit: 0 },
    emptyConfState,
  );
  const writes: Writes = new Writes({
    core: {
      append: (sequence, runs, hardState, sync) => {
        const state = hardState === null ? '-' : `${hardState.term}/${hardState.commit}`;
        events.push(`append ${sequence}: ${runs.length} runs, ${state}, ${sync}`);
      },
      installSnapshot: (id, index, term, hardState) => {
        events.push(`install ${id} at ${index}/${term}, commit ${hardState.commit}`);
        return new Promise((resolve) => {
          finish = resolve;
        });
      },
      closeImport: (id) => events.push(`close ${id}`),
    },
    storage,
    applyIdle: () => idle,
    deliver: (responses) => events.push(`deliver ${responses.length}`),
    installed: ({ metadata }) => {
      events.push(`installed ${metadata.index}${writes.awaitsSnapshot ? ', not the last' : ''}`);
    },
    clock,
    wake: () => events.push('wake'),
    fatal: (message) => events.push(message),
  });
  return {
    events,
    clock,
    storage,
    writes,
    setIdle: () => {
      idle = true;
    },
    finish: () => finish({} as InstalledSnapshot),
  };
}

const response: Message = makeMessage(MessageType.AppResp, 2n);
const snapshotAt = (index: number): Snapshot => ({
  data: null,
  metadata: { index, term: 3, confState: emptyConfState },
});
const plain = {
  entries: [],
  hardState: null,
  snapshot: null,
  sync: true,
  alone: false,
  responses: [],
};

t.test('a snapshot waits for apply, and what follows waits for it', async (t) => {
  const { events, storage, writes, setIdle, finish } = made();
  writes.write({ ...plain, entries: [entry(1, 1, null)], responses: [response] });
  writes.received(20, 5);
  const hardState = { term: 3, vote: 0n, commit: 20 };
  writes.write({ ...plain, snapshot: snapshotAt(20), hardState, responses: [response] });
  writes.dropUnwanted();
  writes.write({ ...plain, entries: [entry(21, 3, null)], responses: [response, response] });
  t.ok(writes.installing);
  t.same(events, ['append 1: 1 runs, -, true'], 'entries are on their way through apply');
  setIdle();
  writes.turn();
  t.equal(events.at(-1), 'install 5 at 20/3, commit 20');
  writes.durable(1);
  writes.turn();
  t.equal(events.at(-1), 'deliver 1', 'an earlier write may become durable meanwhile');
  finish();
  await Promise.resolve();
  t.equal(events.at(-1), 'wake');
  t.equal(storage.firstIndex(), 1, 'nothing changes outside of a turn');
  writes.turn();
  t.same(events.slice(-3), [
    'installed 20',
    'append 2: 0 runs, 3/20, true',
    'append 3: 1 runs, -, true',
  ]);
  t.notOk(writes.installing);
  t.equal(storage.firstIndex(), 21);
  t.equal(storage.lastIndex(), 21);
  t.equal(storage.term(20), 3);
  writes.durable(2);
  writes.durable(3);
  t.same(events.slice(-2), ['deliver 1', 'deliver 2']);
});

t.test('a snapshot that Raft does not want is thrown away', async (t) => {
  const { events, writes } = made();
  writes.received(20, 5);
  writes.received(20, 6);
  t.same(events, ['close 6'], 'the same again is not needed');
  writes.dropUnwanted();
  t.same(events, ['close 6', 'close 5']);
});

t.test('a snapshot that comes again while it is installed is left alone', async (t) => {
  const { events, writes, setIdle, finish } = made();
  setIdle();
  writes.received(20, 5);
  writes.write({ ...plain, snapshot: snapshotAt(20) });
  writes.dropUnwanted();
  writes.received(20, 6);
  writes.dropUnwanted();
  t.same(events, ['install 5 at 20/3, commit 20', 'close 6']);
  finish();
  await Promise.resolve();
  writes.turn();
  writes.dropUnwanted();
  t.notMatch(events, ['close 5']);
});

t.test('of several snapshots only the last one is there with all that is committed', async (t) => {
  const { events, writes, setIdle, finish } = made();
  setIdle();
  for (const index of [20, 24, 30]) {
    writes.received(index, index);
    writes.write({ ...plain, snapshot: snapshotAt(index) });
    writes.dropUnwanted();
  }
  writes.write({ ...plain, entries: [entry(31, 3, null)] });
  for (let i = 0; i < 3; i++) {
    finish();
    await Promise.resolve();
    writes.turn();
  }
  t.same(
    events.filter((event) => event.startsWith('install')),
    [
      'install 20 at 20/3, commit 20',
      'installed 20, not the last',
      'install 24 at 24/3, commit 24',
      'installed 24, not the last',
      'install 30 at 30/3, commit 30',
      'installed 30',
    ],
  );
  t.notOk(writes.installing);
});

t.test('a commit index alone goes along with the next write', async (t) => {
  const { events, clock, writes } = made();
  const light = { ...plain, sync: false };
  const commit = (index: number) => ({ term: 1, vote: 7n, commit: index });
  writes.write({ ...light, hardState: commit(1), responses: [response] });
  t.same(events, ['deliver 1'], 'nothing is under way that the answer would have to wait for');
  writes.write({ ...plain, entries: [entry(1, 1, null)], responses: [response] });
  t.equal(events.at(-1), 'append 1: 1 runs, 1/1, true');
  writes.write({ ...light, hardState: commit(2), responses: [response, response] });
  t.equal(events.length, 2, 'what was promised waits for the write before it');
  writes.durable(1);
  t.equal(events.at(-1), 'deliver 3');
  writes.write({ ...plain, entries: [entry(2, 1, null)], hardState: commit(3) });
  t.equal(events.at(-1), 'append 2: 1 runs, 1/3, true', 'the newest one is written');
  clock.advance(100);
  t.equal(events.length, 4, 'nothing is left to be written');
});

t.test('a commit index is written by itself when nothing else is', async (t) => {
  const { events, clock, writes } = made();
  const light = { ...plain, sync: false };
  writes.write({ ...light, hardState: { term: 1, vote: 7n, commit: 1 } });
  clock.advance(4);
  t.same(events, ['deliver 0']);
  writes.write({ ...plain, entries: [entry(1, 1, null)] });
  writes.write({ ...light, hardState: { term: 1, vote: 7n, commit: 2 } });
  clock.advance(1);
  t.equal(events.at(-1), 'append 1: 1 runs, 1/1, true', 'writes go on');
  clock.advance(5);
  t.equal(events.at(-1), 'append 2: 0 runs, 1/2, false');
  writes.write({ ...light, hardState: { term: 1, vote: 7n, commit: 3 } });
  writes.flush();
  t.equal(events.at(-1), 'append 3: 0 runs, 1/3, false', 'the member stops');
  clock.advance(100);
  writes.flush();
  t.match(events.at(-1), /append 3/);
});
