// Times of recovery targets as people type them.

import t from 'tap';
import { targetTime } from '../../src/cli/recovery-options.js';

const seconds = (text: string): number => targetTime(text) / 1e6;
const at = (text: string): number => Date.parse(text) / 1000;

t.test('a time with a zone, to the microsecond', async (t) => {
  t.equal(seconds('2026-11-21 04:28:33+00'), at('2026-11-21T04:28:33Z'));
  t.equal(seconds('2026-11-21T04:28:33.25z'), at('2026-11-21T04:28:33.250Z'));
  t.equal(seconds(' 2026-11-21 04:28 +0530 '), at('2026-11-20T22:58:00Z'));
  t.equal(seconds('2028-02-29 00:00:00-03'), at('2028-02-29T03:00:00Z'), 'a leap day');
  t.equal(targetTime('2026-11-21 04:28:33.087043+00') % 1e6, 87_043);
});

t.test('a day or time that there is not is refused, not taken for another one', async (t) => {
  for (const text of [
    '2026-02-30 10:00:00',
    '2026-02-29 10:00:00+00',
    '2026-11-31 04:56:05',
    '2026-13-01 00:00:00',
    '2026-11-21 25:00:00',
    '2026-11-21 04:28:33+25',
    '2026-11-21 04:28:33 MSK',
    '2026-11-21',
    '04:28',
    'yesterday',
  ]) {
    t.throws(() => targetTime(text), { message: /It must be a time like "2026-/ }, text);
  }
});
