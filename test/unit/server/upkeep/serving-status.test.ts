// Tests of src/server/upkeep/serving-status.ts: what is told when, also when works overlap and
// fail.

import t from 'tap';

import { createLogger } from '../../../../src/base/log/logger.js';
import { ServingStatus } from '../../../../src/server/upkeep/serving-status.js';

function made() {
  const lines: { level: string; msg: string; status: string; reason?: string }[] = [];
  const log = createLogger(
    { level: 'info', format: 'json', outputs: [] },
    { write: (line) => lines.push(JSON.parse(String(line))), close() {} },
  );
  return { serving: new ServingStatus(log), lines };
}

t.test('not serving while any work goes on', async (t) => {
  const { serving, lines } = made();
  const told: boolean[] = [];
  const stop = serving.onChange((isServing) => told.push(isServing));
  t.ok(serving.isServing);
  let endFirst = () => {};
  let failSecond = () => {};
  const first = serving.paused('one', () => new Promise<void>((resolve) => (endFirst = resolve)));
  const second = serving.paused(
    'two',
    () => new Promise<void>((_resolve, reject) => (failSecond = () => reject(new Error('two')))),
  );
  t.notOk(serving.isServing);
  endFirst();
  await first;
  t.notOk(serving.isServing, 'the second goes on');
  failSecond();
  await t.rejects(second, { message: 'two' });
  t.ok(serving.isServing);
  t.same(told, [false, true]);
  t.match(lines, [
    { level: 'warn', msg: 'grpc service status changed', status: 'NOT_SERVING', reason: 'one' },
    { level: 'info', msg: 'grpc service status changed', status: 'SERVING' },
  ]);
  stop();
  await serving.paused('three', async () => undefined);
  t.same(told, [false, true], 'nobody listens any more');
});
