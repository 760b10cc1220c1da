// How far recovery gets with the WAL there is: gaps, damage, other clusters, timelines, and the edges of targets.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { backupIdOf, openCatalog } from '../../../src/backup/index.js';
import {
  checkTarget,
  formatLsn,
  type RecoveryTarget,
  type TimelineTarget,
  WalPath,
} from '../../../src/backup/wal/index.js';
import { startTime, writeCatalog } from '../../support/catalog-writer.js';
import { temporaryDirectory } from '../../support/swept.js';
import { WalWriter } from '../../support/wal-writer.js';

const SEGMENT = 1 << 20;
const FIRST = 0x20 * SEGMENT;
const NOON = Date.parse('2026-11-21T12:00:00Z') * 1000;
const SECOND = 1_000_000;

/** Transactions 100, 101 … at noon and every second after; each fills half a segment. */
function history(transactions: number): WalWriter {
  const wal = new WalWriter(FIRST).record(100).record(100);
  for (let n = 0; n < transactions; n++) {
    wal.fillTo(FIRST + (n + 1) * (SEGMENT / 2)).commit(100 + n, NOON + n * SECOND);
  }
  return wal;
}

interface World {
  readonly put: (name: string, bytes: Buffer | string) => void;
  readonly drop: (name: string) => void;
  /** Adds a line to pg_probackup.conf. */
  readonly configure: (line: string) => void;
  readonly path: (timeline?: TimelineTarget) => WalPath;
  readonly check: (target: RecoveryTarget, timeline?: TimelineTarget, inclusive?: boolean) => void;
}

/** An ARCHIVE backup that is consistent behind the second record. */
function world(t: Test, wal: WalWriter, system = '7'): World {
  const root = temporaryDirectory('pbkfs-target-');
  t.teardown(() => rmSync(root, { recursive: true }));
  const control = { stream: 'false', 'start-lsn': formatLsn(wal.records[0]!), 'stop-lsn': formatLsn(wal.records[2]!) };
  writeCatalog(root, [{ start: startTime(0), mode: 'FULL', files: [], control }]);
  const config = `system-identifier = ${system}\nxlog-seg-size = ${SEGMENT}\n`;
  writeFileSync(join(root, 'backups/main/pg_probackup.conf'), config);
  const put: World['put'] = (name, bytes) => writeFileSync(join(root, 'wal/main', name), bytes);
  for (const [name, bytes] of wal.files()) put(name, bytes);
  const catalog = openCatalog(root);
  const backup = catalog.backup('main', backupIdOf(startTime(0)));
  return {
    put,
    configure: (line) => writeFileSync(join(root, 'backups/main/pg_probackup.conf'), `${config}${line}\n`),
    drop: (name) => rmSync(join(root, 'wal/main', name)),
    path: (timeline = 'current') => new WalPath(catalog, 'main', backup, timeline),
    check: (target, timeline = 'current', inclusive = true) =>
      checkTarget(catalog, 'main', backup, target, timeline, inclusive),
  };
}

const xids = (path: WalPath): number[] => [...path.events()].map((event) => (event.kind === 'commit' ? event.xid : -1));
const reason = (call: () => void): string => {
  try {
    call();
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string };
    return `${message}\n${hint}`;
  }
  return 'reached';
};
const at = (seconds: number): RecoveryTarget => ({ kind: 'time', time: NOON + seconds * SECOND });

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

t.test('timelines', async (t) => {
  const old = history(3);
  const fork = old.end;
  const child = old
    .branch(2)
    .fillTo(fork + 100_000)
    .commit(200, NOON + 100 * SECOND)
    .fillTo(fork + SEGMENT);
  old.commit(103, NOON + 3 * SECOND).fillTo(fork + SEGMENT);
  const { path, put, check, drop } = world(t, old);
  for (const [name, bytes] of child.files()) put(name, bytes);
  put('00000002.history', `# of a promotion\n\n1\t${formatLsn(fork)}\tno recovery target specified\n`);
  await t.test('each leads to its own transactions', async (t) => {
    t.strictSame(xids(path('current')), [100, 101, 102, 103]);
    t.strictSame(xids(path('latest')), [100, 101, 102, 200]);
    t.strictSame(xids(path(2)), [100, 101, 102, 200]);
    t.equal(
      reason(() => check({ kind: 'xid', xid: 200 }, 2)),
      'reached',
    );
    t.match(
      reason(() => check({ kind: 'xid', xid: 200 }, 1)),
      /its end is not in the WAL/,
    );
  });
  await t.test('what lies on another one is hinted at', async (t) => {
    t.match(
      reason(() => check(at(90))),
      /no later transaction.*\n.*; that is along timeline 1: --recovery-target-timeline can also be 2$/m,
    );
    t.match(
      reason(() => check(at(100), 2)),
      /that is along timeline 2: --recovery-target-timeline can also be 1$/m,
    );
    t.equal(
      reason(() => check(at(90), 2)),
      'reached',
    );
  });
  await t.test('what the old timeline has behind the fork is not believed in place of the new one', async (t) => {
    const [first] = [...child.files().keys()].sort();
    drop(first!);
    t.strictSame(xids(path(2)), [100]);
    t.match(
      reason(() => check({ kind: 'xid', xid: 200 }, 2)),
      new RegExp(`${first} is missing, before 00000002`),
    );
    put(first!, child.files().get(first!)!);
  });
  await t.test('those that do not lead from the backup are refused, and those that do are named', async (t) => {
    put('00000003.history', '1\t0/100\tbefore the backup\n');
    put('00000005.history', '4\t0/9000000\tof others\n');
    t.match(
      reason(() => path(3)),
      /timeline 3 left timeline 1 at 0\/100, before the backup ends.*\n.*timeline 1, 2;/,
    );
    t.match(
      reason(() => path(5)),
      /timeline 5 does not descend from timeline 1.*\n.*timeline 1, 2;/,
    );
    t.match(
      reason(() => path(9)),
      /no history file of timeline 9\n.*timeline 1, 2;/,
    );
    t.match(
      reason(() => path('latest')),
      /timeline 3 left timeline 1/,
      'as PostgreSQL: the newest number counts',
    );
  });
  await t.test('junk in a history file', async (t) => {
    for (const junk of [
      '\0\0\0',
      '1 nonsense\n',
      'x\t0/1\n',
      '1\t0/200\n1\t0/300\n',
      '3\t0/1\n',
      '1\t0/900\n2\t0/100\n',
      '1',
    ]) {
      put('00000003.history', junk);
      t.match(
        reason(() => path(3)),
        /00000003\.history: this line says nothing of a timeline/,
        JSON.stringify(junk),
      );
    }
  });
});
