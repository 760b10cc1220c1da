// What a server on a mounted backup is told: enough for the WAL that it replays, and nothing that leads outside.

import t from 'tap';
import type { ControlFile } from '../../src/postgres/control-file.js';
import { type SafeSettingsInput, safeSettings } from '../../src/postgres/safe-settings.js';

const MIB = 2 ** 20;
const control: ControlFile = {
  ...{ state: 'in production', redo: 0, timeline: 1, walLevel: 'replica', walSegmentSize: 16 * MIB, checksums: true },
  ...{ maxConnections: 20, maxWorkerProcesses: 3, maxWalSenders: 4, maxPreparedTransactions: 5 },
  maxLocksPerTransaction: 65,
};
const files = {
  ...{ socketDir: '/own', configFile: '/own/conf', hbaFile: '/own/hba', identFile: '/own/ident' },
  externalPidFile: '/own/pid',
};

function settings(of: Partial<ControlFile> = {}, more: Partial<SafeSettingsInput> = {}): Record<string, string> {
  return safeSettings({ major: 15, dataDir: '/data', files, port: 7, control: { ...control, ...of }, ...more });
}

t.test('limits of the primary, below which replay fails', async (t) => {
  t.match(settings(), {
    ...{ wal_level: 'replica', max_connections: '80', max_worker_processes: '3', max_wal_senders: '4' },
    ...{ max_prepared_transactions: '5', max_locks_per_transaction: '65' },
  });
  t.match(settings({ maxConnections: 81, walLevel: 'logical' }), { max_connections: '81', wal_level: 'logical' });
  t.match(settings({ walLevel: 'minimal' }), { wal_level: 'replica' });
});

t.test('WAL of any segment size has room', async (t) => {
  for (const [mib, least, most] of [
    [1, '80MB', '1024MB'],
    [64, '128MB', '1024MB'],
    [1024, '2048MB', '4096MB'],
  ] as const)
    t.match(settings({ walSegmentSize: mib * MIB }), { min_wal_size: least, max_wal_size: most });
});

t.test('only what that major version knows', async (t) => {
  const known = (major: number): string[] =>
    ['stats_temp_directory', 'archive_library', 'promote_trigger_file', 'event_triggers'].filter(
      (name) => name in settings({}, { major }),
    );
  t.strictSame(known(14), ['stats_temp_directory', 'promote_trigger_file']);
  t.strictSame(known(15), ['archive_library', 'promote_trigger_file']);
  t.strictSame(known(16), ['archive_library']);
  t.strictSame(known(17), ['archive_library', 'event_triggers']);
});

t.test('a caller changes what is no protection', async (t) => {
  t.match(settings({}, { extra: { shared_buffers: '1MB', own: 'x' } }), { shared_buffers: '1MB', own: 'x' });
  for (const name of ['archive_command', 'Port', 'restore_command', 'shared_preload_libraries'])
    t.throws(() => settings({}, { extra: { [name]: 'x' } }), {
      code: 'usage',
      message: new RegExp(` ${name} is fixed`),
    });
  t.equal(settings().shared_preload_libraries, '');
  t.equal(settings({}, { preload: 'ptrack' }).shared_preload_libraries, 'ptrack');
});

t.test('recovery: none, that of the data directory, or ours alone', async (t) => {
  const none = settings();
  t.match(none, { restore_command: '', recovery_target_time: '', recovery_target: '', hot_standby: 'off' });
  const restoreCommand = 'fetch %f %p';
  const configured = { target: 'configured', restoreCommand, hotStandby: true } as const;
  const theirs = settings({}, { recovery: configured });
  t.match(theirs, { restore_command: restoreCommand, hot_standby: 'on', wal_log_hints: 'on' });
  t.equal(theirs.recovery_target_time, undefined, 'their target counts');
  t.match(settings({}, { recovery: { ...configured, hotStandby: false } }), { hot_standby: 'off' });
  const ours = settings({}, { recovery: { target: 'immediate', restoreCommand, timeline: 3, action: 'pause' } });
  t.match(ours, {
    ...{ recovery_target: 'immediate', recovery_target_timeline: '3', recovery_target_action: 'pause' },
    ...{ recovery_target_lsn: '', hot_standby: 'on', restore_command: restoreCommand },
  });
  for (const made of [none, theirs, ours]) t.equal(made.recovery_min_apply_delay, '0');
});
