// Tests of src/server/replica/tickets.ts and src/server/waits.ts: what ends a wait, and what may
// not.

import t from 'tap';

import { ErrorTable, MetaStoreError } from '../../../../../src/base/errors.js';
import { Tickets } from '../../../../../src/server/replica/requests/tickets.js';
import { RequestTimes } from '../../../../../src/server/serving/request-times.js';
import { Waits } from '../../../../../src/server/serving/waits.js';
import { ManualClock } from '../../../../support/fakes/manual-clock.js';
import { nativeErrorRows } from '../../../../support/fakes/native-errors.js';

const errors = new ErrorTable(nativeErrorRows());

t.test('a held ticket is past the request timeout', async (t) => {
  const tickets = new Tickets(errors, new RequestTimes(), () => 0);
  const timeout = () => MetaStoreError.of('Timeout');
  const [slow, lost] = [tickets.next(), tickets.next()];
  const held = tickets.settleLater(slow, 'proposal', 0);
  const expired = tickets.settleLater(lost, 'proposal', 0);
  tickets.hold(slow);
  tickets.expire(8000, () => new Float64Array(0), timeout);
  await t.rejects(expired, { code: 'Timeout' });
  t.equal(tickets.size, 1);
  tickets.settle(slow, 0, Buffer.from('done'));
  t.equal(String(await held), 'done');
  tickets.hold(lost);
  t.equal(tickets.size, 0, 'holding what has ended changes nothing');
});

t.test('waiting for an index ends with it, or after the timeout', async (t) => {
  const clock = new ManualClock();
  const waits = new Waits(clock, 7000);
  await waits.applied(5, 5);
  const reached = waits.applied(6, 5);
  const late = waits.applied(9, 5);
  waits.noteApplied(6);
  await reached;
  clock.advance(7001);
  await t.rejects(late, { code: 'TimeoutWaitApplied' });
  const stopped = waits.applied(10, 6);
  waits.fail();
  await t.rejects(stopped, { code: 'Stopped' });
});
