// The regression guard: ratios of two runs are compared, whatever the machines.

import t from 'tap';
import { compareRuns, describeRegressions } from '../../bench/report/guard.js';
import { matchWhole } from '../support/match-whole.js';
import { resultOf, rowOf } from './result.js';

const committed = resultOf([
  rowOf('reads', [0.9, 1], { atLeast: 0.9 }),
  rowOf('waits', [1.5, 1.5], { atMost: 2 }),
  { ...rowOf('seconds', [1, 1], {}), targets: [{ value: true, atMost: 1 }] },
]);

t.test('the same run has no regression', async (t) => {
  t.strictSame(compareRuns(committed, committed), { compared: 2, regressions: [] });
});

t.test('a ratio that falls by more than the tolerance is a regression, where more is better', async (t) => {
  const now = resultOf([rowOf('reads', [0.7, 0.72], { atLeast: 0.9 }), rowOf('waits', [1, 1], { atMost: 2 })]);
  const { compared, regressions } = compareRuns(committed, now);
  t.equal(compared, 2);
  matchWhole(t, regressions, [{ row: 'reads', against: 'native', before: 0.95, now: 0.71 }]);
  t.match(describeRegressions(regressions)[0], /^reads \(what reads does\): 0\.71 of native, was 0\.95/);
  t.strictSame(compareRuns(committed, now, 0.3).regressions, [], 'not with a greater tolerance');
});

t.test('a ratio that grows is a regression where less is better', async (t) => {
  const now = resultOf([rowOf('reads', [2, 2], { atLeast: 0.9 }), rowOf('waits', [2, 2], { atMost: 2 })]);
  matchWhole(t, compareRuns(committed, now).regressions, [{ row: 'waits', before: 1.5, now: 2 }]);
});

t.test('a machine that is ten times slower has no regression, and new or missing rows are passed over', async (t) => {
  const slower = resultOf([
    {
      ...rowOf('reads', [0.9, 1], { atLeast: 0.9 }),
      sides: rowOf('reads', [0.9, 1], {}).sides.map(({ side, samples }) => ({
        side,
        samples: samples.map((n) => n / 10),
      })),
    },
    { ...rowOf('seconds', [50, 50], {}), targets: [{ value: true, atMost: 1 }] },
    rowOf('new', [0.1, 0.1], { atLeast: 1 }),
  ]);
  t.strictSame(compareRuns(committed, slower), { compared: 1, regressions: [] });
});
