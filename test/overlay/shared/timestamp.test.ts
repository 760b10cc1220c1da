import fc from 'fast-check';
import t from 'tap';
import { nanosecondsOf, secondsOf, timestampOf } from '../../../src/overlay/shared/timestamp.js';

t.test('known moments', async (t) => {
  t.strictSame(timestampOf(0), [0, 0]);
  t.strictSame(timestampOf(1999), [1, 999e6]);
  t.strictSame(timestampOf(1500.25), [1, 500_250_000]);
  t.strictSame(timestampOf(-1e-9), [-1, 999_999_999]);
  t.strictSame(timestampOf(-1), [-1, 999e6], 'before 1970 the nanoseconds still count upwards');
});

t.test('any moment: nanoseconds within a second, and none lost that a number of ms can tell', async () => {
  const moment = fc.tuple(fc.integer({ min: -1e12, max: 4e12 }), fc.integer({ min: 0, max: 999_999 }));
  fc.assert(
    fc.property(moment, ([whole, fraction]) => {
      const ms = whole + fraction / 1e6;
      const [seconds, nsec] = [secondsOf(ms), nanosecondsOf(ms)];
      const error = ms - (seconds * 1000 + nsec / 1e6);
      return Number.isInteger(seconds) && Number.isInteger(nsec) && nsec >= 0 && nsec < 1e9 && Math.abs(error) < 1e-3;
    }),
  );
});
