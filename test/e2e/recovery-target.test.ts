// Recovery to a point between two transactions, by the settings that a mount writes; refusals of what cannot be reached.

import { chownSync, existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { MOUNT_RESTORE_COMMAND } from '../../src/postgres/recovery-config.js';
import { LiveCatalog } from '../support/live-catalog.js';
import { isMounted, type MountTarget, mountCatalog, mountMissing, pbkfs } from '../support/mount.js';
import { connected, initdb, postgres15, query, serverTempDir, start } from '../support/postgres.js';
import { listTree } from '../support/tree.js';

interface Story {
  readonly target: MountTarget;
  readonly stream: MountTarget;
  /** Moments between the transactions. */
  readonly between: string;
  readonly lsn: string;
  readonly firstXid: string;
  readonly tooEarly: string;
}

/** Backups of a cluster, then two transactions with a moment between them, then a restore point and a third. */
async function story(t: Test): Promise<Story> {
  const { user } = postgres15();
  const directory = serverTempDir(t);
  const dataDir = join(directory, 'data');
  mkdirSync(dataDir, { mode: 0o700 });
  chownSync(dataDir, user.uid, user.gid);
  await initdb(dataDir, ['--no-sync', '--wal-segsize=1']);
  const server = await start(t, dataDir, { settings: { wal_keep_size: '1GB', fsync: 'off' } });
  const catalog = new LiveCatalog(join(directory, 'catalog'), dataDir);
  await query(server, 'create table t(n int)');
  await query(server, 'insert into t values (1)');
  const tooEarly = await query(server, "select (clock_timestamp() - interval '1 hour')::text");
  const archive = await catalog.backup(server, { stream: false });
  const stream = await catalog.backup(server, { stream: true });
  const result = await connected(server, 'postgres', async (client) => {
    const one = async (sql: string): Promise<string> => {
      const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
      return String(rows[0]?.[0]);
    };
    await client.query('select pg_sleep(1.1)'); // recovery-time has whole seconds
    const firstXid = await one('with w as (insert into t values (2) returning 1) select txid_current() from w');
    const between = await one('select clock_timestamp()::text');
    const lsn = await one('select pg_current_wal_insert_lsn()');
    await client.query('select pg_sleep(0.01)');
    await client.query('insert into t values (3)');
    await one(`select pg_create_restore_point('before the drop')`);
    await client.query('drop table t');
    await client.query('create table later()');
    return { firstXid, between, lsn };
  });
  await catalog.archive(server);
  await server.stop('immediate');
  const at = (backup: string): MountTarget => ({ catalog: catalog.path, instance: 'main', backup });
  return { target: at(archive.id), stream: at(stream.id), tooEarly, ...result };
}

const COUNT = `select coalesce(string_agg(n::text, ',' order by n), '-') from t`;
const configured = (hotStandby: boolean) =>
  ({ recovery: { target: 'configured', restoreCommand: MOUNT_RESTORE_COMMAND, hotStandby } }) as const;

t.test('recovery targets', { skip: mountMissing }, async (t) => {
  const { target, stream, between, lsn, firstXid, tooEarly } = await story(t);

  const reaches = (name: string, from: MountTarget, options: readonly string[], rows: string, settings: RegExp) =>
    t.test(name, async (t) => {
      const mount = await mountCatalog(t, from, {}, options);
      const auto = join(mount.mountpoint, 'postgresql.auto.conf');
      t.match(readFileSync(auto, 'utf8'), settings);
      t.equal(statSync(auto).mode & 0o777, 0o600);
      t.equal(statSync(auto).uid, postgres15().user.uid, 'of the server');
      const pauses = options.includes('pause');
      const server = await start(t, mount.mountpoint, { settings: { fsync: 'off' }, ...configured(pauses) });
      while (pauses && (await query(server, 'select pg_is_wal_replay_paused()')) !== 'true') await sleep(20);
      t.equal(await query(server, COUNT), rows);
      t.match(server.replaying() ?? '-', pauses ? /^[0-9A-F]{24}$/ : /^-$/, 'how far it is');
      t.equal(await query(server, 'select pg_is_in_recovery()'), String(pauses));
      await server.stop();
      await mount.unmount();
    });

  const pause = ['--recovery-target-action', 'pause'];
  const promote = ['--recovery-target-action', 'promote'];
  await reaches(
    'a time between two transactions',
    target,
    ['--recovery-target-time', between, ...pause],
    '1,2',
    /recovery_target_time = '[\d: .-]+\+00'\nrecovery_target_timeline = 'current'\nrecovery_target_action = 'pause'\nrestore_command = /,
  );
  await reaches(
    'a position, of a STREAM backup',
    stream,
    ['--recovery-target-lsn', lsn, ...promote],
    '1,2',
    /recovery_target_lsn = /,
  );
  await reaches(
    'just before a transaction',
    target,
    ['--recovery-target-xid', firstXid, '--recovery-target-inclusive', 'false', ...promote],
    '1',
    /recovery_target_xid = '\d+'\nrecovery_target_inclusive = 'false'/,
  );
  await t.test('an ARCHIVE backup gets recovery settings by itself, a STREAM backup none', async (t) => {
    const mount = await mountCatalog(t, target);
    t.ok(existsSync(join(mount.mountpoint, 'recovery.signal')));
    t.match(readFileSync(join(mount.mountpoint, 'postgresql.auto.conf'), 'utf8'), /restore_command = 'test -e/);
    rmSync(join(mount.mountpoint, 'recovery.signal'));
    await mount.unmount();
    await mount.remount();
    t.notOk(existsSync(join(mount.mountpoint, 'recovery.signal')), 'only once');
    await mount.unmount();
    for (const [from, options] of [
      [stream, []],
      [target, ['--no-recovery-config']],
    ] as const) {
      const plain = await mountCatalog(t, from, {}, options);
      t.notOk(existsSync(join(plain.mountpoint, 'recovery.signal')));
      t.notMatch(readFileSync(join(plain.mountpoint, 'postgresql.auto.conf'), 'utf8'), /restore_command/);
      await plain.unmount();
    }
  });

  await t.test('two mounts of one backup with different targets at once', async (t) => {
    const one = await mountCatalog(t, target, {}, ['--recovery-target-time', between, ...promote]);
    const other = await mountCatalog(t, target, {}, ['--recovery-target-name', 'before the drop', ...promote]);
    const servers = await Promise.all(
      [one, other].map(({ mountpoint }) => start(t, mountpoint, { settings: { fsync: 'off' }, ...configured(false) })),
    );
    t.strictSame(await Promise.all(servers.map((server) => query(server, COUNT))), ['1,2', '1,2,3']);
    for (const server of servers) await server.stop();
    await one.unmount();
    await other.unmount();
  });

  await t.test('targets out of reach are refused with the range, and nothing is left', async (t) => {
    const base = serverTempDir(t);
    const mountpoint = join(base, 'mount');
    mkdirSync(mountpoint);
    const before = [...listTree(base).keys()];
    for (const [options, status, message] of [
      [['--recovery-target-time', tooEarly], 1, /consistent only from 2[\d: -]+\+00 on\nhint: choose an older backup/],
      [
        ['--recovery-target-time', '2099-01-01 00:00:00+00'],
        1,
        /no later transaction.*\nhint: it can be recovered to times from 2.* before 2.*LSNs from 0\/.* to 0\//,
      ],
      [['--recovery-target-lsn', '0/1'], 1, /consistent only from 0\//],
      [['--recovery-target-lsn', 'FF/0'], 1, /ends before/],
      [['--recovery-target-xid', '99999'], 1, /not in the WAL/],
      [['--recovery-target-name', 'nonsense'], 1, /restore points are "before the drop"/],
      [['--recovery-target-timeline', '7'], 1, /no history file of timeline 7/],
      [['--recovery-target-time', 'yesterday'], 2, /must be a time like/],
      [['--recovery-target', 'immediate', '--recovery-target-lsn', '0/1'], 2, /only one recovery target/],
      [['--recovery-target', 'latest', '--no-recovery-config'], 2, /--no-recovery-config forbids/],
    ] as const) {
      const args = ['mount', '-B', target.catalog, '-I', 'main', '-i', target.backup, '-D', mountpoint];
      const result = await pbkfs([...args, '-d', join(base, 'diff'), ...options]);
      t.equal(result.status, status, options.join(' '));
      t.match(result.stderr, message);
      t.notOk(isMounted(mountpoint));
      t.strictSame([...listTree(base).keys()], before);
    }
  });
});
