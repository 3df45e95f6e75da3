// Tests of src/state/alarms.ts: the set of active alarms follows the log.
// Runs without a server and without the addon.

import t from 'tap';

import { Alarms, AlarmType } from '../../../src/state/alarms.js';

t.test('alarms are raised and cleared by member and kind', async (t) => {
  const alarms = new Alarms();
  alarms.restore([{ memberId: 1n, alarm: AlarmType.NoSpace }]);
  alarms.changed(2n, AlarmType.Corrupt, true);
  alarms.changed(2n, AlarmType.Corrupt, true);
  t.equal(alarms.list().length, 2, 'raising twice is raising');
  t.ok(alarms.has(AlarmType.Corrupt));
  alarms.changed(1n, AlarmType.Corrupt, false);
  t.equal(alarms.list().length, 2, 'clearing what is not raised changes nothing');
  alarms.changed(1n, AlarmType.NoSpace, false);
  t.notOk(alarms.has(AlarmType.NoSpace));
  t.same(alarms.list(), [{ memberId: 2n, alarm: AlarmType.Corrupt }]);
});
