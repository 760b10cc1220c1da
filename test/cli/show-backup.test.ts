// pbkfs show -i: one backup, and what recovery of it can reach along each timeline.

import { rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { backupIdOf } from '../../src/backup/index.js';
import type { OneBackup } from '../../src/cli/show-backup.js';
import { startTime, writeCatalog } from '../support/catalog-writer.js';
import { copyCatalog, extractCatalog } from '../support/catalogs.js';
import { matchWhole } from '../support/match-whole.js';
import { pbkfs } from '../support/mount.js';
import { faults } from '../support/schema.js';

async function one(t: Test, catalog: string, instance: string, id: string): Promise<OneBackup> {
  const { status, stdout, stderr } = await pbkfs(['show', '-B', catalog, '-I', instance, '-i', id, '--json']);
  t.equal(status, 0, stderr);
  t.strictSame(faults('show', stdout), []);
  const { instances } = JSON.parse(stdout) as { instances: { backups: OneBackup[] }[] };
  t.equal(instances[0].backups.length, 1);
  return instances[0].backups[0];
}

/** Of the table, as `name: value`. */
const rowsOf = (stdout: string): string[] =>
  stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/ {2,}/, ': '));

t.test('timelines-that-branch-off-behind-the-backup-each-have-a-range', async (t) => {
  const catalog = join(await extractCatalog('tli'), 'catalog');
  const { id, chain, recovery } = await one(t, catalog, 'main', 'tou4ep');
  t.strictSame([id, chain], ['TOU4EP', ['TOU4EP']]);
  const range = (timeline: number, beforeTime: string, toLsn: string): object => {
    const from = { fromTime: '2026-11-21T04:28:03Z', fromLsn: '0/78000B8' };
    return { timeline, ...from, beforeTime, toLsn, gap: null, fault: null };
  };
  t.strictSame(recovery, [
    range(1, '2026-11-21T04:28:15.522235Z', '0/7C00028'),
    range(2, '2026-11-21T04:28:29.856271Z', '0/8200028'),
    range(3, '2026-11-21T04:28:30.213638Z', '0/84000B8'),
  ]);
  const { stdout } = await pbkfs(['show', '-B', catalog, '-I', 'main', '-i', 'TOU4EP']);
  t.match(stdout, /^backup +TOU4EP of instance main: FULL, OK\nmountable +yes\n/);
  t.match(
    stdout,
    /\ntimeline 2 +recovery to times from 2026-11-21 04:28:03\+00 on before 2026-11-21 04:28:29\.856271\+00, LSNs from 0\/78000B8 to 0\/8200028\n/,
  );
});

t.test('latest-is-the-newest-that-can-be-mounted; external directories are named', async (t) => {
  const catalog = join(await extractCatalog('mini'), 'catalog');
  const { id, externalDirectories, recovery } = await one(t, catalog, 'a', 'latest');
  t.strictSame([id, externalDirectories], ['TOU5PO', ['/tmp/w/pg/ext_m']]);
  matchWhole(t, recovery, [{ timeline: 1, beforeTime: null, fromLsn: '0/1D00168', toLsn: '0/1E00060', fault: null }]);
  const { stdout } = await pbkfs(['show', '-B', catalog, '-I', 'a', '-i', 'latest']);
  t.strictSame(rowsOf(stdout), [
    'backup: TOU5PO of instance a: DELTA, OK',
    'mountable: yes',
    'chain: TOU5OE, TOU5OV, TOU5P9, TOU5PO',
    'made: 2026-11-21T04:56:12Z to 2026-11-21T04:56:22Z',
    'consistent: from 2026-11-21T04:56:13Z on',
    'WAL: STREAM (1.0 MiB in the backup), 0/1D00028 to 0/1D00168, timeline 1',
    'made by: pg_probackup 2.5.16, of PostgreSQL 15',
    'stored: 186 KiB (zlib), of 30.8 MiB',
    'not mounted: external directories: /tmp/w/pg/ext_m',
    'timeline 1: recovery to LSNs from 0/1D00168 to 0/1E00060; no transaction ended in that WAL',
  ]);
});

t.test('missing-and-damaged-WAL-is-told, and the rest of the backup too', async (t) => {
  const catalog = await copyCatalog('tli', t.testdir());
  const wal = join(catalog, 'wal/main');
  const about = async (): Promise<string> =>
    (await pbkfs(['show', '-B', catalog, '-I', 'main', '-i', 'TOU4EP'])).stdout;
  truncateSync(join(wal, '000000030000000000000084.gz'), 100);
  t.match(await about(), /\nmountable +yes\n[\s\S]*\ntimeline 3 +its WAL cannot be read: .*000000030000000000000084/);
  matchWhole(t, (await one(t, catalog, 'main', 'TOU4EP')).recovery, [
    { timeline: 1, toLsn: '0/7C00028', fault: null },
    { timeline: 2, toLsn: '0/8200028', fault: null },
    { timeline: 3, toLsn: null, fault: /000000030000000000000084/ },
  ]);
  rmSync(join(wal, '00000001000000000000007A.gz'));
  t.match(
    await about(),
    /\ntimeline 1 +recovery to .* LSNs from 0\/78000B8 to 0\/79\S+; segment \S+7A is missing, before \S+7B\n/,
  );
  rmSync(join(wal, '000000010000000000000078.gz'));
  t.match(
    await about(),
    /\ntimeline 1 +WAL that the backup itself needs is missing; segment \S+78 is missing, before /,
  );
  t.match((await one(t, catalog, 'main', 'TOU4EP')).recovery[0], {
    timeline: 1,
    toLsn: null,
    gap: /^segment \S+78 is missing, before \S+79$/,
    fault: 'WAL that the backup itself needs is missing',
  });
});

t.test('what backup.control does not say is shown as unknown', async (t) => {
  const catalog = t.testdir();
  const said = [
    'start-lsn',
    'stop-lsn',
    'recovery-time',
    'end-time',
    'program-version',
    'server-version',
    'timelineid',
  ];
  const missing = Object.fromEntries([...said, 'compress-alg', 'data-bytes', 'pgdata-bytes'].map((key) => [key, null]));
  const start = startTime(0);
  const id = backupIdOf(start);
  writeCatalog(catalog, [{ start, mode: 'FULL', files: [], control: { ...missing, note: 'before the move' } }]);
  const { stdout } = await pbkfs(['show', '-B', catalog, '-I', 'main', '-i', id]);
  matchWhole(t, rowsOf(stdout), [
    `backup: ${id} of instance main: FULL, OK`,
    /^mountable: no: .*program-version is missing$/,
    /^hint: /,
    `chain: ${id}`,
    /^made: \S+Z to \?$/,
    'consistent: ?',
    'WAL: STREAM (- in the backup), ? to ?, timeline ?',
    'made by: pg_probackup ?, of PostgreSQL ?',
    'stored: - (none), of -',
    'note: before the move',
  ]);
  t.strictSame((await one(t, catalog, 'main', id)).recovery, []);
});

t.test('a backup that cannot be mounted is shown with the reason; ids need an instance', async (t) => {
  const catalog = join(await extractCatalog('states'), 'catalog');
  t.match(await pbkfs(['show', '-B', catalog, '-I', 'main', '-i', 'TOU3WS']), {
    status: 0,
    stdout: /^backup +TOU3WS of instance main: \w+, CORRUPT\nmountable +no: .*CORRUPT/,
  });
  t.match(await pbkfs(['show', '-B', catalog, '-i', 'latest']), { status: 2, stderr: /-i needs -I/ });
  t.match(await pbkfs(['show', '-B', catalog, '-I', 'main', '-i', 'NOSUCH']), {
    status: 1,
    stderr: /has no backup NOSUCH/,
  });
});
