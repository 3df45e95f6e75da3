// Texts of GET /metrics: what a value becomes, and that a histogram's counts are what native code
// counted.

import t from 'tap';
import { MetricText } from '../../../src/api/http/metrics.js';

t.test('values with and without labels', async (t) => {
  const text = new MetricText();
  text.add('gauge', 'a', 1.5);
  text.add('counter', 'b_total', 2, { x: 'y', z: '1' });
  t.equal(
    text.toString(),
    '# TYPE a gauge\na 1.5\n# TYPE b_total counter\nb_total{x="y",z="1"} 2\n',
  );
});

t.test('a histogram whose counts are accumulated already', async (t) => {
  // Four values: 0.5, 1, 3 and 9, of which the last is above every bound.
  const text = new MetricText();
  text.histogram('h', [1, 2, 4], { buckets: [2, 2, 3], sum: 13.5 }, 4);
  t.strictSame(text.toString().trimEnd().split('\n'), [
    '# TYPE h histogram',
    'h_bucket{le="1"} 2',
    'h_bucket{le="2"} 2',
    'h_bucket{le="4"} 3',
    'h_bucket{le="+Inf"} 4',
    'h_sum 13.5',
    'h_count 4',
  ]);
});
