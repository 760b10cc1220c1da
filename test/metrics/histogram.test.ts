// Times find the right bucket, and quantiles come out of the buckets again.

import t from 'tap';
import { BUCKETS, bucketBounds, bucketOf, quantile } from '../../src/metrics/histogram.js';

t.test('a time lies at or below its bucket bound and above the one before', async (t) => {
  t.equal(bucketBounds.length, BUCKETS - 1);
  t.equal(bucketBounds[0], 0.000008);
  t.equal(bucketBounds.at(-1), 16.777216);
  for (const [i, bound] of bucketBounds.entries()) {
    const ms = bound * 1000;
    t.equal(bucketOf(ms), i, `${bound} s itself`);
    t.equal(bucketOf(ms + 0.001), i + 1, `a microsecond above ${bound} s`);
    t.equal(bucketOf(ms + 0.0005), i + 1, `half a microsecond above ${bound} s`);
    t.equal(bucketOf(ms - 0.0005), i, `half a microsecond below ${bound} s`);
  }
});

t.test('what no clock should say does not leave the table', async (t) => {
  for (const ms of [0, -1, -1e12]) t.equal(bucketOf(ms), 0);
  for (const ms of [1e6, 1e12, Number.POSITIVE_INFINITY]) t.equal(bucketOf(ms), BUCKETS - 1);
});

t.test('quantiles are bounds of buckets', async (t) => {
  const buckets = Array.from({ length: BUCKETS }, () => 0);
  t.equal(quantile({ count: 0, sumSeconds: 0, buckets }, 0.5), 0);
  buckets[2] = 90;
  buckets[5] = 9;
  buckets[BUCKETS - 1] = 1;
  const all = { count: 100, sumSeconds: 1, buckets };
  t.equal(quantile(all, 0.5), bucketBounds[2]);
  t.equal(quantile(all, 0.9), bucketBounds[2]);
  t.equal(quantile(all, 0.95), bucketBounds[5]);
  t.equal(quantile(all, 1), Number.POSITIVE_INFINITY);
});
