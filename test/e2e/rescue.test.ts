// From a backup and a moment to the rows of a table that was dropped: rescue, start and stop, and what they leave.

import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { PostgresServer } from '../../src/postgres/server.js';
import { nothingLeftIn } from '../support/left-behind.js';
import { LiveCatalog } from '../support/live-catalog.js';
import { matchWhole } from '../support/match-whole.js';
import { isMounted, mountMissing, pbkfs } from '../support/mount.js';
import {
  clientProgram,
  connected,
  initdb,
  postgres15,
  query,
  serverDirectory,
  serverTempDir,
  start,
} from '../support/postgres.js';
import { run, runOk } from '../support/run.js';
import { hashTree } from '../support/tree.js';

const CLI = fileURLToPath(new URL('../../bundle/cli/main.js', import.meta.url));
const INSERT = `insert into orders select n, md5(n::text), case when n % 7 = 0 then null else E'tab\\t\\\\' || n end
  from generate_series(1, 3000) n`;

interface Disaster {
  readonly catalog: string;
  readonly backup: string;
  /** Before the table was dropped. */
  readonly time: string;
  /** `copy orders to stdout` at that time. */
  readonly rows: string;
  /** Where production's tablespace lies. */
  readonly production: string;
  readonly work: string;
  /** Between everything else and a DROP DATABASE. */
  readonly databaseTime: string;
  /** Within a DROP DATABASE, after the commit of something else. */
  readonly withinDrop: string;
}

/** An ARCHIVE backup, rows that came after it, a DROP TABLE, a tablespace made in production's directory, a DROP DATABASE. */
async function disaster(t: Test): Promise<Disaster> {
  const directory = serverTempDir(t);
  const [dataDir, production, work] = ['data', 'production', 'work'].map((name) =>
    serverDirectory(join(directory, name)),
  ) as [string, string, string];
  chmodSync(dataDir, 0o700);
  await initdb(dataDir, ['--no-sync', '--wal-segsize=1']);
  const server = await start(t, dataDir, { settings: { wal_keep_size: '1GB', fsync: 'off' } });
  const catalog = new LiveCatalog(join(directory, 'catalog'), dataDir);
  await query(server, 'create table orders(id int primary key, word text, note text)');
  await query(server, 'create database dropped');
  await query(server, 'create database dropped_slowly');
  for (const sql of [
    'create table days(day int, note text) partition by range (day)',
    'create table days_1 partition of days for values from (1) to (5)',
    'create table days_2 partition of days for values from (5) to (9)',
    `insert into days select n, 'note' from generate_series(1, 8) n`,
    'create table old_style(day int)',
    'create table "Old Style 1"() inherits (old_style)',
    'insert into "Old Style 1" values (7)',
    'create unlogged table scratchpad(id int)',
    'create extension file_fdw',
    'create server elsewhere foreign data wrapper file_fdw',
    'create table mixed(line text) partition by list (line)',
    `create foreign table "Mixed 1" partition of mixed default server elsewhere options (filename '/etc/passwd')`,
  ])
    await query(server, sql);
  const backup = await catalog.backup(server, { stream: false });
  await query(server, 'select pg_sleep(1.1)'); // recovery-time has whole seconds
  await query(server, INSERT);
  const time = await query(server, 'select clock_timestamp()::text');
  const rows = join(work, 'before');
  await query(server, `copy orders to '${rows}'`);
  await query(server, 'drop table orders');
  await query(server, `create tablespace made_later location '${production}'`);
  const databaseTime = await query(server, 'select clock_timestamp()::text');
  await query(server, 'drop database dropped');
  const withinDrop = await dropSlowly(server);
  await catalog.archive(server);
  await server.stop('immediate');
  writeFileSync(join(production, 'PG_15_production'), 'not yours');
  return {
    catalog: catalog.path,
    backup: backup.id,
    time,
    rows: readFileSync(rows, 'utf8'),
    production,
    work,
    databaseTime,
    withinDrop,
  };
}

/** DROP DATABASE waits for a checkpoint, which takes its time on a busy server. @returns when it was waiting, and others were not */
async function dropSlowly(server: PostgresServer): Promise<string> {
  const checkpointer = Number(
    await query(server, `select pid from pg_stat_activity where backend_type = 'checkpointer'`),
  );
  process.kill(checkpointer, 'SIGSTOP');
  try {
    const drop = query(server, 'drop database dropped_slowly');
    drop.catch(() => undefined);
    const limit = `select datconnlimit from pg_database where datname = 'dropped_slowly'`;
    while ((await query(server, limit)) !== '-2') await sleep(10);
    await query(server, 'create table made_meanwhile()');
    const time = await query(server, 'select clock_timestamp()::text');
    process.kill(checkpointer, 'SIGCONT');
    await drop;
    return time;
  } finally {
    process.kill(checkpointer, 'SIGCONT');
  }
}

t.test('a dropped table comes back', { skip: mountMissing }, async (t) => {
  const { catalog, backup, time, rows, production, work, databaseTime, withinDrop } = await disaster(t);
  const before = { catalog: hashTree(catalog), production: hashTree(production) };
  const source = ['-B', catalog, '-I', 'main'];
  const scratch = join(work, 'scratch');
  mkdirSync(scratch);
  chmodSync(scratch, 0o711);
  const nothingLeft = (t: Test): Promise<void> => nothingLeftIn(t, scratch);

  await t.test('its rows are those of before the drop, byte for byte', async (t) => {
    const out = join(work, 'orders.copy');
    const asked = ['--time', time, '--table', 'postgres.public.orders', '--format', 'copy', '-o', out];
    const result = await pbkfs(['rescue', ...source, ...asked, '--work-dir', scratch, '--json']);
    t.equal(result.stderr, '');
    t.equal(readFileSync(out, 'utf8'), rows);
    const report = JSON.parse(result.stdout) as Record<string, number> & { targetTime: string };
    t.equal(Date.parse(report.targetTime), Date.parse(time));
    matchWhole(t, report, { backupId: backup, format: 'copy', files: [{ path: out, bytes: rows.length }] });
    t.ok(report.catalogBytes! > 8192 && report.diffBytes! > 0, `${report.catalogBytes} read, diff ${report.diffBytes}`);
    await nothingLeft(t);
  });

  await t.test('several tables go into a directory', async (t) => {
    const out = `${join(work, 'tables')}/`;
    const tables = ['--table', 'postgres.public.orders', '--table', 'template1.pg_catalog.pg_am'];
    const asked = ['--time', time, ...tables, '--format', 'csv', '-o', out];
    t.match(await pbkfs(['rescue', ...source, ...asked, '--work-dir', scratch]), { status: 0, stderr: '' });
    t.strictSame(readdirSync(out), ['postgres.public.orders.csv', 'template1.pg_catalog.pg_am.csv']);
    t.match(readFileSync(join(out, 'postgres.public.orders.csv'), 'utf8'), /^id,word,note\n1,/);
    await nothingLeft(t);
  });

  await t.test('two at a time into one file: it is whole, whichever ends last', async (t) => {
    const output = join(serverTempDir(t), 'same.csv');
    const rows = (first: number) => `select * from generate_series(${first}, ${first + 9999}) n`;
    const both = [100_000, 200_000].map((first) =>
      pbkfs(['rescue', ...source, '-i', backup, '--database', 'postgres', '--query', rows(first), '-o', output]),
    );
    for (const done of await Promise.all(both)) t.match(done, { status: 0 });
    const [, ...written] = readFileSync(output, 'utf8').trimEnd().split('\n');
    t.equal(written.length, 10_000);
    t.equal(Number(written.at(-1)) - Number(written[0]), 9999);
    t.strictSame(readdirSync(join(output, '..')), ['same.csv']);
  });

  await t.test('so do the rows of a query, whatever ends it', async (t) => {
    const firstId = ['--query', 'select min(id) from orders; -- first'];
    const out = join(work, 'first.csv');
    const asked = ['--time', time, '--database', 'postgres', ...firstId, '-o', out];
    t.match(await pbkfs(['rescue', ...source, ...asked, '--work-dir', scratch]), { status: 0, stderr: '' });
    t.equal(readFileSync(out, 'utf8'), 'min\n1\n');
    await nothingLeft(t);
  });

  await t.test(
    'a dropped database is whole at a time just before, although its files go before the commit',
    async (t) => {
      const out = join(work, 'dropped.csv');
      const asked = [
        '--time',
        databaseTime,
        '--database',
        'dropped',
        '--query',
        'select current_database()',
        '-o',
        out,
      ];
      const result = await pbkfs(['rescue', ...source, ...asked, '--work-dir', scratch]);
      t.match(result, {
        status: 0,
        stderr: /warning: a DROP DATABASE was under way at the target: recovery ends before/,
      });
      t.equal(readFileSync(out, 'utf8'), 'current_database\ndropped\n');
      await nothingLeft(t);
    },
  );

  await t.test('so it is at a time within the drop; whoever wants another database has that time', async (t) => {
    const out = join(work, 'within.csv');
    for (const [database, sql, answer, said] of [
      [
        'dropped_slowly',
        'select current_database()',
        'dropped_slowly',
        /^pbkfs: warning: a DROP DATABASE of dropped_slowly was under way at the target: recovery ends before it began/,
      ],
      [
        'postgres',
        `select to_regclass('made_meanwhile')`,
        'made_meanwhile',
        /: recovery ends before it removes the files, /,
      ],
    ] as const) {
      const asked = ['--time', withinDrop, '--database', database, '--query', sql, '-o', out, '--work-dir', scratch];
      const result = await pbkfs(['rescue', ...source, ...asked]);
      // The tablespace is made on the way.
      const stderr = result.stderr
        .split('\n')
        .filter((line) => !line.includes('tablespace'))
        .join('\n');
      t.match({ ...result, stderr }, { status: 0, stderr: said });
      t.equal(readFileSync(out, 'utf8').split('\n')[1], answer);
    }
    await nothingLeft(t);
  });

  const pgDump = clientProgram('pg_dump');
  const skip = 'missing' in pgDump ? pgDump.missing : false;
  await t.test('a dump restores to the same rows', { skip }, async (t) => {
    const out = join(work, 'orders.sql');
    const asked = ['--time', time, '--table', 'postgres.public.orders', '--format', 'plain', '-o', out];
    const result = await pbkfs(['rescue', ...source, ...asked, '--work-dir', scratch]);
    t.match(result, {
      status: 0,
      stderr: '',
      stdout: /^wrote .*orders\.sql \(plain, .*\nfrom backup \w+, as of .*Z, in/,
    });
    t.equal(statSync(out).mode & 0o777, 0o600, 'production data is not for everybody');
    const script = readFileSync(out, 'utf8');
    t.match(script, /CREATE TABLE public\.orders/);
    t.equal(/^COPY public\.orders .*\n([\s\S]*?)^\\\.$/m.exec(script)?.[1], rows);
    await nothingLeft(t);
  });

  await t.test('partitions and inheriting tables come with their table', { skip }, async (t) => {
    const tables = ['--table', 'postgres.public.days', '--table', 'postgres.public.old_style'];
    const get = async (format: string, out: string): Promise<void> => {
      const asked = ['-i', backup, ...tables, '--format', format, '-o', out, '--work-dir', scratch];
      t.match(await pbkfs(['rescue', ...source, ...asked]), { status: 0, stderr: '' });
    };
    const dumped = join(work, 'children.sql');
    await get('plain', dumped);
    const script = readFileSync(dumped, 'utf8');
    const rowsOf = (name: string): string | undefined =>
      new RegExp(`^COPY public\\.${name} .*\\n([^\\\\]*)^\\\\\\.$`, 'm').exec(script)?.[1];
    t.equal(rowsOf('days_1'), '1\tnote\n2\tnote\n3\tnote\n4\tnote\n');
    t.equal(rowsOf('days_2'), '5\tnote\n6\tnote\n7\tnote\n8\tnote\n');
    t.equal(rowsOf('"Old Style 1"'), '7\n');
    t.equal(script.match(/ATTACH PARTITION/g)?.length, 2);
    const copied = `${join(work, 'children')}/`;
    await get('csv', copied);
    t.equal(readFileSync(join(copied, 'postgres.public.days.csv'), 'utf8').split('\n').length, 10);
    t.equal(readFileSync(join(copied, 'postgres.public.old_style.csv'), 'utf8'), 'day\n7\n');
    await nothingLeft(t);
  });

  await t.test('what cannot be is refused, and leaves nothing', async (t) => {
    const out = join(work, 'never');
    for (const [args, status, message] of [
      [
        ['-i', backup, '--table', 'postgres.public.nothing', '--format', 'csv'],
        1,
        /has no table "public"."nothing" at that point/,
      ],
      [
        ['-i', backup, '--table', 'postgres.public.scratchpad', '--format', 'csv'],
        1,
        /"scratchpad" is an unlogged table: no backup has its rows/,
      ],
      [
        ['-i', backup, '--table', 'postgres.public.mixed', '--format', 'csv'],
        1,
        /"Mixed 1" is a foreign table: no backup has its rows/,
      ],
      [['-i', backup, '--table', 'postgres.public."Mixed 1"', '--format', 'copy'], 1, /"Mixed 1" is a foreign table/],
      ...(skip === false
        ? ([
            [
              ['-i', backup, '--table', 'postgres.public.orders', '--table', 'postgres.public.nothing'],
              1,
              /the database has no table "public"\."nothing" at that point\nhint: choose an earlier --time/,
            ],
          ] as const)
        : []),
      [
        ['-i', backup, '--database', 'nowhere', '--format', 'custom'],
        1,
        /the cluster has no database nowhere\nhint: name another one/,
      ],
      [
        ['--time', '2001-01-01 00:00:00', '--table', 'postgres.public.orders'],
        1,
        /no backup that can be mounted that is consistent before 2001.*\nhint: the earliest moment that can be reached is 20\d\d-/,
      ],
      [
        ['-i', backup, '--recovery-target', 'latest', '--table', 'postgres.public.orders', '--format', 'copy'],
        1,
        // Replay has made production's tablespace on the way; the hash at the end tells that it did so elsewhere.
        /creates a tablespace in .*production: .*\n(?:.*\n)*.*has no table "public"."orders" at that point/,
      ],
      [['-i', backup, '--table', 'orders'], 2, /DATABASE\.SCHEMA\.TABLE is wanted/],
      [
        ['-i', backup, '--table', 'a.b.c', '--bin-dir', work],
        1,
        /no PostgreSQL 15 server found\nhint: .*no runnable postgres/,
      ],
      [['-i', backup], 2, /say what to rescue/],
      [['--table', 'a.b.c'], 2, /give a backup with -i, or a moment/],
      [
        ['-i', backup, '--database', 'postgres', '--query', 'select nothing'],
        1,
        /^pbkfs: the query failed: column "nothing"/m,
      ],
      [['-i', backup, '--query', 'select 1'], 2, /--query needs --database/],
      [['-i', backup, '--database', 'postgres', '--query', 'select 1; select 2'], 2, /one begins: select 2\n/],
    ] as const) {
      const result = await pbkfs(['rescue', ...source, ...args, '-o', out, '--work-dir', scratch]);
      t.equal(result.status, status, args.join(' '));
      t.match(result.stderr, message);
    }
    for (const [args, message] of [
      [['-o', '/dev/null/orders'], /^pbkfs: cannot write .*: \/dev\/null is not a directory\nhint: give a file/],
      [['-o', out, '--work-dir', out], /^pbkfs: option '--work-dir <dir>' .* There is no such directory/],
    ] as const) {
      const table = ['-i', backup, '--table', 'postgres.public.orders'];
      t.match(await pbkfs(['rescue', ...source, ...table, ...args]), { status: 2, stderr: message });
    }
    t.notOk(existsSync(out));
    await nothingLeft(t);
  });
  await t.test('start tells that it is paused, and of tables that nobody can read there', async (t) => {
    const target = ['--recovery-target-time', time, '--ephemeral', '--bin-dir', postgres15().binaries.binDir];
    const paused = await pbkfs(['start', ...source, '-i', backup, ...target], { TMPDIR: serverTempDir(t) });
    t.match(paused, {
      status: 0,
      stdout: /^paused: {2}at its recovery target, read-only; "select pg_wal_replay_resume\(\)" ends recovery$/m,
      stderr: /warning: a transaction under way at the target has locked [1-9]\d* tables and indexes/,
    });
    const mountpoint = /^stop: +pbkfs stop -D (.*)$/m.exec(paused.stdout)?.[1] ?? '';
    const stopped = await pbkfs(['stop', mountpoint, '--json']);
    matchWhole(t, JSON.parse(stopped.stdout), { mountpoint, server: true, unmounted: true, mounted: false });
  });

  await t.test('start and stop: a server that answers, and then nothing', async (t) => {
    const [mountpoint, diff] = ['mount', 'diff'].map((name) => join(serverTempDir(t), name)) as [string, string];
    serverDirectory(mountpoint);
    const place = ['-D', mountpoint, '-d', diff];
    const target = ['--recovery-target-time', time, '--recovery-target-action', 'promote'];
    const refused = await pbkfs(['start', ...source, '-i', backup, ...place, ...target, '--', '-c', 'archive_mode=on']);
    t.match(refused, { status: 2, stderr: /the setting archive_mode is fixed/ });
    t.notOk(isMounted(mountpoint));

    const sockets = serverTempDir(t);
    const where = ['--port', '54321', '--socket-dir', sockets, '--bin-dir', postgres15().binaries.binDir];
    const asked = [
      'start',
      ...source,
      '-i',
      backup,
      ...place,
      ...target,
      ...where,
      '--json',
      '--',
      '-c',
      'work_mem=5MB',
    ];
    const started = await pbkfs(asked);
    t.equal(started.stderr, '');
    const { host, port } = JSON.parse(started.stdout) as { host: string; port: number };
    t.strictSame([host, port], [sockets, 54321]);
    t.ok(existsSync(join(sockets, '.s.PGSQL.54321')), 'its socket lies where it was told');
    t.teardown(() => pbkfs(['stop', '-D', mountpoint, '--now']));
    const ask = (sql: string) => query({ connection: { host, port } } as Parameters<typeof query>[0], sql);
    t.equal(await ask('select count(*) from orders'), '3000');
    t.equal(await ask('show work_mem'), '5MB');
    t.equal(await ask('show archive_mode'), 'off');
    t.equal(await ask('show recovery_init_sync_method'), 'syncfs', 'the mount is fresh');
    const twice = await pbkfs(['start', '-D', mountpoint]);
    t.match(twice, { status: 1, stderr: /a PostgreSQL server runs on .* already: process \d+\nhint: use that one/ });
    t.equal(await ask('select count(*) from orders'), '3000', 'it goes on');
    t.equal(await ask('show fsync'), 'on', 'what is written is kept');
    await ask('create table kept()');
    t.match(await pbkfs(['stop', '-D', mountpoint]), { status: 0, stdout: /stopped the server, unmounted/ });
    t.strictSame(readdirSync(sockets), [], 'no socket');
    t.notOk(isMounted(mountpoint));
    t.match(await pbkfs(['stop', '-D', mountpoint]), { status: 1, stderr: /no server was started/ });

    const resumed = await pbkfs(['start', ...source, '-i', backup, ...place, '--json']);
    t.equal(resumed.status, 0, resumed.stderr);
    const goes = { connection: JSON.parse(resumed.stdout) as { host: string; port: number } } as Parameters<
      typeof query
    >[0];
    t.equal(await query(goes, 'select timeline_id from pg_control_checkpoint()'), '2', 'its diff goes on where it was');
    t.equal(await query(goes, `select to_regclass('kept')::text`), 'kept');
    const { pid } = JSON.parse(resumed.stdout) as { pid: number };
    process.kill(pid, 'SIGSTOP');
    for (const [options, hint] of [
      [[], /--now/],
      [['--now'], `kill -KILL ${pid}`],
    ] as const) {
      const late = await pbkfs(['stop', '-D', mountpoint, '--stop-timeout', '0', ...options]);
      t.match(late, {
        status: 1,
        stderr: `the PostgreSQL server on ${mountpoint} did not stop in time: process ${pid}`,
      });
      t.match(late.stderr, hint);
      t.ok(isMounted(mountpoint));
    }
    process.kill(pid, 'SIGCONT');
    t.match(await pbkfs(['stop', '-D', mountpoint]), { status: 0, stdout: /unmounted/ });

    await runOk(process.execPath, [CLI, 'mount', '-D', mountpoint, '-d', diff]);
    // Of a server that was killed there; somebody else has its number by now, or a parent that does not wait keeps it.
    const { user } = postgres15();
    const other = spawn('sleep', ['600'], { uid: user.uid, gid: user.gid, stdio: 'ignore' });
    t.teardown(() => other.kill());
    writeFileSync(join(mountpoint, 'postmaster.pid'), `${other.pid}\n${mountpoint}\n1795394475\n5432\n`);
    const again = await pbkfs(['start', '-D', mountpoint, '--json']);
    t.equal(again.status, 0, again.stderr);
    const second = JSON.parse(again.stdout) as { host: string; port: number };
    const connection = { connection: second } as Parameters<typeof query>[0];
    t.equal(await query(connection, 'show recovery_init_sync_method'), 'fsync', 'nobody knows what is unsynced there');
    const kept = await connected(
      { connection: second } as Parameters<typeof connected>[0],
      'postgres',
      async (client) => {
        return (await client.query(`select to_regclass('kept')::text as name`)).rows[0] as { name: string };
      },
    );
    t.equal(kept.name, 'kept', 'on a mount that was there, with what it held');
    t.match(await pbkfs(['stop', '-D', mountpoint]), {
      status: 0,
      stdout: /stopped the server, it stays mounted \(pbkfs unmount -D /,
    });
    t.notOk(existsSync(second.host), 'no private directory');
    t.ok(isMounted(mountpoint), 'the mount is not ours to take away');
    t.equal((await run(process.execPath, [CLI, 'unmount', '-D', mountpoint])).status, 0);
  });

  t.equal(hashTree(production), before.production, 'production was not touched');
  t.equal(hashTree(catalog), before.catalog, 'nor the catalog');
});
