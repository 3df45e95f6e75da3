// Tests of src/server/replica/log-storage.ts against a plain model, with a double of the native
// log. What Raft reads must be the log, wherever its parts are kept.

import t from 'tap';
import { type Entry, EntryType, emptyConfState, makeEntry } from '../../../../../src/raft/index.js';
import { Prng } from '../../../../../src/server/election/prng.js';
import { LogStorage } from '../../../../../src/server/replica/disk/log-storage.js';
import { NativePayload, ReceivedPayload } from '../../../../../src/storage/entry-run.js';
import type { Recovered } from '../../../../../src/storage/native.js';

/** A native log that holds what the model holds. */
function double(model: Map<number, Entry>) {
  return {
    reads: 0,
    entryInfos(from: number, to: number): Float64Array {
      this.reads++;
      const infos: number[] = [];
      for (let index = from; index <= to; index++) {
        const entry = model.get(index) as Entry;
        infos.push(entry.term, entry.type, entry.data === null ? -1 : entry.data.byteLength);
      }
      return Float64Array.from(infos);
    },
    entryData(index: number): Buffer | null {
      const data = model.get(index)?.data;
      return data instanceof Uint8Array ? Buffer.from(data) : null;
    },
  };
}

function recovered(fields: Partial<Recovered>): Recovered {
  return {
    created: false,
    clusterId: 1n,
    memberId: 2n,
    term: 1,
    vote: 0n,
    commit: 0,
    startIndex: 0,
    startTerm: 0,
    lastIndex: 0,
    appliedIndex: 0,
    appliedTerm: 0,
    tornBytes: 0,
    openMs: 0,
    meta: new Map(),
    leases: [],
    alarms: [],
    revision: 1,
    ...fields,
  };
}

const shape = (entries: readonly Entry[]) =>
  entries.map(({ index, term, type, data }) => [index, term, type, data?.byteLength ?? null]);

t.test('a fresh log is empty', async (t) => {
  const storage = new LogStorage(double(new Map()), recovered({}), emptyConfState);
  t.equal(storage.firstIndex(), 1);
  t.equal(storage.lastIndex(), 0);
  t.equal(storage.term(0), 0);
  t.throws(() => storage.term(1), { code: 'unavailable' });
  t.throws(() => storage.snapshot(), { code: 'snapshot-temporarily-unavailable' });
});

t.test('recovered entries are read from the native log, changes with their bytes', async (t) => {
  const model = new Map<number, Entry>();
  model.set(11, makeEntry(EntryType.Normal, 3, 11, new NativePayload(7)));
  model.set(12, makeEntry(EntryType.Normal, 4, 12, null));
  model.set(13, makeEntry(EntryType.ConfChange, 4, 13, Uint8Array.from([1, 2, 3])));
  const core = double(model);
  const state = recovered({ startIndex: 10, startTerm: 2, lastIndex: 13, appliedIndex: 10 });
  const storage = new LogStorage(core, state, emptyConfState);
  t.equal(storage.term(10), 2);
  t.equal(storage.term(12), 4);
  t.throws(() => storage.term(9), { code: 'compacted' });
  const entries = storage.entries(11, 14, Number.POSITIVE_INFINITY);
  t.same(shape(entries), [
    [11, 3, 0, 7],
    [12, 4, 0, null],
    [13, 4, 1, 3],
  ]);
  t.same(entries[2]?.data, Uint8Array.from([1, 2, 3]));
  t.equal(storage.entries(11, 14, 0).length, 1, 'never fewer than one');
  t.throws(() => storage.entries(10, 12, 1e9), { code: 'compacted' });
  t.throws(() => storage.entries(13, 15, 1e9), { code: 'unavailable' });
  t.same(storage.snapshot().metadata.index, 10, 'the state that is applied');
});

t.test('random appends, replacements and cuts read as the model says', async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new Prng(seed);
    const model = new Map<number, Entry>();
    const core = double(model);
    const storage = new LogStorage(core, recovered({}), emptyConfState);
    let first = 1;
    let last = 0;
    let term = 1;
    for (let step = 0; step < 300; step++) {
      const choice = random.nextBelow(10);
      if (choice < 6) {
        const replaced = last >= first && random.nextBelow(4) === 0;
        const from = replaced ? first + random.nextBelow(last - first + 1) : last + 1;
        term += replaced ? 1 : 0;
        const entries: Entry[] = [];
        for (let i = 0; i <= random.nextBelow(6); i++) {
          entries.push(makeEntry(EntryType.Normal, term, from + i, new NativePayload(step)));
        }
        for (let index = from; index <= last; index++) {
          model.delete(index);
        }
        for (const entry of entries) {
          model.set(entry.index, entry);
        }
        storage.append(entries);
        last = from + entries.length - 1;
      } else if (choice < 8 && last >= first) {
        storage.keepRecent(first + random.nextBelow(last - first + 1));
      } else if (last > first) {
        const cut = first + random.nextBelow(last - first);
        storage.truncate(cut);
        first = cut + 1;
      }
      t.equal(storage.firstIndex(), first);
      t.equal(storage.lastIndex(), last);
      if (last >= first) {
        const lo = first + random.nextBelow(last - first + 1);
        const got: Entry[] = [];
        while (lo + got.length <= last) {
          got.push(...storage.entries(lo + got.length, last + 1, 40));
        }
        const expected = Array.from(
          { length: last - lo + 1 },
          (_, i) => model.get(lo + i) as Entry,
        );
        t.same(shape(got), shape(expected), `seed ${seed} step ${step}`);
        t.equal(storage.term(lo), model.get(lo)?.term);
      }
    }
  }
});

// Reproduces: a member that was restarted ended at its first truncation, since it asked the native
// log for the term of an entry that had just gone.
t.test('the term at a cut outlives the entry there', async (t) => {
  const model = new Map<number, Entry>();
  for (let index = 1; index <= 10; index++) {
    model.set(index, makeEntry(EntryType.Normal, index <= 5 ? 1 : 2, index, null));
  }
  const storage = new LogStorage(double(model), recovered({ lastIndex: 10 }), emptyConfState);
  storage.truncate(7);
  for (let index = 1; index <= 7; index++) model.delete(index);
  t.equal(storage.firstIndex(), 8);
  t.equal(storage.term(7), 2);
  t.equal(storage.term(8), 2);
});

t.test('bytes that another member sent are not kept', async (t) => {
  const storage = new LogStorage(double(new Map()), recovered({}), emptyConfState);
  const run = new Uint8Array(1 << 20);
  const received = (index: number) =>
    makeEntry(EntryType.Normal, 1, index, new ReceivedPayload(100, run, 4));
  storage.append([received(1), received(2)]);
  storage.append([received(3)]);
  const kept = storage.entries(1, 4, Number.MAX_SAFE_INTEGER);
  t.same(
    shape(kept),
    [1, 2, 3].map((index) => [index, 1, EntryType.Normal, 100]),
  );
  t.ok(kept.every(({ data }) => data instanceof NativePayload));
});
