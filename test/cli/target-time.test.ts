// Times of recovery targets as people type them.

import t from 'tap';
import { targetTime } from '../../src/cli/target-time.js';

const seconds = (text: string): number => targetTime(text) / 1e6;
const at = (text: string): number => Date.parse(text) / 1000;

t.test('a time with a zone, to the microsecond', async (t) => {
  t.equal(seconds('2026-11-21 04:28:33+00'), at('2026-11-21T04:28:33Z'));
  t.equal(seconds('2026-11-21T04:28:33.25z'), at('2026-11-21T04:28:33.250Z'));
  t.equal(seconds(' 2026-11-21 04:28 +0530 '), at('2026-11-20T22:58:00Z'));
  t.equal(seconds('2028-02-29 00:00:00-03'), at('2028-02-29T03:00:00Z'), 'a leap day');
  t.equal(targetTime('2026-11-21 04:28:33.087043+00') % 1e6, 87_043);
});

t.test('distances from UTC as PostgreSQL reads them', async (t) => {
  t.equal(seconds('2026-11-21 04:28:33+3'), at('2026-11-21T01:28:33Z'));
  t.equal(seconds('2026-11-21 04:28:33 -3:30'), at('2026-11-21T07:58:33Z'));
  t.equal(seconds('2026-11-21 04:28:33+530'), at('2026-11-20T22:58:33Z'));
});

t.test('a zone by its name, in winter and in summer', async (t) => {
  t.equal(seconds('2026-11-21 04:56:05.5 Europe/Moscow'), at('2026-11-21T01:56:05.500Z'));
  t.equal(seconds('2026-11-21 04:56 europe/berlin'), at('2026-11-21T03:56:00Z'));
  t.equal(seconds('2026-07-21 04:56 Europe/Berlin'), at('2026-07-21T02:56:00Z'));
  t.equal(seconds('2026-07-21 04:56 America/Argentina/Buenos_Aires'), at('2026-07-21T07:56:00Z'));
  t.equal(seconds('2026-07-21 04:56 Etc/GMT+3'), at('2026-07-21T07:56:00Z'), 'the sign of POSIX, as in PostgreSQL');
  t.equal(seconds('2014-10-25 12:00 Europe/Moscow'), at('2014-10-25T08:00:00Z'), 'the day before its law changed');
  t.throws(() => targetTime('2026-11-21 04:56 Europe/Moskau'), { message: /Moskau is not a known zone.*as in "2026/ });
});

t.test('a time that clocks showed twice, or never, is refused with the choice', async (t) => {
  t.throws(() => targetTime('2026-10-25 02:30 Europe/Berlin'), {
    message: /showed that time twice: say "2026-10-25 02:30\+02:00" or "2026-10-25 02:30\+01:00"\.$/,
  });
  t.throws(() => targetTime('2014-10-26 01:30 Europe/Moscow'), { message: /01:30\+04:00" or .*01:30\+03:00"/ });
  t.throws(() => targetTime('2026-03-29 02:30 Europe/Berlin'), { message: /put forward over that time/ });
  t.throws(() => targetTime('2026-10-04 02:15 Australia/Lord_Howe'), { message: /put forward/ }, 'by half an hour');
  t.equal(seconds('2026-10-25 01:59:59 Europe/Berlin'), at('2026-10-24T23:59:59Z'), 'just before');
  t.equal(seconds('2026-10-25 03:00 Europe/Berlin'), at('2026-10-25T02:00:00Z'), 'just behind');
  t.equal(seconds('2026-03-29 03:00 Europe/Berlin'), at('2026-03-29T01:00:00Z'));
});

t.test('without a zone: that of the process, whatever way TZ names it', async (t) => {
  const tz = process.env.TZ;
  t.teardown(() => {
    if (tz === undefined) delete process.env.TZ;
    else process.env.TZ = tz;
  });
  const local = (zone: string, text: string): number => {
    process.env.TZ = zone;
    return seconds(text);
  };
  t.equal(local('Europe/Berlin', '2026-07-21 05:00'), at('2026-07-21T03:00:00Z'));
  t.equal(local(':Europe/Berlin', '2026-07-21 05:00'), at('2026-07-21T03:00:00Z'));
  t.equal(local('/usr/share/zoneinfo/Europe/Berlin', '2026-07-21 05:00'), at('2026-07-21T03:00:00Z'));
  const localtime = t.fixture('symlink', 'zoneinfo/Europe/Berlin');
  const etc = t.testdir({ localtime, zoneinfo: { Europe: { Berlin: '' } } });
  t.equal(local(`:${etc}/localtime`, '2026-07-21 05:00'), at('2026-07-21T03:00:00Z'), 'as :/etc/localtime is');
  t.equal(local('MSK-3', '2026-07-21 05:00'), at('2026-07-21T02:00:00Z'));
  t.equal(local('<-0330>3:30', '2026-07-21 05:00'), at('2026-07-21T08:30:00Z'));
  t.equal(local('UTC0', '2026-07-21 05:00'), at('2026-07-21T05:00:00Z'));
  t.equal(local('', '2026-07-21 05:00'), at('2026-07-21T05:00:00Z'));
  t.throws(() => local('Europe/Berlin', '2026-10-25 02:30'), { message: /twice/ });
  for (const zone of ['CET-1CEST,M3.5.0,M10.5.0/3', 'Nonsense', '/srv/zone']) {
    t.throws(() => local(zone, '2026-07-21 05:00'), { message: /The local zone .* is not a known zone/ }, zone);
    t.equal(local(zone, '2026-07-21 05:00+00'), at('2026-07-21T05:00:00Z'), 'needs no local zone');
  }
});

t.test('a day or time that there is not is refused, not taken for another one', async (t) => {
  for (const text of [
    '2026-02-30 10:00:00',
    '2026-02-29 10:00:00+00',
    '2026-11-31 04:56:05',
    '2026-13-01 00:00:00',
    '2026-11-21 25:00:00',
    '2026-11-21 04:28:33+25',
    '2026-11-21 04:28:33,087',
    '2026-11-21 04:28.5+00',
    '2026-11-21 04:28:33 UTC+3',
    '2026-11-21 04:28:33 MSK',
    '2026-11-21',
    '04:28',
    'yesterday',
  ]) {
    t.throws(() => targetTime(text), { message: /It must be a time like "2026-/ }, text);
  }
});
