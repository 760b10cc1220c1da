// PostgreSQL 13 to 18: a chain FULL, DELTA of a live cluster of each, mounted, started, written to, and recovered to a
// moment between two transactions.

import { chownSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { readControlFile } from '../../src/postgres/control-file.js';
import { LiveCatalog } from '../support/live-catalog.js';
import { type MountTarget, mountCatalog, mountMissing, pbkfs } from '../support/mount.js';
import { connected, MAJORS, newCluster, postgresOf, query, serverTempDir, start } from '../support/postgres.js';

t.setTimeout(3_600_000);

type Asked = Parameters<typeof query>[0];

interface Story {
  readonly catalog: LiveCatalog;
  readonly archive: MountTarget;
  readonly stream: MountTarget;
  /** Files of the DELTA as the cluster had them. */
  readonly files: Awaited<ReturnType<LiveCatalog['backup']>>['files'];
  readonly between: string;
  /** The second transaction, and the position before it. */
  readonly xid: string;
  readonly lsn: string;
}

const ROWS = `select string_agg(n::text, ',' order by n) from t where n > 3000`;

/** FULL (ARCHIVE, zlib), DELTA (STREAM, pglz), then two transactions with a moment between them, and a third. */
async function story(t: Test, major: number): Promise<Story> {
  const { user, binaries } = postgresOf(major);
  const dataDir = await newCluster(t, ['--wal-segsize=1'], major);
  const base = serverTempDir(t);
  const space = join(base, 'space');
  mkdirSync(space, { mode: 0o700 });
  chownSync(space, user.uid, user.gid);
  const server = await start(t, dataDir, { binaries, settings: { wal_keep_size: '1GB', fsync: 'off' } });
  const catalog = new LiveCatalog(join(base, 'catalog'), dataDir);
  await query(server, `create tablespace space location '${space}'`);
  await query(server, 'create table t(n int primary key using index tablespace space, word text)');
  await query(server, 'create table still(n int) tablespace space');
  await query(server, 'create unlogged table volatile(n int)');
  await query(server, 'insert into t select n, md5(n::text) from generate_series(1, 3000) n');
  await query(server, 'insert into still select generate_series(1, 500)');
  await query(server, 'insert into volatile values (1)');
  const full = await catalog.backup(server, { stream: false, alg: 'zlib' });
  await query(server, 'delete from t where n between 1 and 100');
  await query(server, 'insert into t values (3001)');
  const delta = await catalog.backup(server, { mode: 'DELTA', stream: true, alg: 'pglz' });
  const result = await connected(server, 'postgres', async (client) => {
    const one = async (sql: string): Promise<string> => {
      const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' });
      return String(rows[0]?.[0]);
    };
    await client.query('select pg_sleep(1.1)'); // recovery-time has whole seconds
    await client.query('insert into t values (3002)');
    const between = await one('select clock_timestamp()::text');
    const lsn = await one('select pg_current_wal_insert_lsn()');
    await client.query('select pg_sleep(0.01)');
    const xid = await one('with w as (insert into t values (3003) returning 1) select txid_current() from w');
    await client.query('drop table still');
    return { between, lsn, xid };
  });
  await catalog.archive(server, dataDir, 'gz');
  await server.stop('immediate');
  const at = (backup: string): MountTarget => ({ catalog: catalog.path, instance: 'main', backup });
  return { catalog, archive: at(full.id), stream: at(delta.id), files: delta.files, ...result };
}

const CHOSEN = process.env.PBKFS_MAJORS;
/** More targets, with PBKFS_MAJORS=all or a list such as 16,17; without it the oldest and the newest, and fewer. */
const LONG = CHOSEN !== undefined;
const PLAYED: readonly number[] =
  CHOSEN === undefined ? [MAJORS[0], MAJORS.at(-1)!] : CHOSEN === 'all' ? MAJORS : CHOSEN.split(',').map(Number);

t.test('the control file of every major version is understood', async (t) => {
  for (const major of MAJORS) {
    const dataDir = await newCluster(t, ['--wal-segsize=2', '--no-sync'], major);
    t.match(await readControlFile(dataDir), {
      walLevel: 'replica',
      maxConnections: 100,
      maxWorkerProcesses: 8,
      maxWalSenders: 10,
      maxPreparedTransactions: 0,
      maxLocksPerTransaction: 64,
      walSegmentSize: 2 << 20,
      checksums: true,
    });
  }
});

for (const major of PLAYED) {
  t.test(`PostgreSQL ${major}`, { skip: mountMissing }, async (t) => {
    const { archive, stream, files, between, xid, lsn } = await story(t, major);
    const source = ['-B', archive.catalog, '-I', 'main'];
    const binDir = ['--bin-dir', postgresOf(major).binaries.binDir];

    const started = async (args: readonly string[], where: readonly string[] = binDir): Promise<Asked> => {
      const result = await pbkfs(['start', ...args, ...where, '--json']);
      t.equal(result.status, 0, result.stderr);
      const fromNpm = where.length === 0 && postgresOf(major).binaries.source === 'npm';
      t.equal(/its collations may sort otherwise/.test(result.stderr), fromNpm, 'a warning where it comes from npm');
      const { host, port, mountpoint } = JSON.parse(result.stdout) as Record<string, string>;
      t.teardown(() => pbkfs(['stop', '-D', mountpoint!, '--now']));
      return { connection: { host, port: Number(port) } } as unknown as Asked;
    };

    await t.test('the catalog is valid, and every file of the mount is the one of the cluster', async (t) => {
      const valid = await pbkfs(['validate', ...source, '-i', stream.backup]);
      t.equal(valid.status, 0, `${valid.stdout}${valid.stderr}`);
      const mount = await mountCatalog(t, stream);
      for (const { path, content } of files) {
        if (content === undefined) continue;
        if (!readFileSync(join(mount.mountpoint, path)).equals(content)) t.fail(`${path} differs`);
      }
      await mount.unmount();
    });

    const promote = ['--recovery-target-action', 'promote'];
    await t.test('it recovers to a moment between two transactions, takes writes and keeps them', async (t) => {
      const mount = await mountCatalog(t, archive, {}, ['--recovery-target-time', between, ...promote]);
      const place = ['-D', mount.mountpoint];
      const first = await started(place);
      t.equal(await query(first, ROWS), '3001,3002');
      t.equal(await query(first, 'select count(*) from still'), '500');
      t.equal(await query(first, 'select count(*) from volatile'), '0');
      t.equal(await query(first, 'select pg_is_in_recovery()'), 'false');
      await query(first, 'insert into t select n from generate_series(4000, 6000) n');
      await query(first, 'checkpoint');
      t.equal((await pbkfs(['stop', ...place])).status, 0);
      await mount.unmount();
      await mount.remount();
      const again = await started(place);
      t.equal(await query(again, 'select count(*) from t'), String(2900 + 2 + 2001));
      t.equal((await pbkfs(['stop', ...place])).status, 0);
      await mount.unmount();
    });

    const others = [
      [stream, [], '3001', false],
      [stream, ['--recovery-target-lsn', lsn], '3001,3002', true],
      [archive, ['--recovery-target-xid', xid, ...promote], '3001,3002,3003', false],
      [archive, ['--recovery-target', 'immediate', ...promote], '', false],
    ] as const;
    for (const [from, options, rows, paused] of LONG ? others : others.slice(0, 1)) {
      await t.test(`${from === stream ? 'STREAM' : 'ARCHIVE'} ${options[0] ?? 'without a target'}`, async (t) => {
        const base = serverTempDir(t);
        const mountpoint = join(base, 'mount');
        mkdirSync(mountpoint);
        chownSync(mountpoint, postgresOf(major).user.uid, postgresOf(major).user.gid);
        const place = ['-D', mountpoint, '-d', join(base, 'diff')];
        const server = await started([...source, '-i', from.backup, ...place, ...options], []);
        t.equal(await query(server, ROWS), rows);
        t.equal(await query(server, 'select count(*) from still'), '500');
        t.equal(await query(server, 'select pg_is_in_recovery()'), String(paused));
        t.equal((await pbkfs(['stop', '-D', mountpoint])).status, 0);
      });
    }
  });
}
