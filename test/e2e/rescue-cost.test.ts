// What a rescue costs: reading fresh rows of a paused standby writes nothing, also in a cluster without page checksums; and
// which backup it takes, and what its other formats hold.

import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { nothingLeftIn } from '../support/left-behind.js';
import { LiveCatalog } from '../support/live-catalog.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { clientProgram, initdb, postgres15, query, serverTempDir, start } from '../support/postgres.js';
import { runOk } from '../support/run.js';

const MIB = 2 ** 20;

t.test('a rescue writes little, whatever it reads', { skip: mountMissing }, async (t) => {
  const { user } = postgres15();
  const base = serverTempDir(t);
  const [dataDir, scratch, out] = ['data', 'scratch', 'out'].map((name) => {
    mkdirSync(join(base, name), { mode: 0o700 });
    chownSync(join(base, name), user.uid, user.gid);
    return join(base, name);
  }) as [string, string, string];
  await initdb(dataDir, ['--no-sync', '--wal-segsize=1'], false);
  const settings = { wal_keep_size: '1GB', fsync: 'off', autovacuum: 'off' };
  const server = await start(t, dataDir, { settings });
  const catalog = new LiveCatalog(join(base, 'catalog'), dataDir);
  await query(server, `create table fresh as select n, repeat('x', 1000) as padding from generate_series(1, 20000) n`);
  await query(server, 'checkpoint');
  const size = Number(await query(server, `select pg_relation_size('fresh')`));
  const first = await catalog.backup(server, { stream: false });
  await query(server, 'select pg_sleep(1.1)'); // recovery-time has whole seconds
  await query(server, 'insert into fresh values (0)');
  const time = await query(server, 'select clock_timestamp()::text');
  // Recovery stops before it, and not before the DROP TABLE, whose lock would have to be waited out.
  await query(server, 'create table after()');
  await query(server, 'select pg_sleep(1.1)');
  const second = await catalog.backup(server, { stream: false });
  await query(server, 'drop table fresh');
  await query(server, 'create table later()');
  await catalog.archive(server);
  await server.stop('immediate');

  const source = ['-B', catalog.path, '-I', 'main', '--work-dir', scratch];
  const rescue = async (args: readonly string[]) => {
    const { status, stdout, stderr } = await pbkfs(['rescue', ...source, '--json', ...args]);
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout) as { backupId: string; diffBytes: number; catalogBytes: number; clusterBytes: number };
  };
  const file = join(out, 'fresh.copy');
  const table = ['--table', 'postgres.public.fresh'];
  const copy = [...table, '--format', 'copy', '-o', file];

  const paused = await rescue(['--time', time, ...copy]);
  const lines = readFileSync(file, 'utf8').split('\n');
  t.equal(lines.length, 20_002, 'all rows, and the one that came before the time');
  t.equal(paused.backupId, first.id, `the newest before the time, not ${second.id}`);
  t.ok(paused.catalogBytes > size, `${paused.catalogBytes} bytes read for ${size}`);
  t.ok(paused.diffBytes < size / 2, `a diff of ${paused.diffBytes} bytes for ${size} bytes of fresh rows`);
  t.ok(size > 20 * MIB);

  // The proof that the rows were fresh: a server that takes writes does write them.
  const question = join(base, 'count.sql');
  writeFileSync(question, 'select count(*) = 20000 from fresh;');
  const drill = await pbkfs(['drill', ...source, '-i', first.id, '--sql', question, '--json']);
  const [drilled] = (JSON.parse(drill.stdout) as { backups: { diffBytes: number; passed: boolean }[] }).backups;
  t.ok(drilled!.passed);
  t.ok(drilled!.diffBytes > size, `reading them after promotion: a diff of ${drilled!.diffBytes} bytes`);

  const restore = clientProgram('pg_restore');
  await t.test(
    'a whole database as pg_dump writes it',
    { skip: 'missing' in restore && restore.missing },
    async (t) => {
      const dump = join(out, 'all.dump');
      await rescue(['--time', time, '--database', 'postgres', '-o', dump]);
      const text = await runOk((restore as { path: string }).path, ['-f', '-', dump], { timeout: 120_000 });
      const rows = /^COPY public\.fresh .*\n([\s\S]*?)^\\\.$/m.exec(text)?.[1]?.split('\n');
      t.strictSame(rows?.sort(), lines.sort(), 'the same rows');
    },
  );
  await nothingLeftIn(t, scratch);
});
