// The leader's view of its peers: the window of messages in flight, a peer's progress through
// its states, and the tracker that holds them.

import t from 'tap';
import { RaftAssertionError } from '../../../src/raft/base/assert.js';
import { JointConfig } from '../../../src/raft/quorum/joint.js';
import { MajorityConfig, VoteResult } from '../../../src/raft/quorum/majority.js';
import { configText, emptyTrackerConfig } from '../../../src/raft/tracker/config.js';
import { Inflights } from '../../../src/raft/tracker/inflights.js';
import { Progress, ProgressState } from '../../../src/raft/tracker/progress.js';
import { ProgressTracker } from '../../../src/raft/tracker/tracker.js';
import { seeded } from '../../support/raft/cluster/prng.js';

const NO_LIMIT = Number.POSITIVE_INFINITY;

t.test('inflights behave like a plain list under random use', (test) => {
  const random = seeded(7);
  const window = new Inflights(40, 500);
  let model: { index: number; bytes: number }[] = [];
  let last = 0;
  for (let round = 0; round < 5000; round++) {
    if (!window.full && random(3) > 0) {
      last += 1 + random(3);
      const bytes = random(40);
      window.add(last, bytes);
      model.push({ index: last, bytes });
    } else {
      const upTo = last - random(30);
      window.freeUpTo(upTo);
      model = model.filter((entry) => entry.index > upTo);
    }
    const bytes = model.reduce((sum, entry) => sum + entry.bytes, 0);
    test.equal(window.count, model.length);
    test.equal(window.bytes, bytes);
    test.equal(window.full, model.length === 40 || bytes >= 500);
  }
  window.reset();
  test.equal(window.count + window.bytes, 0);
  test.end();
});

t.test('inflights refuse what would break their order or their limit', (test) => {
  const window = new Inflights(2, NO_LIMIT);
  window.add(5, 1);
  test.throws(() => window.add(5, 1), RaftAssertionError, 'not ascending');
  window.add(6, 1);
  test.ok(window.full);
  test.throws(() => window.add(7, 1), RaftAssertionError, 'full');
  test.throws(() => new Inflights(0, NO_LIMIT), RaftAssertionError);
  const bytes = new Inflights(100, 10);
  bytes.add(1, 25);
  test.ok(bytes.full, 'one message may cross the limit on bytes');
  bytes.freeUpTo(0);
  test.ok(bytes.full, 'nothing was acknowledged');
  bytes.freeUpTo(1);
  test.notOk(bytes.full);
  test.end();
});

function progressAt(match: number, next: number, window = 256): Progress {
  return new Progress({
    match,
    next,
    inflights: new Inflights(window, NO_LIMIT),
    isLearner: false,
    recentActive: true,
  });
}

t.test('a probed peer gets one message at a time', (test) => {
  const progress = progressAt(0, 5);
  progress.sentEntries(0, 0);
  test.notOk(progress.isPaused, 'an empty probe does not pause');
  progress.sentEntries(2, 10);
  test.ok(progress.isPaused);
  test.equal(progress.next, 5, 'a probe is not optimistic');
  test.notOk(progress.maybeDecreaseTo(3, 1), 'a rejection of something else');
  test.ok(progress.maybeDecreaseTo(4, 1));
  test.equal(progress.next, 2);
  test.notOk(progress.isPaused);
  test.ok(progress.maybeDecreaseTo(1, 0));
  test.equal(progress.next, 1, 'never below what is acknowledged');
  progress.sentEntries(1, 1);
  test.ok(progress.maybeUpdate(3));
  test.notOk(progress.isPaused, 'an acknowledgement resumes');
  test.notOk(progress.maybeUpdate(3), 'the same again says nothing');
  test.end();
});

t.test('a replicating peer is sent to ahead of its answers', (test) => {
  const progress = progressAt(3, 4, 2);
  progress.becomeReplicate();
  progress.sentEntries(2, 10);
  test.equal(progress.next, 6);
  test.notOk(progress.isPaused);
  progress.sentEntries(1, 10);
  test.ok(progress.isPaused, 'the window is full');
  test.equal(String(progress), 'StateReplicate match=3 next=7 paused inflight=2[full]');
  progress.sentEntries(0, 0);
  test.ok(progress.isPaused, 'an empty append pauses again');
  progress.maybeUpdate(5);
  progress.inflights.freeUpTo(5);
  test.equal(String(progress), 'StateReplicate match=5 next=7 inflight=1');
  test.notOk(progress.maybeDecreaseTo(5, 2), 'a rejection from before the acknowledgement');
  test.ok(progress.maybeDecreaseTo(6, 2));
  test.equal(progress.next, 6, 'back to what is acknowledged, whatever the hint');
  test.end();
});

t.test('a peer that waits for a snapshot gets nothing else', (test) => {
  const progress = progressAt(3, 4);
  progress.sentCommit = 9;
  progress.becomeSnapshot(20);
  test.ok(progress.isPaused);
  test.equal(progress.sentCommit, 20);
  test.throws(() => progress.sentEntries(1, 1), RaftAssertionError);
  test.equal(String(progress), 'StateSnapshot match=3 next=21 paused pendingSnap=20');
  progress.becomeProbe();
  test.equal(progress.next, 21, 'probed from behind the snapshot');
  progress.becomeSnapshot(30);
  progress.pendingSnapshot = 0;
  progress.becomeProbe();
  test.equal(progress.next, 4, 'it failed: probed from what is acknowledged');
  test.equal(progress.sentCommit, 3, 'the peer cannot know of later commits');
  test.throws(() => progress.becomeSnapshot(0), RaftAssertionError);
  test.end();
});

t.test('the commit index is worth a message only if it moves the peer', (test) => {
  const progress = progressAt(5, 8);
  progress.sentCommit = 4;
  test.ok(progress.canBumpCommit(6));
  test.notOk(progress.canBumpCommit(4), 'nothing new');
  progress.sentCommit = 7;
  test.notOk(progress.canBumpCommit(9), 'the peer can commit no more than it was sent');
  test.end();
});

function trackerOf(voters: bigint[], learners: bigint[] = []): ProgressTracker {
  const tracker = new ProgressTracker(256, NO_LIMIT);
  const progress = new Map<bigint, Progress>();
  for (const id of [...voters, ...learners]) {
    const entry = progressAt(0, 1);
    entry.isLearner = learners.includes(id);
    progress.set(id, entry);
  }
  const config = {
    ...emptyTrackerConfig,
    voters: new JointConfig(new MajorityConfig(voters)),
    learners: new Set(learners),
  };
  tracker.replace(config, progress);
  return tracker;
}

t.test('learners neither vote nor keep a quorum alive', (test) => {
  const tracker = trackerOf([1n, 2n, 3n], [9n, 4n]);
  test.same(tracker.ids, [1n, 2n, 3n, 4n, 9n]);
  test.equal(configText(tracker.config), 'voters=(1 2 3) learners=(4 9)');
  tracker.recordVote(1n, true);
  tracker.recordVote(9n, true);
  tracker.recordVote(2n, false);
  tracker.recordVote(2n, true);
  test.same(tracker.tallyVotes(), { granted: 1, rejected: 1, result: VoteResult.Pending });
  tracker.recordVote(3n, true);
  test.equal(tracker.tallyVotes().result, VoteResult.Won);
  tracker.resetVotes();
  test.same(tracker.tallyVotes(), { granted: 0, rejected: 0, result: VoteResult.Pending });
  test.ok(tracker.quorumActive());
  tracker.resetProgress(1n, 7);
  test.notOk(tracker.quorumActive(), 'nobody was heard of since');
  test.equal(tracker.progress.get(1n)?.match, 7);
  test.equal(String(tracker.progress.get(9n)), 'StateProbe match=0 next=8 learner inactive');
  test.equal(tracker.committedIndex(), 0);
  tracker.progress.get(2n)?.maybeUpdate(5);
  test.equal(tracker.committedIndex(), 5);
  test.notOk(tracker.isSingleton);
  test.ok(trackerOf([1n], [2n]).isSingleton);
  test.end();
});

t.test('a copy of a progress does not follow the original', (test) => {
  const progress = progressAt(3, 4);
  progress.becomeSnapshot(9);
  const copy = progress.clone();
  progress.becomeProbe();
  test.equal(copy.state, ProgressState.Snapshot);
  test.equal(copy.pendingSnapshot, 9);
  test.end();
});

t.test('a configuration without progress for a voter is refused', (test) => {
  const tracker = new ProgressTracker(1, NO_LIMIT);
  const config = { ...emptyTrackerConfig, voters: new JointConfig(new MajorityConfig([1n])) };
  test.throws(() => tracker.replace(config, new Map()), RaftAssertionError);
  test.end();
});
