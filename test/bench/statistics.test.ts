// Medians, ratios and verdicts of the benchmark.

import t from 'tap';
import type { Row } from '../../bench/report/results.js';
import { median, ratioOf, verdicts } from '../../bench/report/statistics.js';

t.test('the median is the middle value, or between the two middle ones', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 3, 2]), 2.5);
  t.throws(() => median([]), RangeError);
});

t.test('a ratio compares the figures of the same round', async (t) => {
  const mount = { side: 'pbkfs', samples: [50, 500, 90] };
  const native = { side: 'native', samples: [100, 1000, 100] };
  t.strictSame(ratioOf(mount, native), { median: 0.5, least: 0.5, greatest: 0.9 });
});

t.test('a target is reached, missed or not measured', async (t) => {
  const row: Row = {
    id: 'case/row',
    what: 'row',
    unit: 'op/s',
    sides: [
      { side: 'pbkfs', samples: [80, 95] },
      { side: 'native', samples: [100, 100] },
    ],
    targets: [
      { against: 'native', atLeast: 0.875 },
      { against: 'native', atLeast: 0.9 },
      { value: true, atMost: 87.5 },
      { side: 'native', value: true, atMost: 99 },
      { against: 'not here', atLeast: 1 },
    ],
  };
  t.strictSame(
    verdicts(row).map(({ measured, reached }) => [measured, reached]),
    [
      [0.875, true],
      [0.875, false],
      [87.5, true],
      [100, false],
      [undefined, undefined],
    ],
  );
});
