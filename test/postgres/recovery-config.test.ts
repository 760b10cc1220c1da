// The settings and signal files that `pg_probackup restore` would leave, by major version.

import { existsSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { MOUNT_RESTORE_COMMAND, type RecoveryConfig, writeRecoveryConfig } from '../../src/postgres/recovery-config.js';
import { MAJOR, newCluster, postgres15 } from '../support/postgres.js';
import { runOk } from '../support/run.js';

const LATEST: RecoveryConfig = { target: { kind: 'latest' }, timeline: 'current', action: 'pause' };
const REPLICA: RecoveryConfig = {
  ...LATEST,
  timeline: 'latest',
  replica: { primaryConninfo: `host=a application_name='b'`, primarySlotName: 'slot' },
};
const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

function written(t: Test): {
  write: (major: number, config: RecoveryConfig) => Promise<void>;
  path: (name: string) => string;
} {
  const dataDir = t.testdir();
  return {
    write: (major, config) => writeRecoveryConfig({ dataDir, major, backupId: 'TOU5PO', owner }, config),
    path: (name) => join(dataDir, name),
  };
}

t.test('from 12 on postgresql.auto.conf and a signal file', async (t) => {
  const { write, path } = written(t);
  const kept = Buffer.from([...Buffer.from('work_mem = 5MB # '), 0xe9, 0x0a]);
  const earlier = `restore_command = 'old'\nrecovery_target_xid = '7'\n# recovery settings added by pg_probackup restore\ninclude_if_exists = 'probackup_recovery.conf'\n`;
  writeFileSync(path('postgresql.auto.conf'), Buffer.concat([kept, Buffer.from(earlier)]));
  await write(15, LATEST);
  const settings = readFileSync(path('postgresql.auto.conf'), 'latin1');
  t.ok(settings.startsWith(kept.toString('latin1')), 'lines of others, byte for byte');
  t.match(
    settings.slice(kept.length),
    /^\n# recovery settings added by pbkfs mount of backup TOU5PO at '20[\d: -]+\+00'\nrecovery_target_timeline = 'current'\nrecovery_target_action = 'pause'\nrestore_command = '/,
  );
  t.notMatch(settings, /old|_xid|probackup/);
  t.equal(statSync(path('postgresql.auto.conf')).mode & 0o777, 0o600);
  t.ok(existsSync(path('recovery.signal')));

  await write(18, REPLICA);
  t.match(
    readFileSync(path('postgresql.auto.conf'), 'latin1'),
    `primary_conninfo = 'host=a application_name=''b'''\nprimary_slot_name = 'slot'\n`,
  );
  t.ok(existsSync(path('standby.signal')));
  t.notOk(existsSync(path('recovery.signal')), 'one of the two');
});

t.test('one target, whatever was there before', async (t) => {
  const { write, path } = written(t);
  for (const [target, wanted] of [
    [{ kind: 'time', time: Date.UTC(2026, 10, 21, 4, 28, 33) * 1000 + 5 }, `_time = '2026-11-21 04:28:33.000005+00'`],
    [{ kind: 'lsn', lsn: 0x1_0000_01f0 }, `_lsn = '1/1F0'`],
    [{ kind: 'xid', xid: 700 }, `_xid = '700'`],
    [{ kind: 'name', name: "it's" }, `_name = 'it''s'`],
    [{ kind: 'immediate' }, ` = 'immediate'`],
  ] as const) {
    await write(15, { ...LATEST, target });
    const lines = readFileSync(path('postgresql.auto.conf'), 'latin1').split('\n');
    t.strictSame(
      lines.filter((line) => /^recovery_target(?!_timeline|_action)/.test(line)),
      [`recovery_target${wanted}`],
    );
  }
});

t.test('settings that cannot be read are not replaced', async (t) => {
  const { write, path } = written(t);
  symlinkSync('postgresql.auto.conf', path('postgresql.auto.conf'));
  await t.rejects(write(15, LATEST), { code: 'ELOOP' });
  t.notOk(existsSync(path('recovery.signal')));
});

t.test('before 12 recovery.conf', async (t) => {
  const { write, path } = written(t);
  await write(11, LATEST);
  const body = (): string => readFileSync(path('recovery.conf'), 'latin1').replace(/^#.*\n/, '');
  t.equal(body(), `recovery_target_action = 'pause'\nrestore_command = '${MOUNT_RESTORE_COMMAND}'\n`);
  await write(11, { ...REPLICA, target: { kind: 'xid', xid: 700 }, inclusive: false });
  t.match(
    body(),
    /^recovery_target_xid = '700'\nrecovery_target_inclusive = 'false'\nrecovery_target_timeline = 'latest'\n/,
  );
  t.match(body(), /standby_mode = 'on'\n$/);
  t.notOk(existsSync(path('recovery.signal')));
});

t.test('a server reads the values as they were given', async (t) => {
  const restoreCommand = `${String.raw`sed 's/\.x//' "\$1" || printf 'a\\b'`}\nexit 1`;
  const primaryConninfo = String.raw`host=a password='it\'s'`;
  const dataDir = await newCluster(t);
  const { uid, gid } = statSync(dataDir);
  const config: RecoveryConfig = { ...LATEST, restoreCommand, replica: { primaryConninfo } };
  await writeRecoveryConfig({ dataDir, major: MAJOR, backupId: 'TOU5PO', owner: { uid, gid } }, config);
  const { binaries, user } = postgres15();
  for (const [name, value] of Object.entries({ restore_command: restoreCommand, primary_conninfo: primaryConninfo })) {
    const stdout = await runOk(join(binaries.binDir, 'postgres'), ['-D', dataDir, '-C', name], { user });
    t.equal(stdout, `${value}\n`);
  }
});
