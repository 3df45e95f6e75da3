// Tests of src/server/upkeep/sizes.ts: the texts that a log of etcd shows for the same sizes.
// Taken from such logs.

import t from 'tap';

import { sizeText } from '../../../../src/server/upkeep/sizes.js';

t.test('sizes as a log shows them', async (t) => {
  t.equal(sizeText(0), '0 B');
  t.equal(sizeText(999), '999 B');
  t.equal(sizeText(12_288), '12 kB');
  t.equal(sizeText(20_480), '20 kB');
  t.equal(sizeText(6_029_312), '6.0 MB');
  t.equal(sizeText(104_857_600), '105 MB');
  t.equal(sizeText(9_663_676_416), '9.7 GB');
  t.equal(sizeText(8_589_934_592), '8.6 GB');
  t.equal(sizeText(2_147_483_648), '2.1 GB');
});
