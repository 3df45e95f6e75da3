// The linearizability checker against histories whose answer is known: it has to accept what a
// correct store may do, and to reject each way in which a store loses, repeats or reorders.
// The checks of revisions and of remembered events are tried the same way.

import t, { type Test } from 'tap';

import { checkLinearizable, type Model } from '../../../support/cluster/linearizability/checker.js';
import {
  checkEvents,
  checkKeys,
  checkRevisions,
  Violation,
} from '../../../support/cluster/linearizability/checks.js';
import type { Entry, Result } from '../../../support/cluster/linearizability/history.js';
import type { Operation, Seen } from '../../../support/cluster/linearizability/register.js';

/** An entry from `call` to `end` on one clock; null for an outcome that nobody was told. */
function entry(call: number, end: number | null, operation: Operation, result?: Result): Entry {
  return {
    client: 'c1',
    member: 'm1',
    key: 'k',
    operation,
    result: result ?? (end === null ? 'unknown' : 'ok'),
    error: '',
    callOrder: call,
    returnOrder: end ?? 1_000_000,
    callMs: call,
    returnMs: end ?? 1_000_000,
  };
}

function kv(value: string, modRevision: number, version = 1, createRevision = modRevision): Seen {
  return { value, version, modRevision, createRevision };
}

function put(value: string, revision: number, before?: Seen | null): Operation {
  const outcome = before === undefined ? { revision } : { revision, before };
  return { kind: 'put', value, outcome };
}

const get = (revision: number, before: Seen | null): Operation => {
  return { kind: 'get', outcome: { revision, before } };
};

const lostPut = (value: string): Operation => ({ kind: 'put', value, outcome: null });

function cas(expected: string | null, value: string, revision: number, succeeded: boolean) {
  return { kind: 'cas', expected, value, outcome: { revision, succeeded } } as const;
}

function accepts(t: Test, what: string, entries: readonly Entry[]): void {
  t.doesNotThrow(() => checkKeys(entries), what);
}

function rejects(
  t: Test,
  what: string,
  entries: readonly Entry[],
  text = 'not linearizable',
): void {
  t.throws(() => checkKeys(entries), { name: 'Violation', message: new RegExp(text) }, what);
}

t.test('histories of one key that a correct store may give', async (t) => {
  accepts(t, 'nothing at all', []);
  accepts(t, 'one after the other', [
    entry(1, 2, put('a', 2, null)),
    entry(3, 4, get(2, kv('a', 2))),
    entry(5, 6, put('b', 3, kv('a', 2))),
    entry(7, 8, get(3, kv('b', 3, 2, 2))),
    entry(9, 10, { kind: 'delete', outcome: { revision: 4, wasThere: true } }),
    entry(11, 12, get(4, null)),
    entry(13, 14, { kind: 'delete', outcome: { revision: 4, wasThere: false } }),
    entry(15, 16, put('c', 5)),
    entry(17, 18, get(5, kv('c', 5, 1, 5))),
  ]);
  accepts(t, 'a read beside a write sees the old or the new value', [
    entry(1, 2, put('a', 2)),
    entry(3, 10, put('b', 3)),
    entry(4, 5, get(2, kv('a', 2))),
    entry(6, 7, get(3, kv('b', 3, 2, 2))),
  ]);
  accepts(t, 'compare-and-swap: one of two wins', [
    entry(1, 2, put('a', 2)),
    entry(3, 8, cas('a', 'b', 3, true)),
    entry(4, 7, cas('a', 'c', 3, false)),
    entry(9, 10, get(3, kv('b', 3, 2, 2))),
  ]);
  accepts(t, 'an unknown write that never happened', [
    entry(1, 2, put('a', 2)),
    entry(3, null, lostPut('b')),
    entry(4, 5, get(2, kv('a', 2))),
  ]);
  accepts(t, 'an unknown write that took effect late, and whose revision a read told', [
    entry(1, 2, put('a', 2)),
    entry(3, null, lostPut('b')),
    entry(4, 5, get(2, kv('a', 2))),
    entry(6, 7, get(9, kv('b', 7, 2, 2))),
    entry(8, 9, put('c', 10, kv('b', 7, 2, 2))),
  ]);
  accepts(t, 'an unknown deletion between two reads', [
    entry(1, 2, put('a', 2)),
    entry(3, null, { kind: 'delete', outcome: null }),
    entry(4, 5, get(3, null)),
    entry(6, 7, put('b', 4, null)),
  ]);
  accepts(t, 'an unknown compare-and-swap that failed', [
    entry(1, null, { kind: 'cas', expected: 'x', value: 'y', outcome: null }),
    entry(2, 3, put('a', 2, null)),
    entry(4, 5, get(2, kv('a', 2))),
  ]);
});

t.test('histories of one key that no correct store gives', async (t) => {
  const written = [entry(1, 2, put('a', 2)), entry(3, 4, put('b', 3))];
  rejects(t, 'a stale read', [...written, entry(5, 6, get(3, kv('a', 2)))]);
  rejects(t, 'a stale read after a fresh one', [
    entry(1, 2, put('a', 2)),
    entry(3, 20, put('b', 3)),
    entry(4, 5, get(3, kv('b', 3, 2, 2))),
    entry(6, 7, get(3, kv('a', 2))),
  ]);
  rejects(t, 'an old revision in the header', [...written, entry(5, 6, get(2, null))]);
  rejects(t, 'a lost write', [...written, entry(5, 6, get(9, null))]);
  rejects(t, 'a write that the next one did not see', [
    entry(1, 2, put('a', 2)),
    entry(3, 4, put('b', 3, null)),
  ]);
  rejects(t, 'a write that took effect twice', [...written, entry(5, 6, get(9, kv('b', 5, 3, 2)))]);
  rejects(t, 'an unknown write that took effect twice', [
    entry(1, 2, put('a', 2)),
    entry(3, null, lostPut('b')),
    entry(4, 5, put('c', 5, kv('b', 4, 2, 2))),
    entry(6, 7, get(6, kv('b', 6, 4, 2))),
  ]);
  rejects(t, 'a value that nobody wrote', [entry(1, 2, get(5, kv('z', 5)))]);
  rejects(t, 'a value from the future', [
    entry(1, 2, get(2, kv('a', 2))),
    entry(3, 4, put('a', 2)),
  ]);
  rejects(t, 'what certainly failed took effect', [
    entry(1, 2, put('a', 2), 'failed'),
    entry(3, 4, get(2, kv('a', 2))),
  ]);
  rejects(t, 'two compare-and-swaps that both won', [
    entry(1, 2, put('a', 2)),
    entry(3, 8, cas('a', 'b', 3, true)),
    entry(4, 7, cas('a', 'c', 4, true)),
  ]);
  rejects(t, 'a compare-and-swap that lost for no reason', [
    entry(1, 2, put('a', 2)),
    entry(3, 4, cas('a', 'b', 3, false)),
  ]);
  rejects(t, 'a changed creation revision', [...written, entry(5, 6, get(3, kv('b', 3, 2, 3)))]);
});

/** A correct store of one key, driven at random by overlapping clients; some answers are lost. */
function randomHistory(seed: number, count: number): Entry[] {
  let state = seed;
  const below = (bound: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % bound;
  };
  const entries: Entry[] = [];
  let held: Seen | null = null;
  let revision = 1;
  for (let i = 0; i < count; i += 1) {
    const moment = 10 * (i + 1);
    const call = moment - 1 - below(60);
    const end = moment + 1 + below(60);
    const form = below(10);
    const isLost = below(20) === 0;
    const before: Seen | null = held;
    if (form < 4) {
      entries.push(entry(call, end, get(revision, before)));
      continue;
    }
    if (isLost && below(2) === 0) {
      entries.push(entry(call, null, lostPut(`v${i}`)));
      continue;
    }
    if (form < 5) {
      if (before !== null) revision += 1;
      held = null;
      const outcome = { revision, before, wasThere: before !== null };
      entries.push(entry(call, isLost ? null : end, { kind: 'delete', outcome }));
      continue;
    }
    revision += 1;
    const version: number = (before?.version ?? 0) + 1;
    held = kv(`v${i}`, revision, version, before?.createRevision ?? revision);
    entries.push(entry(call, isLost ? null : end, put(`v${i}`, revision, before)));
  }
  return entries.map((one) => {
    const isLost = one.result === 'unknown' && one.operation.kind !== 'get';
    return isLost ? { ...one, operation: { ...one.operation, outcome: null } as Operation } : one;
  });
}

t.test('random histories of a correct store, and the same with one answer changed', async (t) => {
  for (let seed = 1; seed <= 15; seed += 1) {
    const history = randomHistory(seed, 400);
    accepts(t, `seed ${seed}`, history);
    // A read is shown what was there a hundred operations before.
    const reads = history.filter(
      ({ operation: { kind, outcome } }) => kind === 'get' && outcome.before,
    );
    const early = reads.find(({ callOrder }) => callOrder > 1000);
    const late = reads.find(({ callOrder }) => callOrder > 2500);
    const stale = early?.operation.outcome?.before ?? null;
    const revision = late?.operation.outcome?.revision ?? 0;
    const changed = history.map((one) =>
      one === late ? { ...one, operation: get(revision, stale) } : one,
    );
    rejects(t, `seed ${seed}, a stale read`, changed);
  }
});

t.test('a search that takes too long is given up', async (t) => {
  const model: Model<number, number> = {
    initial: 0,
    step: (state, operation) => (operation < 0 ? null : state * 31 + operation),
    key: String,
  };
  const history = Array.from({ length: 24 }, (_, i) => {
    return { operation: i === 23 ? -1 : i, call: i, return: 100 };
  });
  t.equal(checkLinearizable(model, history, 50).kind, 'undecided');
});

t.test('revisions follow real time over all keys', async (t) => {
  const other = (one: Entry): Entry => ({ ...one, key: 'other' });
  t.doesNotThrow(() => checkRevisions([entry(1, 5, put('a', 3)), other(entry(2, 4, put('b', 2)))]));
  const back = [entry(1, 2, put('a', 3)), other(entry(3, 4, put('b', 2)))];
  t.throws(() => checkRevisions(back), Violation, 'a later write with a smaller revision');
  const stale = [entry(1, 2, put('a', 3)), other(entry(3, 4, get(2, null)))];
  t.throws(() => checkRevisions(stale), Violation, 'a read of an older store');
  const twice = [entry(1, 5, put('a', 3)), other(entry(2, 4, put('b', 3)))];
  t.throws(() => checkRevisions(twice), Violation, 'two writes at one revision');
});

t.test('every acknowledged write is remembered once', async (t) => {
  const history = [entry(1, 2, put('a', 2)), entry(3, null, lostPut('b'))];
  const a = { revision: 2, key: 'k', value: 'a' };
  const b = { revision: 3, key: 'k', value: 'b' };
  t.doesNotThrow(() => checkEvents(history, [a]));
  t.doesNotThrow(() => checkEvents(history, [a, b]));
  const bad = (what: string, events: (typeof a)[], entries = history) =>
    t.throws(() => checkEvents(entries, events), Violation, what);
  bad('it is gone', [b]);
  bad('it is at another revision', [{ ...a, revision: 4 }]);
  bad('it has another value', [{ ...a, value: 'x' }]);
  bad('an unknown write is there twice', [a, b, { ...b, revision: 5 }]);
  bad('nobody wrote it', [a, { ...b, value: 'z' }]);
  bad('it failed and is there', [a, b], [history[0] as Entry, entry(3, 4, lostPut('b'), 'failed')]);
});
