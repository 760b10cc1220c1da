// Which WAL each timeline leads to, and which timelines lead from a backup.

import t from 'tap';
import { formatLsn } from '../../../src/backup/wal/index.js';
import { at, history, NOON, reason, SECOND, SEGMENT, world, xids } from './target-world.js';

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
