// The layers of the log: entries that are not durable yet, the memory storage below, and the
// whole with its marks of what is committed, being applied and applied.

import t from 'tap';
import { RaftAssertionError, RaftPanicError } from '../../../src/raft/base/assert.js';
import { RaftStorageError } from '../../../src/raft/base/errors.js';
import type { Entry, Snapshot } from '../../../src/raft/index.js';
import { emptyConfState, MemoryStorage, makeEntry } from '../../../src/raft/index.js';
import { RaftLog } from '../../../src/raft/log/raft-log.js';
import { Unstable } from '../../../src/raft/log/unstable.js';
import { TextLogger } from '../../support/raft/cluster/network.js';

const NO_LIMIT = Number.POSITIVE_INFINITY;

/** Entries at these terms, from an index on, with three bytes of data each. */
function entriesAt(first: number, ...terms: number[]): Entry[] {
  return terms.map((term, i) => makeEntry(0, term, first + i, new Uint8Array(3)));
}

function snapshotAt(index: number, term: number): Snapshot {
  return { data: null, metadata: { confState: emptyConfState, index, term } };
}

function positions(entries: readonly Entry[] | undefined): string {
  return (entries ?? []).map((entry) => `${entry.term}/${entry.index}`).join(' ');
}

t.test('unstable: appending at, inside and before the end', (test) => {
  const logger = new TextLogger();
  const unstable = new Unstable(5, logger);
  test.equal(unstable.lastIndex(), undefined);
  unstable.truncateAndAppend(entriesAt(5, 1, 1, 1));
  test.equal(positions(unstable.nextEntries()), '1/5 1/6 1/7');
  unstable.acceptInProgress();
  test.notOk(unstable.hasNextEntries());
  unstable.truncateAndAppend(entriesAt(8, 1));
  test.equal(positions(unstable.nextEntries()), '1/8', 'only the new one is handed out');
  unstable.truncateAndAppend(entriesAt(6, 2, 2));
  test.equal(positions(unstable.nextEntries()), '2/6 2/7', 'replaced ones are handed out again');
  test.equal(positions(unstable.slice(5, 8)), '1/5 2/6 2/7');
  unstable.truncateAndAppend(entriesAt(3, 3));
  test.equal(unstable.offset, 3);
  test.equal(positions(unstable.entries), '3/3');
  test.same(logger.lines, [
    'INFO truncate the unstable entries before index 6',
    'INFO replace the unstable entries from index 3',
  ]);
  test.throws(() => unstable.truncateAndAppend(entriesAt(9, 3)), RaftAssertionError, 'a gap');
  test.throws(() => unstable.slice(2, 4), RaftAssertionError);
  test.end();
});

t.test('unstable: becoming stable', (test) => {
  const logger = new TextLogger();
  const unstable = new Unstable(5, logger);
  unstable.restore(snapshotAt(9, 2));
  test.equal(unstable.lastIndex(), 9);
  test.equal(unstable.nextSnapshot()?.metadata.index, 9);
  unstable.acceptInProgress();
  test.equal(unstable.nextSnapshot(), null, 'handed out once');
  unstable.truncateAndAppend(entriesAt(10, 3, 3, 3));
  unstable.stableTo(9, 2);
  unstable.stableTo(4, 1);
  unstable.stableTo(13, 3);
  unstable.stableTo(11, 2);
  test.equal(positions(unstable.entries), '3/10 3/11 3/12', 'none of these applied');
  unstable.stableTo(11, 3);
  test.equal(positions(unstable.entries), '3/12');
  test.equal(unstable.offset, 12);
  test.equal(unstable.offsetInProgress, 12);
  unstable.stableSnapshotTo(8);
  test.ok(unstable.snapshot, 'another snapshot');
  unstable.stableSnapshotTo(9);
  test.equal(unstable.snapshot, null);
  test.equal(unstable.term(9), undefined);
  test.same(logger.lines, [
    'INFO entry at index 9 matched unstable snapshot; ignoring',
    'INFO entry at index 4 missing from unstable log; ignoring',
    'INFO entry at index 13 missing from unstable log; ignoring',
    'INFO entry at (index,term)=(11,2) mismatched with entry at (11,3) in unstable log; ignoring',
  ]);
  test.end();
});

t.test('memory storage: reading', (test) => {
  const storage = new MemoryStorage(new TextLogger());
  test.same([storage.firstIndex(), storage.lastIndex(), storage.term(0)], [1, 0, 0]);
  test.throws(() => storage.entries(1, 1, NO_LIMIT), new RaftStorageError('unavailable'));
  storage.append(entriesAt(1, 1, 1, 2, 2));
  test.equal(positions(storage.entries(2, 4, NO_LIMIT)), '1/2 2/3');
  test.equal(positions(storage.entries(2, 5, 0)), '1/2', 'at least one');
  test.equal(positions(storage.entries(1, 5, 18)), '1/1 1/2', 'two of nine bytes');
  test.throws(() => storage.entries(1, 6, NO_LIMIT), RaftPanicError, 'beyond the end');
  storage.compact(2);
  test.throws(() => storage.entries(2, 4, NO_LIMIT), new RaftStorageError('compacted'));
  test.throws(() => storage.term(1), new RaftStorageError('compacted'));
  test.equal(storage.term(2), 1, 'the term before the first entry is kept');
  test.throws(() => storage.term(5), new RaftStorageError('unavailable'));
  test.throws(() => storage.compact(2), new RaftStorageError('compacted'));
  test.throws(() => storage.compact(5), RaftPanicError);
  test.end();
});

t.test('memory storage: writing', (test) => {
  const storage = new MemoryStorage(new TextLogger());
  storage.append([]);
  storage.append(entriesAt(1, 1, 1, 1));
  storage.append(entriesAt(2, 2));
  test.equal(positions(storage.entries(1, 3, NO_LIMIT)), '1/1 2/2', 'the tail is replaced');
  test.throws(() => storage.append(entriesAt(5, 2)), RaftPanicError, 'a gap');
  const confState = { ...emptyConfState, voters: [1n] };
  storage.createSnapshot(1, confState, null);
  test.same(storage.snapshot().metadata, { confState, index: 1, term: 1 });
  storage.createSnapshot(2, null, new Uint8Array(1));
  test.same(storage.snapshot().metadata.confState, confState, 'the membership stays');
  test.throws(() => storage.createSnapshot(2, null, null), RaftStorageError);
  test.throws(() => storage.createSnapshot(9, null, null), RaftPanicError);
  test.throws(() => storage.applySnapshot(snapshotAt(2, 2)), RaftStorageError, 'not newer');
  storage.applySnapshot(snapshotAt(7, 3));
  test.same([storage.firstIndex(), storage.lastIndex(), storage.term(7)], [8, 7, 3]);
  storage.append(entriesAt(6, 3, 3, 3));
  test.equal(positions(storage.entries(8, 9, NO_LIMIT)), '3/8', 'compacted ones are skipped');
  test.end();
});

interface LogSetup {
  readonly log: RaftLog;
  readonly storage: MemoryStorage;
  readonly logger: TextLogger;
}

/** A log with entries 1 to 3 stable and 4 to 6 not. */
function logOfSix(maxApplyingBytes = NO_LIMIT): LogSetup {
  const logger = new TextLogger();
  const storage = new MemoryStorage(logger);
  storage.append(entriesAt(1, 1, 1, 2));
  const log = new RaftLog(storage, logger, maxApplyingBytes);
  log.append(entriesAt(4, 2, 3, 3));
  return { log, storage, logger };
}

t.test('log: reading across the layers', (test) => {
  const { log, storage } = logOfSix();
  test.same([log.firstIndex(), log.lastIndex(), log.lastTerm()], [1, 6, 3]);
  test.equal(positions(log.entriesFrom(2, NO_LIMIT)), '1/2 2/3 2/4 3/5 3/6');
  test.equal(positions(log.entriesFrom(5, NO_LIMIT)), '3/5 3/6');
  test.equal(positions(log.entriesFrom(7, NO_LIMIT)), '');
  // Nine bytes each: the limit falls into the stable part, on its end, and behind it.
  test.equal(positions(log.entriesFrom(2, 10)), '1/2');
  test.equal(positions(log.entriesFrom(2, 18)), '1/2 2/3');
  test.equal(positions(log.entriesFrom(2, 20)), '1/2 2/3', 'a lone unstable one would overflow');
  test.equal(positions(log.entriesFrom(2, 27)), '1/2 2/3 2/4');
  storage.compact(2);
  test.equal(log.entriesFrom(2, NO_LIMIT), undefined);
  test.equal(log.term(1), undefined);
  test.equal(log.term(2), 1);
  test.equal(log.term(7), undefined);
  test.ok(log.someEntry(3, 7, (entry) => entry.index === 6));
  test.notOk(log.someEntry(3, 7, (entry) => entry.index === 9));
  test.end();
});

t.test('log: appending what a leader sends', (test) => {
  const { log, logger } = logOfSix();
  test.equal(log.maybeAppend(6, 2, [], 9), undefined, 'another term at the place before');
  test.equal(log.maybeAppend(9, 3, [], 9), undefined, 'a gap');
  test.equal(log.maybeAppend(4, 2, entriesAt(5, 3), 4), 5, 'known already');
  test.equal(log.committed, 4);
  test.equal(log.lastIndex(), 6, 'a known prefix truncates nothing');
  test.equal(log.maybeAppend(4, 2, entriesAt(5, 3, 4, 4), 9), 7);
  test.equal(log.committed, 7, 'no more than the message shows');
  test.equal(positions(log.entriesFrom(4, NO_LIMIT)), '2/4 3/5 4/6 4/7');
  test.ok(
    logger.lines.includes('INFO found conflict at index 6 [existing term: 3, conflicting term: 4]'),
  );
  test.throws(() => log.maybeAppend(3, 2, entriesAt(4, 9), 9), RaftPanicError, 'committed');
  test.throws(() => log.append(entriesAt(7, 9)), RaftPanicError, 'committed');
  test.throws(() => log.commitTo(99), RaftPanicError);
  test.end();
});

t.test('log: where two logs may agree', (test) => {
  const { log, storage } = logOfSix();
  const find = (index: number, term: number): string => {
    const found = log.findConflictByTerm(index, term);
    return `${found.term}/${found.index}`;
  };
  test.equal(find(6, 3), '3/6');
  test.equal(find(6, 2), '2/4');
  test.equal(find(6, 1), '1/2');
  test.equal(find(6, 0), '0/0');
  test.equal(find(0, 5), '0/0');
  storage.compact(3);
  test.equal(find(6, 1), '0/2', 'not known any more');
  test.end();
});

t.test('log: which log is more complete', (test) => {
  const { log } = logOfSix();
  test.ok(log.isUpToDate(6, 3));
  test.ok(log.isUpToDate(1, 4), 'a later term beats length');
  test.notOk(log.isUpToDate(5, 3));
  test.notOk(log.isUpToDate(99, 2));
  test.notOk(log.maybeCommit(6, 2), 'only with its term');
  test.notOk(log.maybeCommit(6, 0));
  test.ok(log.maybeCommit(6, 3));
  test.notOk(log.maybeCommit(6, 3));
  test.end();
});

t.test('log: handing out to be applied', (test) => {
  const { log } = logOfSix(20);
  test.notOk(log.hasNextCommittedEntries(true));
  test.equal(positions(log.nextCommittedEntries(true)), '');
  log.commitTo(6);
  test.equal(positions(log.nextCommittedEntries(true)), '1/1 1/2', 'two of nine bytes');
  log.acceptApplying(2, 18, true);
  test.notOk(log.hasNextCommittedEntries(true), 'more waits, since not all was handed out');
  log.appliedTo(2, 18);
  test.equal(positions(log.nextCommittedEntries(false)), '2/3', 'only what is durable');
  log.acceptApplying(3, 9, false);
  test.notOk(log.hasNextCommittedEntries(false), 'nothing more is durable');
  test.equal(positions(log.nextCommittedEntries(true)), '2/4', 'two bytes of room: still one');
  log.stableTo(6, 3);
  test.throws(() => log.acceptApplying(3, 9, false), RaftAssertionError, 'twice');
  test.throws(() => log.appliedTo(1, 0), RaftPanicError, 'backwards');
  test.throws(() => log.appliedTo(7, 0), RaftPanicError, 'not committed');
  test.end();
});

t.test('log: one entry at a time goes through any limit', (test) => {
  const { log } = logOfSix(0);
  log.commitTo(3);
  for (let index = 1; index <= 3; index++) {
    test.equal(log.nextCommittedEntries(true).length, 1);
    log.acceptApplying(index, 9, true);
    test.notOk(log.hasNextCommittedEntries(true));
    log.appliedTo(index, 9);
  }
  test.end();
});

t.test('log: a snapshot replaces everything', (test) => {
  const { log, logger } = logOfSix();
  log.commitTo(2);
  log.restore(snapshotAt(9, 4));
  test.same([log.firstIndex(), log.lastIndex(), log.lastTerm(), log.committed], [10, 9, 4, 9]);
  test.equal(log.snapshot().metadata.index, 9);
  test.notOk(log.hasNextCommittedEntries(true), 'the snapshot is applied first');
  test.throws(() => log.restore(snapshotAt(8, 4)), RaftAssertionError);
  test.match(logger.lines[0] ?? '', /^INFO log \[committed=2, .* starts to restore snapshot/);
  test.end();
});

t.test('log: a storage that lost what is needed', (test) => {
  const { log, storage } = logOfSix();
  log.commitTo(5);
  storage.compact(3);
  test.throws(() => log.nextCommittedEntries(true), RaftPanicError);
  const failing = logOfSix();
  const broken = new Error('disk on fire');
  failing.storage.term = () => {
    throw broken;
  };
  failing.storage.entries = () => {
    throw broken;
  };
  failing.log.commitTo(5);
  test.throws(() => failing.log.term(2), broken, 'other errors pass through');
  test.throws(() => failing.log.entriesFrom(2, NO_LIMIT), broken);
  test.throws(() => failing.log.nextCommittedEntries(true), broken);
  failing.storage.term = () => {
    throw new RaftStorageError('unavailable');
  };
  test.equal(failing.log.term(2), undefined);
  test.end();
});
