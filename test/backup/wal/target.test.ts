// How far recovery gets with the WAL there is: gaps, damage, other clusters, and the edges of targets.

import t from 'tap';
import { timestamp, WalWriter } from '../../support/wal-writer.js';
import { at, FIRST, history, NOON, reason, SECOND, SEGMENT, world, xids } from './target-world.js';

t.test('targets on the very edge', async (t) => {
  const wal = history(6);
  const { check } = world(t, wal);
  t.equal(
    reason(() => check(at(4.999_999))),
    'reached',
  );
  t.match(
    reason(() => check(at(5))),
    /no later transaction.*\n.*times before 2026-11-21 12:00:05\+00, LSNs from.*\n.*pg_switch_wal/,
  );
  t.equal(
    reason(() => check(at(5), 'current', false)),
    'reached',
    'just before it',
  );
  t.match(
    reason(() => check(at(5.000_001), 'current', false)),
    /no later transaction/,
  );
  const last = wal.records.at(-1)!;
  const consistent = wal.records[2]!;
  const lsn = (lsn: number): string => reason(() => check({ kind: 'lsn', lsn }));
  t.equal(lsn(last), 'reached', 'where the last record begins');
  t.match(lsn(last + 1), /ends before\n.*LSNs from 0\/2000\S+ to 0\/23/, 'within it');
  t.match(lsn(wal.end), /ends before/, 'where it ends');
  t.equal(lsn(consistent), 'reached', 'where the backup becomes consistent');
  t.match(lsn(consistent - 1), /consistent only from/);
  t.equal(
    reason(() => check({ kind: 'xid', xid: 105 })),
    'reached',
  );
  t.match(
    reason(() => check({ kind: 'xid', xid: 106 })),
    /its end is not in the WAL/,
  );
  t.match(
    reason(() => check({ kind: 'xid', xid: 4_294_967_295 })),
    /its end is not in the WAL/,
  );
});

t.test('a time within the second of backup.control at which recovery would stop too early', async (t) => {
  const begin = new WalWriter(FIRST).record(100).commit(99, NOON + 0.4 * SECOND);
  const wal = begin
    .commit(100, NOON + 0.6 * SECOND)
    .fillTo(FIRST + SEGMENT / 2)
    .commit(101, NOON + 3 * SECOND);
  const { check } = world(t, wal, '7', { 'recovery-time': `'2026-11-21 12:00:00+00'` });
  const [before, within] = ['2026-11-21 11:59:59', '2026-11-21 12:00:00'].map((time) => `backup .* to ${time}`);
  t.match(
    reason(() => check(at(-0.1))),
    new RegExp(`${before}\\.900000\\+00: it is consistent only from 2026-11-21 12:00:00\\+00 on`),
  );
  t.match(
    reason(() => check(at(0.2))),
    new RegExp(
      `${within}\\.2.*: recovery would end at a transaction of 2026-11-21 12:00:00\\.4.*, before it is consistent\\nchoose an older`,
    ),
  );
  t.match(
    reason(() => check(at(0.4), 'current', false)),
    /recovery would end at/,
  );
  for (const seconds of [0.4, 0.5, 1.5, 2.9])
    t.equal(
      reason(() => check(at(seconds))),
      'reached',
      `${seconds}`,
    );
});

t.test(
  "a server whose clock was set back: recovery to a time ends at the first later one in the WAL's order",
  async (t) => {
    const wal = history(3).commit(103, NOON + 3600 * SECOND);
    const { check } = world(t, wal.fillTo(FIRST + 3 * SEGMENT).commit(104, NOON + 5 * SECOND));
    t.equal(
      reason(() => check(at(3599))),
      'reached',
    );
    t.equal(
      reason(() => check(at(3600), 'current', false)),
      'reached',
    );
    t.match(
      reason(() => check(at(3600))),
      /no later transaction/,
    );
  },
);

t.test('a restore-command of the catalog, which nobody runs, is named where WAL is missing', async (t) => {
  const { check, configure, drop } = world(t, history(6));
  configure("restore-command = 'scp standby:/wal/%f %p'");
  const named =
    /; the restore-command in pg_probackup\.conf of main is not used: "pbkfs mount --restore-command" takes it$/m;
  for (const target of [at(9), { kind: 'xid', xid: 106 }, { kind: 'name', name: 'x' }] as const)
    t.match(
      reason(() => check(target)),
      named,
      target.kind,
    );
  t.notMatch(
    reason(() => check({ kind: 'lsn', lsn: 1 })),
    'restore-command',
    'no WAL helps there',
  );
  drop('000000010000000000000020');
  t.match(
    reason(() => check({ kind: 'immediate' })),
    named,
  );
  configure('restore-command = None');
  t.notMatch(
    reason(() => check({ kind: 'immediate' })),
    'restore-command',
  );
});

t.test('transaction ids begin again at 3 after 2^32', async (t) => {
  const wal = new WalWriter(FIRST)
    .record(100)
    .record(100)
    .commit(4_294_967_295, NOON)
    .commit(3, NOON + SECOND);
  const { check, path } = world(t, wal.record(24));
  t.strictSame(xids(path()), [4_294_967_295, 3]);
  t.equal(
    reason(() => check({ kind: 'xid', xid: 4_294_967_295 })),
    'reached',
  );
  t.equal(
    reason(() => check({ kind: 'xid', xid: 3 })),
    'reached',
  );
});

t.test('what ended before the backup was consistent is no target, and says nothing of later times', async (t) => {
  const point = Buffer.concat([timestamp(NOON + 3600 * SECOND), Buffer.alloc(8)]);
  const wal = new WalWriter(FIRST)
    .record(100)
    .commit(99, NOON + 3600 * SECOND)
    .record(100)
    .commit(100, NOON);
  const { check } = world(t, wal.main(0, 0x70, point).record(24));
  t.match(
    reason(() => check({ kind: 'xid', xid: 99 })),
    /it ended at .*, before the backup is consistent\nchoose an older backup/,
  );
  t.match(
    reason(() => check(at(60))),
    /no later transaction/,
  );
});

t.test('the end of a prepared transaction: its time counts, and it may be the one that is asked for', async (t) => {
  const { check } = world(
    t,
    history(2)
      .main(1, 0x30, timestamp(NOON + 9 * SECOND))
      .record(24),
  );
  t.equal(
    reason(() => check(at(8))),
    'reached',
  );
  t.equal(
    reason(() => check({ kind: 'xid', xid: 999 })),
    'reached',
  );
});

t.test('a missing segment ends the range, and is named with what lies behind it', async (t) => {
  const { check, drop, path } = world(t, history(8));
  t.equal(path().behindGap(), undefined);
  drop('000000010000000000000022');
  const told = reason(() => check(at(6)));
  t.match(told, /segment 000000010000000000000022 is missing, before 000000010000000000000023\n/);
  t.match(told, /times before 2026-11-21 12:00:02\+00/);
  t.match(
    reason(() => check({ kind: 'xid', xid: 107 })),
    /000000010000000000000022 is missing/,
  );
  t.equal(
    reason(() => check(at(1))),
    'reached',
  );
  // PostgreSQL would call the gap the end, and whatever is behind it would be missing without a word.
  t.match(
    reason(() => check({ kind: 'latest', whole: true })),
    /cannot be recovered to the end of the WAL: .*000000010000000000000022 is missing, before 000000010000000000000023\n/,
  );
  t.equal(
    reason(() => check({ kind: 'latest' })),
    'reached',
    'what is there is enough for whoever names no target',
  );
  drop('000000010000000000000023');
  drop('000000010000000000000024');
  t.equal(
    reason(() => check({ kind: 'latest', whole: true })),
    'reached',
    'nothing is there behind it',
  );
  drop('000000010000000000000020');
  t.match(
    reason(() => check(at(1))),
    /needs the WAL from/,
  );
});

t.test('recovery stops at damage, and so do the events', async (t) => {
  const wal = history(8);
  const segment = wal.segments.get(0x21)!;
  const flip = (): void => {
    segment[300_000]! ^= 1;
  };
  flip();
  const { path } = world(t, wal);
  const damaged = path();
  t.strictSame(xids(damaged), [100, 101]);
  t.match(damaged.fault, { segment: 0x21, message: /does not have its CRC/ });
  t.equal(damaged.nameOf(0x21), '000000010000000000000021');
  flip();
  const whole = world(t, wal).path();
  t.strictSame(xids(whole), [100, 101, 102, 103, 104, 105, 106, 107]);
  t.match(whole.fault, { segment: 0x24, message: /no record follows/ }, 'where WAL simply ends');
});

t.test('a segment of another cluster is not ours', async (t) => {
  const wal = history(8);
  const { path, put } = world(t, wal);
  const foreign = Buffer.from(wal.segments.get(0x22)!);
  foreign.writeBigUInt64LE(8n, 24);
  put('000000010000000000000022', foreign);
  const met = path();
  t.strictSame(xids(met), [100, 101, 102]);
  t.match(met.fault, { segment: 0x22, message: /another cluster \(8, not 7\)/ });
});

t.test('a record given up by a crash is passed over on the way to a target', async (t) => {
  const wal = new WalWriter(FIRST)
    .record(100)
    .record(100)
    .commit(100, NOON)
    .fillTo(FIRST + SEGMENT - 5000);
  wal
    .abandoned(30_000)
    .record(88)
    .commit(101, NOON + SECOND)
    .fillTo(FIRST + SEGMENT + 9000);
  const { path, check } = world(t, wal);
  t.strictSame(xids(path()), [100, 101]);
  t.equal(
    reason(() => check({ kind: 'xid', xid: 101 })),
    'reached',
  );
  t.match(path().end(), { lastTime: NOON + SECOND, lastRecord: wal.records.at(-1)! });
});
