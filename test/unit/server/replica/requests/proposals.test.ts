// Tests of src/server/replica/requests/proposals.ts: where proposals go, and what becomes of those
// that the leader refuses.

import t from 'tap';

import { ErrorTable, type SharedErrorCode } from '../../../../../src/base/errors.js';
import { createLogger } from '../../../../../src/base/log/logger.js';
import { RaftError, type RawNode } from '../../../../../src/raft/index.js';
import {
  type Batching,
  defaultBatching,
} from '../../../../../src/server/replica/requests/batching.js';
import { Proposals } from '../../../../../src/server/replica/requests/proposals.js';
import { ManualClock } from '../../../../support/fakes/manual-clock.js';
import { nativeErrorRows } from '../../../../support/fakes/native-errors.js';

const errors = new ErrorTable(nativeErrorRows());
const log = createLogger(
  { level: 'fatal', format: 'json', outputs: [] },
  { write: () => undefined, close: () => undefined },
);

/** Where forwards say how many they are. */
const COUNT_AT = 12;

/** What native code gives for so many; null for none. */
function forwardsOf(count: number): Buffer | null {
  const head = Buffer.alloc(COUNT_AT + 4);
  head.writeUInt32LE(count, COUNT_AT);
  return count === 0 ? null : head;
}

function made(batching?: Batching) {
  const events: string[] = [];
  const queue: number[] = [];
  const holds: boolean[] = [];
  const wakes = { count: 0 };
  const raft = {
    leadTransferee: 0n,
    refuses: false,
    granted: false,
    // Entries that a batch adds to the log.
    appends: 0,
    log: { committed: 5, last: 5, lastIndex: () => raft.log.last },
    tracker: { ids: [1n, 2n, 3n] },
  };
  const clock = new ManualClock();
  const answers: ((refusal: SharedErrorCode | null | Error) => void)[] = [];
  const take = () => Uint32Array.from(queue.splice(0));
  const proposals = new Proposals({
    clock,
    core: {
      takeProposals: (_operations, _bytes, term, atLeast = 0) => {
        const sizes = queue.length < atLeast ? Uint32Array.of() : take();
        events.push(`take ${sizes.length} in ${term}`);
        return sizes;
      },
      holdProposals: (wakeAt) => {
        holds.push(wakeAt > 0);
      },
      dropProposals: (count, code) => events.push(`drop ${count}: ${errors.fromCode(code).code}`),
      takeForwards: (_operations, _bytes, _term, atLeast = 0) =>
        forwardsOf(queue.length < atLeast ? 0 : take().length),
      returnForwards: (forwards, code) => {
        events.push(
          `return ${forwards[COUNT_AT]}: ${code === 0 ? 'again' : errors.fromCode(code).code}`,
        );
        queue.push(...(code === 0 ? [1] : []));
      },
    },
    raw: {
      raft,
      propose: (payloads: unknown[]) => {
        if (raft.refuses) {
          throw new RaftError('proposal-dropped');
        }
        events.push(`propose ${payloads.length}`);
        raft.log.last += raft.appends;
      },
    } as unknown as RawNode,
    errors,
    peers: {
      forward: (to, term, forwards) => {
        events.push(`forward ${forwards[COUNT_AT]} to ${to} in ${term}`);
        return new Promise((resolve, reject) => {
          answers.push((answer) => (answer instanceof Error ? reject(answer) : resolve(answer)));
        });
      },
    },
    log,
    batching,
    isGranted: () => raft.granted,
    wake: () => {
      wakes.count++;
    },
  });
  const put = (...sizes: number[]) => {
    queue.push(...sizes);
    proposals.queued();
  };
  return { events, holds, wakes, clock, raft, answers, proposals, put };
}

const leading = { lead: 1n, isLeader: true, term: 4 };
const following = { lead: 2n, isLeader: false, term: 4 };
const leaderless = { lead: 0n, isLeader: false, term: 5 };

t.test('into the own log while leading, nowhere without a leader', async (t) => {
  const { events, proposals, put } = made();
  proposals.turn(leading);
  t.same(events, [], 'nothing waits');
  put(10, 20);
  proposals.turn(leaderless);
  t.same(events, []);
  proposals.turn(leading);
  t.same(events, ['take 2 in 4', 'propose 2']);
});

t.test('what is granted to native code is left to it, until it gives word', async (t) => {
  const { events, raft, proposals, put } = made();
  raft.granted = true;
  put(10, 20);
  proposals.turn(leading);
  t.same(events, []);
  raft.granted = false;
  proposals.turn(leading);
  t.same(events, ['take 2 in 4', 'propose 2'], 'what it has left, in the very turn');
});

t.test('small and slow batches are not left to native code', async (t) => {
  const runOperations = (change: Partial<Batching>) =>
    made({ ...defaultBatching, ...change }).proposals.runOperations;
  t.equal(runOperations({}), 8192);
  t.equal(runOperations({ maxOperations: 512 }), 512);
  t.equal(runOperations({ maxOperations: 511 }), 0);
  t.equal(runOperations({ enabled: false }), 0);
  t.equal(runOperations({ maxWaitMs: 1 }), 0);
});

t.test(
  'while leadership is handed over proposals wait; what Raft refuses is dropped',
  async (t) => {
    const { events, raft, proposals, put } = made();
    raft.leadTransferee = 3n;
    put(1);
    proposals.turn(leading);
    t.same(events, []);
    raft.leadTransferee = 0n;
    raft.refuses = true;
    proposals.turn(leading);
    t.same(events, ['take 1 in 4', 'drop 1: ProposalDropped']);
  },
);

t.test('to the leader otherwise; a refusal is tried again after a tick', async (t) => {
  const { events, answers, proposals, put } = made();
  put(1);
  proposals.turn(following);
  t.same(events, ['forward 1 to 2 in 4']);
  answers[0]?.('NotLeader');
  await new Promise(setImmediate);
  t.equal(events.at(-1), 'return 1: again');
  proposals.turn(following);
  t.equal(events.length, 2, 'not at once');
  proposals.retry();
  proposals.turn(following);
  t.equal(events.at(-1), 'forward 1 to 2 in 4');
  answers[1]?.(null);
  await new Promise(setImmediate);
  proposals.turn(following);
  t.equal(events.length, 3, 'nothing is left to do');
});

t.test('a leader that is busy says so; one that is silent leaves the outcome open', async (t) => {
  const { events, answers, proposals, put } = made();
  put(1);
  proposals.turn(following);
  answers[0]?.('TooManyRequests');
  await new Promise(setImmediate);
  t.equal(events.at(-1), 'return 1: TooManyRequests');
  put(1);
  proposals.turn(following);
  answers[1]?.(new Error('connection lost'));
  await new Promise(setImmediate);
  t.equal(events.at(-1), 'forward 1 to 2 in 4', 'never proposed a second time');
});

t.test('only so many batches are under way', async (t) => {
  const { events, clock, answers, proposals, put } = made();
  for (let i = 0; i < 10; i++) {
    put(1);
    proposals.turn(following);
    clock.advance(4);
  }
  t.equal(events.length, 8);
  answers[0]?.(null);
  await new Promise(setImmediate);
  proposals.turn(following);
  t.equal(events.at(-1), 'forward 2 to 2 in 4', 'what has waited goes as one');
});

t.test('what comes while the last batch is not committed gathers for a moment', async (t) => {
  const { events, holds, wakes, clock, raft, answers, proposals, put } = made();
  put(1);
  proposals.turn(following);
  put(1);
  put(1);
  proposals.turn(following);
  t.same(events.splice(0), ['forward 1 to 2 in 4']);
  t.same(holds, [true], 'nobody is woken for it');
  t.equal(wakes.count, 1);
  answers[0]?.(null);
  await new Promise(setImmediate);
  t.equal(wakes.count, 1, 'nor by the answer');
  raft.log.committed = 5;
  proposals.turn(following);
  raft.log.last = 7;
  proposals.turn(following);
  raft.log.committed = 6;
  proposals.turn(following);
  t.same(events, []);
  raft.log.committed = 7;
  proposals.turn(following);
  t.same(events.splice(0), ['forward 2 to 2 in 4'], 'what came behind it is committed');
  t.same(holds, [true, false, true]);
  put(1);
  clock.advance(3);
  proposals.turn(following);
  t.same(events, []);
  clock.advance(1);
  proposals.turn(following);
  t.same(events, ['forward 1 to 2 in 4'], 'a leader that is far away holds nobody up');
  put(1);
  answers[1]?.(null);
  answers[2]?.(new Error('connection lost'));
  await new Promise(setImmediate);
  t.equal(wakes.count, 3, 'a batch that is lost is no reason to wait');
  proposals.turn(following);
  t.same(events.at(-1), 'forward 1 to 2 in 4');
  t.equal(events.length, 2);
  clock.advance(4);
  proposals.turn(leaderless);
  t.equal(holds.at(-1), false, 'whoever leads next');
});

t.test('the next batch gathers while the last one is on its way to the others', async (t) => {
  const { events, holds, clock, raft, proposals, put } = made();
  raft.appends = 1;
  put(10);
  proposals.turn(leading);
  put(20);
  proposals.turn(leading);
  t.same(events, ['take 1 in 4', 'propose 1'], 'a round is under way');
  t.same(holds, [true]);
  put(30);
  raft.log.committed = 6;
  proposals.turn(leading);
  t.same(events.splice(0), ['take 1 in 4', 'propose 1', 'take 2 in 4', 'propose 2']);
  t.same(holds, [true, false, true]);
  put(40);
  clock.advance(3.5);
  proposals.turn(leading);
  t.same(events, []);
  clock.advance(0.5);
  proposals.turn(leading);
  t.same(events.splice(0), ['take 1 in 4', 'propose 1'], 'others that are far away hold nobody up');
  raft.tracker.ids = [1n];
  put(50);
  proposals.turn(leading);
  t.same(events, ['take 1 in 4', 'propose 1'], 'nobody else is asked');
  t.equal(holds.at(-1), false);
});

t.test('a turn comes for what gathers, whatever happens to the round', async (t) => {
  const { wakes, clock, raft, proposals, put } = made();
  raft.appends = 1;
  put(10);
  t.equal(wakes.count, 1);
  proposals.turn(leading);
  put(20);
  t.equal(wakes.count, 1, 'the end of the round is a turn');
  clock.advance(4);
  t.equal(wakes.count, 2);
});

t.test('batches of a given size follow each other without waiting for answers', async (t) => {
  const { events, holds, raft, proposals, put } = made({ ...defaultBatching, maxOperations: 2 });
  raft.appends = 1;
  put(10, 20);
  proposals.turn(leading);
  put(30);
  proposals.turn(leading);
  t.same(events, ['take 2 in 4', 'propose 2', 'take 1 in 4', 'propose 1']);
  t.same(holds, [true], 'only behind one that is not full');
});
