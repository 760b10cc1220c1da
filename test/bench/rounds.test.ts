// The order in which the sides of a row are measured, and what counts.

import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { interleave } from '../../bench/run/rounds.js';

/** Two sides that count how often they were measured; `log` has the order. */
function twoSides() {
  const log: string[] = [];
  const side = (name: string) => ({
    side: name,
    measure: async () => {
      await sleep(1);
      log.push(name);
      return { value: log.length };
    },
  });
  return { log, contestants: [side('a'), side('b')] };
}

t.test('every second round runs backwards; every round counts', async (t) => {
  const { log, contestants } = twoSides();
  const results = await interleave(contestants, { rounds: 2 });
  t.strictSame(log, ['a', 'b', 'b', 'a']);
  t.strictSame(results, [
    { side: 'a', samples: [1, 4] },
    { side: 'b', samples: [2, 3] },
  ]);
});

t.test(
  'warming up comes before the rounds and does not count, but for the first figure, which stands apart',
  async (t) => {
    const { log, contestants } = twoSides();
    const results = await interleave(contestants, { rounds: 1, warmUp: 0.05 });
    const firstOfB = log.indexOf('b');
    t.ok(firstOfB > 1, 'a side is measured more than once');
    t.strictSame(results, [
      { side: 'a', samples: [log.length - 1], atFirst: 1 },
      { side: 'b', samples: [log.length], atFirst: firstOfB + 1 },
    ]);
  },
);
