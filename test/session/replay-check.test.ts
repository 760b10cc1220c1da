// What `pbkfs start` says of the WAL archive before the server replays it.

import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type BackupInfo, backupIdOf, type Catalog, openCatalog } from '../../src/backup/index.js';
import { formatLsn, type RecoveryTarget } from '../../src/backup/wal/index.js';
import { segmentName } from '../../src/backup/wal/lsn.js';
import { beforeDrop } from '../../src/session/before-drop.js';
import { checkReplay } from '../../src/session/replay-check.js';
import { startTime, writeCatalog } from '../support/catalog-writer.js';
import { invalidDatabase } from '../support/invalid-database.js';
import { matchWhole } from '../support/match-whole.js';
import { mountMissing, pbkfs } from '../support/mount.js';
import { postgres15, query, serverTempDir } from '../support/postgres.js';
import { privateCatalog } from '../support/private-catalog.js';
import { temporaryDirectory } from '../support/swept.js';
import { WalWriter } from '../support/wal-writer.js';

/** Between the end of backup TOU5P9 and the end of the archive. */
const MISSING = '00000001000000000000001D';
const GAP = `segment ${MISSING} is missing, before 00000001000000000000001E`;

t.test('a gap of the WAL archive is named, where it is not a target that lies behind it', async (t) => {
  const { catalog: path } = await privateCatalog(t, 'mini');
  const catalog = openCatalog(path);
  const gap = (kind: 'latest' | 'immediate'): string | undefined =>
    checkReplay(catalog, 'a', catalog.backup('a', 'TOU5P9'), { target: { kind }, timeline: 'current' }, () => undefined)
      .gap;
  t.equal(gap('latest'), undefined, 'nothing is missing yet');
  rmSync(join(path, 'wal/a', `${MISSING}.gz`));
  t.equal(gap('latest'), GAP);
  t.equal(gap('immediate'), undefined, 'a target before it does not need it');

  await t.test('start warns of it and recovers as far as there is WAL', { skip: mountMissing }, async (t) => {
    const where = ['--bin-dir', postgres15().binaries.binDir, '--ephemeral', '--json'];
    const source = ['-B', path, '-I', 'a', '-i', 'TOU5P9'];
    const { status, stdout, stderr } = await pbkfs(['start', ...source, ...where], { TMPDIR: serverTempDir(t) });
    t.equal(status, 0, stderr);
    const { mountpoint, host, port } = JSON.parse(stdout) as { mountpoint: string; host: string; port: number };
    t.teardown(() => pbkfs(['stop', '-D', mountpoint, '--now']));
    matchWhole(t, stderr.split('\n'), [
      `pbkfs: warning: recovery ends at a gap of the WAL archive: ${GAP}`,
      /^pbkfs: warning: external directories of the backup are left out: \/tmp\/w\/pg\/ext_m; /,
      '',
    ]);
    const sql = 'select pg_walfile_name(pg_current_wal_insert_lsn())';
    const server = { connection: { host, port } } as Parameters<typeof query>[0];
    t.equal(await query(server, sql), MISSING.replace(/^.{8}/, '00000002'), 'it goes on where the gap begins');
  });
});

/** RM_TBLSPC_ID, and what XLOG_TBLSPC_CREATE says: an oid and a path. */
function createTablespace(wal: WalWriter, oid: number, path: string): WalWriter {
  const data = Buffer.alloc(4 + path.length + 1);
  data.writeUInt32LE(oid, 0);
  data.write(path, 4, 'latin1');
  return wal.main(5, 0, data);
}

/** An ARCHIVE backup that ends at the third record of the WAL. */
function catalogOf(t: Test, wal: WalWriter): { catalog: Catalog; backup: BackupInfo; stop: number } {
  const root = temporaryDirectory('pbkfs-replay-');
  t.teardown(() => rmSync(root, { recursive: true }));
  const [start, , stop] = wal.records;
  const control = { stream: 'false', 'start-lsn': formatLsn(start!), 'stop-lsn': formatLsn(stop!) };
  writeCatalog(root, [{ start: startTime(0), mode: 'FULL', files: [], control }]);
  writeFileSync(
    join(root, 'backups/main/pg_probackup.conf'),
    `system-identifier = 7\nxlog-seg-size = ${wal.segmentSize}\n`,
  );
  for (const [name, bytes] of wal.files()) writeFileSync(join(root, 'wal/main', name), bytes);
  const catalog = openCatalog(root);
  return { catalog, backup: catalog.backup('main', backupIdOf(startTime(0))), stop: stop! };
}

t.test('CREATE TABLESPACE up to the target: those with a path, and whether there is one without', async (t) => {
  const SEGMENT = 1 << 20;
  const wal = new WalWriter(0x20 * SEGMENT).record(100).record(100);
  createTablespace(wal.record(100), 16400, '/data/one');
  const between = wal.end;
  createTablespace(wal.record(100), 16500, '');
  wal.fillTo(0x21 * SEGMENT);
  const { catalog, backup } = catalogOf(t, wal);
  const replayed = (target: RecoveryTarget): { spaces: [number, string][]; inPlace: boolean } => {
    const { tablespaces, inPlace } = checkReplay(catalog, 'main', backup, { target, timeline: 'current' }, () => {});
    return { spaces: tablespaces.map(({ oid, path }) => [oid, path]), inPlace };
  };
  t.strictSame(replayed({ kind: 'latest' }), { spaces: [[16400, '/data/one']], inPlace: true });
  t.strictSame(replayed({ kind: 'lsn', lsn: between }), { spaces: [[16400, '/data/one']], inPlace: false });
  t.strictSame(replayed({ kind: 'immediate' }), { spaces: [], inPlace: false });
});

/** RM_DBASE_ID, and the XLOG_DBASE_DROP and XLOG_DBASE_CREATE_WAL_LOG of 15 and later. */
const dropDatabase = (wal: WalWriter, oid = 0, xid = 9): WalWriter => {
  const data = Buffer.alloc(12);
  data.writeUInt32LE(oid, 0);
  return wal.main(4, 0x20, data, xid);
};
const createDatabase = (wal: WalWriter): WalWriter => wal.main(4, 0x10, Buffer.alloc(12), 9);

t.test('a DROP DATABASE that is under way at the target time is not begun', async (t) => {
  const SEGMENT = 1 << 20;
  const second = (n: number): number => (1_790_000_000 + n) * 1e6;
  const wal = new WalWriter(0x20 * SEGMENT).record(100).commit(8, second(-2));
  dropDatabase(wal.record(100)).commit(9, second(1)).record(100);
  const committed = wal.records.length - 2;
  dropDatabase(wal).record(100).commit(10, second(3)).record(100).commit(11, second(5));
  createDatabase(wal).record(100).commit(12, second(7));
  wal.fillTo(0x21 * SEGMENT);
  const { catalog, backup, stop } = catalogOf(t, wal);
  const ends = (time: number, inclusive?: boolean) => {
    const replayed = { target: { kind: 'time' as const, time }, timeline: 'current' as const };
    const asked = inclusive === undefined ? replayed : { ...replayed, inclusive };
    return checkReplay(catalog, 'main', backup, asked, () => {}).beforeDrop;
  };
  const at = (lsn: number, inclusive: boolean) => ({ target: { kind: 'lsn', lsn }, inclusive });
  t.strictSame(ends(second(2)), at(wal.records[committed]!, true), 'after the last commit before the time');
  t.strictSame(ends(second(3), false), at(wal.records[committed]!, true), 'a commit at the very time does not count');
  t.strictSame(ends(second(0)), at(stop, false), 'where the backup is consistent, when nothing was committed since');
  t.equal(ends(second(3)), undefined, 'it has been committed');
  t.equal(ends(second(4)), undefined, 'another one committed long ago');
  t.equal(ends(second(6)), undefined, 'a CREATE DATABASE removes nothing');
});

const at = (lsn: number, inclusive: boolean) => ({ target: { kind: 'lsn' as const, lsn }, inclusive });

t.test('a database is invalid from the beginning of its DROP DATABASE to the commit', async (t) => {
  const SEGMENT = 1 << 20;
  const second = (n: number): number => (1_790_000_000 + n) * 1e6;
  const wal = new WalWriter(0x20 * SEGMENT).record(100).record(100).record(100);
  invalidDatabase(wal, { oid: 16400, name: 'early' }).commit(8, second(1)).record(100);
  const committed = wal.records.length - 2;
  invalidDatabase(wal, { oid: 16500, name: 'app' }).commit(9, second(3)).record(100);
  invalidDatabase(wal, { oid: 16500, name: 'app' });
  dropDatabase(wal, 16500, 10).commit(11, second(5)).record(100).commit(10, second(7));
  wal.fillTo(0x21 * SEGMENT);
  const { catalog, backup, stop } = catalogOf(t, wal);
  const early = { name: 'early', before: at(stop, false) };
  const app = { name: 'app', before: at(wal.records[committed]!, true) };
  const replayed = (time: number) =>
    checkReplay(catalog, 'main', backup, { target: { kind: 'time', time }, timeline: 'current' }, () => {});
  t.strictSame(replayed(second(2)).invalid, [early, app], 'which is replayed up to the next commit');
  t.strictSame(replayed(second(2)).beforeDrop, app.before, 'so it ends before, where the same is committed');
  t.equal(replayed(second(6)).beforeDrop, undefined, 'which would be without what was committed meanwhile');
  t.strictSame(replayed(second(4)).invalid, [early, app], 'from its first beginning on');
  t.strictSame(replayed(second(6)).invalid, [early, app], 'another one committed meanwhile');
  t.strictSame(replayed(second(8)).invalid, [early], 'it is dropped; the other DROP DATABASE was interrupted');
});

t.test('a DROP DATABASE that was rolled back has left its database invalid', async (t) => {
  const SEGMENT = 1 << 20;
  const time = 1_790_000_000 * 1e6;
  const wal = new WalWriter(0x20 * SEGMENT).record(100).record(100).record(100);
  invalidDatabase(wal, { oid: 16500, name: 'app' });
  dropDatabase(wal, 16500, 9)
    .abort(9, time)
    .commit(10, time + 1e6)
    .fillTo(0x21 * SEGMENT);
  const { catalog, backup, stop } = catalogOf(t, wal);
  const target = { kind: 'time' as const, time: time + 2e6 };
  const replay = checkReplay(catalog, 'main', backup, { target, timeline: 'current' }, () => {});
  t.strictSame(replay.invalid, [{ name: 'app', before: at(stop, false) }]);
  t.equal(replay.beforeDrop, undefined);
});

t.test(
  'a DROP DATABASE at a transaction or a restore point, and what lies behind that counts for nothing',
  async (t) => {
    const SEGMENT = 1 << 20;
    const time = (n: number): number => (1_790_000_000 + n) * 1e6;
    const restorePoint = (name: string): void =>
      void wal.main(0, 0x70, Buffer.from(`${'\0'.repeat(8)}${name}\0`, 'latin1'));
    const wal = new WalWriter(0x20 * SEGMENT).record(100).record(100).commit(8, time(1));
    const committed = wal.records.length - 1;
    invalidDatabase(wal, { oid: 16500, name: 'app' });
    restorePoint('begun');
    wal.commit(9, time(2));
    restorePoint('others');
    dropDatabase(wal, 16500, 10).commit(10, time(3));
    const dropped = wal.records.length - 1;
    restorePoint('dropped');
    const last = wal.commit(11, time(4)).records.length - 1;
    invalidDatabase(wal, { oid: 16600, name: 'later' });
    createTablespace(wal, 16700, '/data/later')
      .record(100)
      .fillTo(0x21 * SEGMENT);
    const { catalog, backup } = catalogOf(t, wal);
    const seen = (target: RecoveryTarget, inclusive = true) => {
      const replay = checkReplay(catalog, 'main', backup, { target, timeline: 'current', inclusive }, () => {});
      return [replay.beforeDrop, replay.invalid, replay.tablespaces.length];
    };
    const xid = (xid: number, inclusive?: false) => seen({ kind: 'xid', xid }, inclusive);
    const name = (name: string) => seen({ kind: 'name', name });
    const app = { name: 'app', before: at(wal.records[committed]!, true) };
    const later = { name: 'later', before: at(wal.records[last]!, true) };
    t.strictSame(xid(8), [undefined, [], 0]);
    t.strictSame(xid(9, false), [app.before, [app], 0], 'within it');
    t.strictSame(xid(9), [undefined, [app], 0], 'which would be without what was committed meanwhile');
    t.strictSame(xid(10, false), [at(wal.records[committed + 3]!, true), [app], 0], 'the moment before it commits');
    t.strictSame(xid(10), [undefined, [], 0], 'it has been committed');
    t.strictSame(xid(11), [undefined, [], 0], 'before another');
    t.strictSame(xid(12), [undefined, [], 1], 'a prepared one, maybe');
    t.strictSame(name('begun'), [app.before, [app], 0]);
    t.strictSame(name('others'), [undefined, [app], 0]);
    t.strictSame(name('dropped'), [undefined, [], 0]);
    const lsn = { kind: 'lsn', lsn: wal.records[dropped]! } as const;
    t.strictSame(seen(lsn), [undefined, [], 0], 'up to its commit');
    t.strictSame(seen(lsn, false), [undefined, [app], 0], 'and before that');
    t.strictSame(seen({ kind: 'latest' }), [undefined, [later], 1], 'what lies behind the others');
  },
);

t.test('where recovery ends for a DROP DATABASE, and what is said', async (t) => {
  const invalid = [
    { name: 'app', before: at(0x1000, true) },
    { name: 'other', before: at(0x2000, false) },
  ];
  const ends = (wanted: string[] | undefined, dropped?: ReturnType<typeof at>, isSettled = false) => {
    const said: string[] = [];
    const found = beforeDrop({ beforeDrop: dropped, invalid }, isSettled, wanted, (text) => said.push(text));
    return [found, said] as const;
  };
  matchWhole(t, ends(['other', 'third']), [
    at(0x2000, false),
    [/^a DROP DATABASE of other was under way at the target: recovery ends before it began, at 0\/2000; /],
  ]);
  matchWhole(t, ends(['third']), [undefined, []]);
  const unusable = (name: string, lsn: string) =>
    new RegExp(`^nobody can connect to the database ${name} at the target: .*--recovery-target-lsn ${lsn} is before`);
  matchWhole(t, ends(undefined), [undefined, [unusable('app', '0/1000'), unusable('other', '0/2000')]]);
  matchWhole(t, ends(undefined, at(0x2000, false)), [
    at(0x2000, false),
    [/: recovery ends before it removes the files, at 0\/2000$/, unusable('app', '0/1000')],
  ]);
  matchWhole(t, ends(['app'], undefined, true), [undefined, []]);
  matchWhole(t, ends(['app'], at(0x2000, false), true), [
    undefined,
    [/: a new mount with --recovery-target-lsn 0\/2000 has/],
  ]);
});

t.test('WAL that breaks off is no end of recovery where the archive goes on', async (t) => {
  const SEGMENT = 1 << 20;
  const wal = new WalWriter(0x20 * SEGMENT).record(100).record(100).record(100);
  wal
    .commit(8, 1_790_000_000e6)
    .fillTo(0x21 * SEGMENT)
    .fillTo(0x22 * SEGMENT)
    .record(100);
  const broken = wal.records.findLast((at) => at < 0x22 * SEGMENT - 1000)!;
  wal.segments.get(0x21)![(broken % SEGMENT) + 30]! ^= 1;
  const { catalog, backup, stop } = catalogOf(t, wal);
  const replayed = (target: RecoveryTarget) =>
    checkReplay(catalog, 'main', backup, { target, timeline: 'current' }, () => {});
  const name = (number: number): string => segmentName(1, number, SEGMENT);
  t.throws(() => replayed({ kind: 'latest' }), {
    code: 'wal_damaged',
    message: new RegExp(`^${name(0x21)}: `),
    hint: new RegExp(`goes on to ${name(0x22)}`),
  });
  t.doesNotThrow(() => replayed({ kind: 'lsn', lsn: stop }), 'a target before that');
  rmSync(join(catalog.path, 'wal/main', name(0x22)));
  t.doesNotThrow(() => replayed({ kind: 'latest' }), 'in the last segment WAL may end');
});

t.test('what comes before the backup is consistent ends nothing', async (t) => {
  const SEGMENT = 1 << 20;
  const time = (n: number): number => (1_790_000_000 + n) * 1e6;
  const wal = new WalWriter(0x20 * SEGMENT).record(100).commit(8, time(5)).record(100);
  createTablespace(wal, 16400, '/data/one').commit(9, time(2)).record(100);
  createTablespace(wal, 16500, '/data/two').fillTo(0x21 * SEGMENT);
  const { catalog, backup } = catalogOf(t, wal);
  const seen = (target: RecoveryTarget): number[] =>
    checkReplay(catalog, 'main', backup, { target, timeline: 'current' }, () => {}).tablespaces.map(({ oid }) => oid);
  t.strictSame(seen({ kind: 'xid', xid: 8 }), [16400, 16500]);
  t.strictSame(seen({ kind: 'xid', xid: 9 }), [16400]);
  t.strictSame(seen({ kind: 'time', time: time(3) }), [16400, 16500]);
});

t.test('the server gets the WAL that was read, and no more', async (t) => {
  const SEGMENT = 1 << 20;
  const wal = new WalWriter(0x20 * SEGMENT).record(100).record(100).record(100);
  wal
    .fillTo(0x21 * SEGMENT)
    .commit(8, 1_790_000_000e6)
    .fillTo(0x23 * SEGMENT);
  const { catalog, backup } = catalogOf(t, wal);
  const commit = wal.records.find((at) => at > 0x21 * SEGMENT)!;
  const { restoreCommand } = checkReplay(
    catalog,
    'main',
    backup,
    { target: { kind: 'lsn', lsn: commit - 8 }, timeline: 'current' },
    () => {},
  );
  const name = (number: number, timeline = 1): string => segmentName(timeline, number, SEGMENT);
  const names = [name(0x20), name(0x21), name(0x22), name(0x22, 2), name(0x21, 2), '00000002.history'];
  const mount = t.testdir({ '.pbkfs': { wal: Object.fromEntries(names.map((file) => [file, file])) } });
  const fetched = (file: string): [number | null, boolean] => {
    const command = restoreCommand.replaceAll('%f', file).replaceAll('%p', 'fetched');
    const { status } = spawnSync('sh', ['-c', command], { cwd: mount });
    const there = existsSync(join(mount, 'fetched'));
    rmSync(join(mount, 'fetched'), { force: true });
    return [status, there];
  };
  for (const file of [name(0x20), name(0x21), name(0x21, 2), '00000002.history'])
    t.strictSame(fetched(file), [0, true], file);
  for (const file of [name(0x22), name(0x22, 2), name(0x1f), '00000003.history'])
    t.strictSame(fetched(file), [1, false], file);
});
