// Tests of src/api/metrics/native.ts against the addon: every native number has its family with the
// same bounds, and labels come into being with their first value.

import t from 'tap';
import { loadNative, nativeFamilies } from '../../../../src/api/metrics/native.js';
import { Metrics } from '../../../../src/base/metrics/metrics.js';
import { loadAddon } from '../../../../src/storage/loader.js';

const rows = loadAddon().metrics;
const sizeOf = ({ bounds }: { readonly bounds: readonly number[] | null }) =>
  bounds === null ? 1 : bounds.length + 2;
const size = rows.reduce((sum, row) => sum + sizeOf(row), 0);

t.test('names and bounds agree', async (t) => {
  const keys = new Set(rows.map(({ name }) => name.split('/')[0] ?? ''));
  t.strictSame([...keys].sort(), Object.keys(nativeFamilies).sort());
  for (const { name, bounds } of rows) {
    const [key = '', ...labels] = name.split('/');
    const family = nativeFamilies[key];
    t.strictSame(bounds ?? [], family?.bounds, name);
    t.equal(labels.length, family?.labels.length, name);
  }
});

t.test('values land in their places', async (t) => {
  const metrics = new Metrics();
  loadNative(metrics, rows, new Float64Array(size));
  t.notMatch(await metrics.text(), /etcd_server_apply_duration_seconds/);
  const values = Float64Array.from({ length: size }, (_, i) => i + 1);
  loadNative(metrics, rows, values);
  const text = await metrics.text();
  t.match(text, /^etcd_mvcc_put_total 1$/m);
  let at = 0;
  for (const row of rows) {
    if (row.name === 'applySeconds/v3/Put/true') {
      const buckets = [...values.subarray(at, at + sizeOf(row) - 1)];
      const count = buckets.reduce((sum, one) => sum + one, 0);
      const labels = 'op="Put",success="true",version="v3"';
      t.match(text, `etcd_server_apply_duration_seconds_count{${labels}} ${count}\n`);
      const sum = values[at + sizeOf(row) - 1];
      t.match(text, `etcd_server_apply_duration_seconds_sum{${labels}} ${sum}\n`);
    }
    at += sizeOf(row);
  }
});

t.test('a list that does not fit is a bug', async (t) => {
  t.throws(() => loadNative(new Metrics(), rows, new Float64Array(size + 1)), /as many/);
  const unknown = [{ name: 'other', bounds: null }];
  t.throws(() => loadNative(new Metrics(), unknown, new Float64Array(1)), /is known/);
});
