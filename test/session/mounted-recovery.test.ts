// What a server on a mount that is there would do first: by the state that the last one left, and by the mount's settings.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCatalog } from '../../src/backup/index.js';
import { parseLsnNumber } from '../../src/backup/wal/index.js';
import {
  configuredTarget,
  isRecovering,
  isStandby,
  pausesAtTarget,
  replaysBackup,
} from '../../src/session/mounted-recovery.js';
import { smallStream } from '../e2e/targets.js';
import { newCluster } from '../support/postgres.js';

const STATE = 16;
const REDO = 40;
const TIMELINE = 48;
/** DBState of PostgreSQL. */
const state = { clean: 1, cleanStandby: 2, ending: 3, crashed: 4, recovering: 5, running: 6 };

t.test('a server replays WAL of the backup until a checkpoint lies behind it', async (t) => {
  const { catalog, instance, backup: id } = await smallStream(t);
  const backup = openCatalog(catalog).backup(instance, id);
  const stop = parseLsnNumber(backup.stopLsn!)!;
  const original = readFileSync(join(await newCluster(t), 'global/pg_control'));
  const dataDir = t.testdir();
  for (const directory of ['global', 'pg_wal']) mkdirSync(join(dataDir, directory));
  const answer = (number: number, redo: number): Promise<boolean> => {
    const control = Buffer.from(original);
    control.writeUInt32LE(number, STATE);
    control.writeBigUInt64LE(BigInt(redo), REDO);
    writeFileSync(join(dataDir, 'global/pg_control'), control);
    return replaysBackup(dataDir, backup);
  };
  t.equal(await answer(state.clean, stop - 100), false, 'shut down in order');
  for (const number of [state.cleanStandby, state.recovering])
    t.equal(await answer(number, stop + 100), true, `died in recovery (${number})`);
  for (const number of [state.running, state.ending, state.crashed]) {
    t.equal(await answer(number, stop - 100), true, 'no checkpoint behind the backup');
    t.equal(await answer(number, stop + 100), false, 'its own WAL only');
  }
  cpSync(join(dataDir, 'global/pg_control'), join(dataDir, 'pg_wal/00000002.history'));
  t.equal(await answer(state.running, stop + 100), true, 'promoted, with no checkpoint on its new timeline');
  original.writeUInt32LE(2, TIMELINE);
  t.equal(await answer(state.running, stop + 100), false, 'with one');
  rmSync(join(dataDir, 'pg_wal/00000002.history'));
  for (const name of ['backup_label', 'recovery.signal', 'standby.signal']) {
    writeFileSync(join(dataDir, name), '');
    t.equal(await answer(state.running, stop + 100), true, name);
    rmSync(join(dataDir, name));
  }
});

const SIGNAL = { 'recovery.signal': '' };
const TIME = `recovery_target_time = '2026-11-21 04:28:33.123456+00'\n`;

function settled(t: Test, lines: string, signals: Readonly<Record<string, string>> = SIGNAL): string {
  return t.testdir({ 'postgresql.auto.conf': `work_mem = '5MB'\n${lines}`, ...signals });
}

t.test('the target that a mount was given, for the check of the WAL', async (t) => {
  for (const [lines, wanted] of [
    [`recovery_target = 'immediate'\n`, { target: { kind: 'immediate' }, timeline: 'current' }],
    [
      `recovery_target_lsn = '1/1F0'\nrecovery_target_timeline = 'latest'\n`,
      { target: { kind: 'lsn', lsn: 0x1_0000_01f0 }, timeline: 'latest' },
    ],
    [
      `${TIME}recovery_target_timeline = '3'\n`,
      // No earlier than what was asked for, and hardly later.
      { target: { kind: 'time', time: Date.UTC(2026, 10, 21, 4, 28, 33, 124) * 1000 }, timeline: 3 },
    ],
    [`recovery_target_xid = '700'\n`, { target: { kind: 'latest' }, timeline: 'current' }],
    [`recovery_target_timeline = 'current'\n`, { target: { kind: 'latest' }, timeline: 'current' }],
  ] as const) {
    t.strictSame(configuredTarget(settled(t, lines)), wanted, lines);
  }
});

t.test('settings that nobody follows, and those of a recovery that has ended', async (t) => {
  t.equal(configuredTarget(settled(t, TIME, {})), undefined, 'of production, without a signal');
  const ours = `# recovery settings added by pbkfs mount of backup TOU5PO at '2026-11-21 05:00:00+00'\n${TIME}`;
  t.match(configuredTarget(settled(t, ours, {})), { target: { kind: 'time' } }, 'the WAL up to there was replayed');
  t.match(configuredTarget(settled(t, TIME, { 'standby.signal': '' })), { target: { kind: 'time' } });
});

t.test('a server pauses at a target only, and where it is told to', async (t) => {
  const pause = `recovery_target_action = 'pause'\n`;
  for (const name of ['', '_time', '_lsn', '_xid', '_name'])
    t.ok(pausesAtTarget(settled(t, `recovery_target${name} = 'x'\n${pause}`)), name);
  t.notOk(pausesAtTarget(settled(t, pause)), 'all WAL there is');
  t.notOk(pausesAtTarget(settled(t, `recovery_target_timeline = 'latest'\n${pause}`)), 'all WAL of it');
  t.notOk(pausesAtTarget(settled(t, `recovery_target_lsn = ''\n${pause}`)));
  t.notOk(pausesAtTarget(settled(t, `${TIME}recovery_target_action = 'promote'\n`)));
});

t.test('a standby is one that recovers', async (t) => {
  for (const [signals, recovers, follows] of [
    [{}, false, false],
    [SIGNAL, true, false],
    [{ 'standby.signal': '' }, true, true],
  ] as const) {
    const dataDir = t.testdir(signals);
    t.strictSame([isRecovering(dataDir), isStandby(dataDir)], [recovers, follows]);
  }
});
