// Tests of src/server/replica/read-index.ts: rounds start after their reads, are repeated, end.
// Each test drives the rounds as the replica loop would.

import t from 'tap';

import { ErrorTable } from '../../../../../src/base/errors.js';
import { ReadIndexRounds } from '../../../../../src/server/replica/requests/read-index.js';
import { nativeErrorRows } from '../../../../support/fakes/native-errors.js';

const errors = new ErrorTable(nativeErrorRows());

function rounds() {
  const events: string[] = [];
  const asked: Uint8Array[] = [];
  let batch = 0;
  let waiting = 0;
  const gate = {
    freezeReads: () => {
      if (waiting === 0) {
        return 0;
      }
      waiting = 0;
      events.push(`freeze ${++batch}`);
      return batch;
    },
    releaseReads: (released: number, index: number) => {
      events.push(`release ${released} at ${index}`);
    },
    failReads: (failed: number, code: number) => {
      events.push(`fail ${failed} with ${errors.fromCode(code).code}`);
    },
  };
  const reads = new ReadIndexRounds(gate, errors, 7000, 0n, (context) => {
    asked.push(context);
    events.push('ask');
  });
  const arrive = () => {
    waiting++;
    reads.nativeReadsWait();
  };
  return { reads, events, asked, arrive };
}

t.test('reads are frozen before their round, later ones wait for the next', async (t) => {
  const { reads, events, asked, arrive } = rounds();
  reads.turn(0);
  t.same(events, [], 'nothing waits');
  arrive();
  reads.turn(1);
  t.same(events, ['freeze 1', 'ask']);
  arrive();
  reads.turn(2);
  t.same(events.length, 2, 'one round at a time');
  reads.answered({ index: 10, requestCtx: asked[0] as Uint8Array });
  t.equal(events.at(-1), 'release 1 at 10');
  t.ok(reads.waiting);
  reads.turn(3);
  t.same(events.slice(-2), ['freeze 2', 'ask']);
  reads.answered({ index: 10, requestCtx: asked[0] as Uint8Array });
  t.equal(events.at(-1), 'ask', 'an old answer releases nothing');
  reads.answered({ index: 12, requestCtx: asked[1] as Uint8Array });
  t.equal(events.at(-1), 'release 2 at 12');
  reads.answered({ index: 1, requestCtx: new Uint8Array(3) });
});

t.test('a question without an answer is repeated, and given up', async (t) => {
  const { reads, events, arrive } = rounds();
  arrive();
  reads.turn(0);
  reads.turn(499);
  t.equal(events.filter((event) => event === 'ask').length, 1);
  reads.turn(500);
  reads.turn(1000);
  t.equal(events.filter((event) => event === 'ask').length, 3);
  reads.turn(7000);
  t.equal(events.at(-1), 'fail 1 with Timeout');
  arrive();
  reads.turn(7001);
  t.same(events.slice(-2), ['freeze 2', 'ask'], 'the next ones start anew');
});

t.test('a new leader fails the round, stopping fails everybody', async (t) => {
  const { reads, events, asked, arrive } = rounds();
  arrive();
  const confirmed = reads.confirm();
  reads.turn(0);
  reads.fail('LeaderChanged');
  t.equal(events.at(-1), 'fail 1 with LeaderChanged');
  await t.rejects(confirmed, { code: 'LeaderChanged' });
  const second = reads.confirm();
  reads.turn(1);
  reads.answered({ index: 5, requestCtx: asked.at(-1) as Uint8Array });
  t.equal(await second, 5, 'waiters of TypeScript alone need no batch');
  const third = reads.confirm();
  reads.failAll('Stopped');
  await t.rejects(third, { code: 'Stopped' });
});
