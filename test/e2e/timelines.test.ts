// A backup, then a promotion: the old timeline and the new one both go on and are archived. Recovery goes where it is
// told, also over a record that a crash cut off on the way.

import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openCatalog } from '../../src/backup/index.js';
import { isSegmentName, WalPath } from '../../src/backup/wal/index.js';
import { LiveCatalog } from '../support/live-catalog.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { connected, newCluster, query, serverTempDir, start } from '../support/postgres.js';
import { runOk } from '../support/run.js';

interface Story {
  readonly catalog: string;
  readonly backup: string;
  /** A transaction of the new timeline. */
  readonly xid: string;
}

async function story(t: Test): Promise<Story> {
  const base = serverTempDir(t);
  const settings = { wal_keep_size: '1GB', fsync: 'off', autovacuum: 'off' };
  const dataDir = await newCluster(t, ['--wal-segsize=1']);
  let server = await start(t, dataDir, { settings });
  const catalog = new LiveCatalog(join(base, 'catalog'), dataDir);
  await query(server, 'create table t(word text)');
  const backup = await catalog.backup(server, { stream: false });
  await query(server, `insert into t values ('both')`);
  await server.stop();
  const promoted = join(base, 'promoted');
  cpSync(dataDir, promoted, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
  await runOk('chown', ['-R', '--reference', dataDir, promoted]);
  chmodSync(promoted, 0o700);

  // The old timeline: a record over two segments, of which a crash leaves only the first.
  server = await start(t, dataDir, { settings });
  await query(server, `insert into t values ('before the crash')`);
  const first = await query(server, 'select pg_walfile_name(pg_current_wal_insert_lsn())');
  await query(server, `select pg_logical_emit_message(true, 'x', repeat('z', 2200000))`);
  await server.stop('immediate');
  const wal = join(dataDir, 'pg_wal');
  for (const name of readdirSync(wal)) if (isSegmentName(name) && name > first) rmSync(join(wal, name));
  server = await start(t, dataDir, { settings });
  await query(server, `insert into t values ('after the crash')`);
  await catalog.archive(server);
  await server.stop('immediate');
  const abandoned = readdirSync(wal)
    .filter(isSegmentName)
    .filter((name) => (readFileSync(join(wal, name)).readUInt16LE(2) & 8) !== 0);
  t.equal(abandoned.length, 1, 'PostgreSQL gave up a record');

  // The new one.
  const recovery = { restoreCommand: 'exit 1', target: 'latest', timeline: 'current' } as const;
  server = await start(t, promoted, { settings, recovery });
  await query(server, `insert into t values ('promoted')`);
  const xid = await connected(server, 'postgres', async (client) => {
    const sql = `with w as (insert into t values ('target') returning 1) select txid_current()::text as xid from w`;
    return (await client.query<{ xid: string }>(sql)).rows[0]!.xid;
  });
  await query(server, `insert into t values ('behind')`);
  await catalog.archive(server, promoted, 'gz');
  await server.stop('immediate');
  return { catalog: catalog.path, backup: backup.id, xid };
}

t.test('recovery follows the timeline it is told', { skip: mountMissing }, async (t) => {
  const { catalog, backup, xid } = await story(t);
  const out = serverTempDir(t);
  const rows = async (options: readonly string[]): Promise<string> => {
    const file = join(out, options.join('_'));
    mkdirSync(join(out, 'scratch'), { recursive: true });
    const asked = ['--database', 'postgres', '--query', 'select word from t', '--format', 'copy', '-o', file];
    const result = await pbkfs(['rescue', '-B', catalog, '-I', 'main', '-i', backup, ...asked, ...options]);
    return result.status === 0 ? readFileSync(file, 'utf8').trim().replaceAll('\n', ', ') : result.stderr;
  };
  const latest = ['--recovery-target', 'latest'];
  t.equal(await rows(latest), 'both, promoted, target, behind', 'by itself to the newest one, as pg_probackup restore');
  const current = [...latest, '--recovery-target-timeline', 'current'];
  t.equal(await rows(current), 'both, before the crash, after the crash');
  const other = await rows(['--recovery-target-xid', xid]);
  t.equal(
    other,
    'both, before the crash, after the crash',
    'to other targets along its own, where the number is another transaction',
  );
  t.equal(await rows(['--recovery-target-xid', xid, '--recovery-target-timeline', '2']), 'both, promoted, target');
  const refused = await rows(['--recovery-target-timeline', '3', ...latest]);
  t.match(refused, /no history file of timeline 3\nhint: from this backup recovery can follow timeline 1, 2;/);
  const kinds = (timeline: 'current' | 2) =>
    [...new WalPath(openCatalog(catalog), 'main', openCatalog(catalog).backup('main', backup), timeline).events()].map(
      ({ kind }) => kind,
    );
  t.equal(kinds('current').filter((kind) => kind === 'commit').length >= 3, true);
  t.equal(kinds(2).filter((kind) => kind === 'commit').length >= 4, true);
});
