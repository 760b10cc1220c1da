// Chains and states: what is mountable, what is refused and why.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { findBackup } from '../../src/backup/catalog.js';
import {
  backupIdOf,
  type Catalog,
  checkBackup,
  openCatalog,
  openChain,
  passedOverWarning,
  resolveChain,
} from '../../src/backup/index.js';
import { type BackupSpec, startTime, writeCatalog } from '../support/catalog-writer.js';
import { copyCatalog, extractCatalog } from '../support/catalogs.js';
import { matchWhole } from '../support/match-whole.js';

const files = [{ path: 'PG_VERSION', content: '15\n' }];
const full = (n: number, more: Partial<BackupSpec> = {}): BackupSpec => ({
  start: startTime(n),
  mode: 'FULL',
  files,
  ...more,
});
const delta = (n: number, parent: number, more: Partial<BackupSpec> = {}): BackupSpec => ({
  start: startTime(n),
  mode: 'DELTA',
  parent: startTime(parent),
  files,
  ...more,
});
const id = (n: number) => backupIdOf(startTime(n));

function catalogOf(t: Test, backups: readonly BackupSpec[]) {
  return openCatalog(writeCatalog(path.join(t.testdir({}), 'catalog'), backups));
}

function checkId(catalog: Catalog, id: string, options: { force?: boolean } = {}) {
  const backups = catalog.backups('main');
  return checkBackup(backups, 'main', findBackup(backups, 'main', id), options);
}

t.test('all backups of a long chain are judged by a few looks at each', (t) => {
  const length = 60;
  const catalog = catalogOf(
    t,
    Array.from({ length }, (_, n) => (n === 0 ? full(0) : delta(n, n - 1))),
  );
  let looks = 0;
  const watched = catalog.backups('main').map((backup) => ({
    ...backup,
    get directory() {
      looks++;
      return backup.directory;
    },
  }));
  for (const backup of watched) t.ok(checkBackup(watched, 'main', backup).mountable);
  t.ok(looks <= 3 * length, `${looks} looks`);
  t.end();
});

t.test('real catalog "states": reasons and --force (trap 11)', async (t) => {
  const catalog = openCatalog(`${await extractCatalog('states')}/catalog`);
  const check = (id: string, force = false) => checkId(catalog, id, { force });
  t.same(check('TOU3WI').mountable, true);
  t.same(
    check('TOU3WI').members.map((member) => member.id),
    ['TOU3W7', 'TOU3WI'],
  );
  t.ok(check('TOU3XI').mountable, 'DONE is complete, only not validated');
  t.match(check('TOU3WS'), { mountable: false, reason: /TOU3WS.*CORRUPT/, hint: /--force/ });
  t.match(check('TOU3X3'), { mountable: false, reason: /TOU3X3.*ORPHAN/, hint: /--force/ });
  t.ok(check('TOU3WS', true).mountable);
  t.ok(check('TOU3X3', true).mountable);
  for (const [id, status] of [
    ['TOU3YU', 'ERROR'],
    ['TOU3XU', 'RUNNING'],
    ['TOU3XQ', 'RUNNING'],
  ] as const) {
    t.match(check(id, true), { mountable: false, reason: new RegExp(`${id}.*${status}`) });
    t.throws(() => resolveChain(catalog, 'main', id, { force: true }), { code: 'backup_unusable', hint: /./ });
  }
  const latest = resolveChain(catalog, 'main', 'latest');
  t.equal(latest.target.id, 'TOU3XI', 'latest passes over what is not mountable');
  t.strictSame(
    latest.passedOver.map(({ backupId }) => backupId),
    ['TOU3YU', 'TOU3XU', 'TOU3XQ'],
  );
  matchWhole(t, passedOverWarning(latest), [
    /^backup TOU3XI is taken as the latest, .*TOU3YU .*ERROR.* \(and 2 more: /,
  ]);
  t.strictSame(passedOverWarning(resolveChain(catalog, 'main', 'TOU3XI')), [], 'asked for by its id');
});

t.test('real catalog "merging": the whole chain is refused, though the grandchild is OK (trap 11)', async (t) => {
  const catalog = openCatalog(`${await extractCatalog('merging')}/catalog`);
  for (const id of ['TOU42M', 'TOU42X', 'TOU439']) {
    t.match(checkId(catalog, id, { force: true }), { mountable: false, reason: /MERGING/, hint: /merge/ });
  }
  t.throws(() => resolveChain(catalog, 'main', 'latest'), { code: 'backup_not_found' });
});

t.test('ids in any case; the catalog keeps its spelling (trap 12)', async (t) => {
  const catalog = openCatalog(`${await extractCatalog('mini')}/catalog`);
  t.same(catalog.instances(), ['a', 'b']);
  const chain = resolveChain(catalog, 'a', 'tou5po');
  t.same(
    chain.members.map((member) => member.id),
    ['TOU5OE', 'TOU5OV', 'TOU5P9', 'TOU5PO'],
  );
  t.equal(chain.target.id, 'TOU5PO');
  t.equal(resolveChain(catalog, 'b', 'LATEST').target.id, 'TOU5PC');
  t.same(JSON.parse(JSON.stringify(chain)).members.length, 4, 'a chain is plain data');
  t.match(catalog.config('a'), { systemIdentifier: '7710483872181884041', xlogSegSize: 1048576 });
});

t.test('each state of each member counts', (t) => {
  for (const status of ['RUNNING', 'ERROR', 'MERGING', 'MERGED', 'DELETING', 'DELETED', 'WHATEVER']) {
    const catalog = catalogOf(t, [full(0, { status }), delta(1, 0), delta(2, 1)]);
    t.match(checkId(catalog, id(2), { force: true }), {
      mountable: false,
      reason: new RegExp(`${id(2)}.*${id(0)}.*status`),
    });
  }
  for (const status of ['CORRUPT', 'ORPHAN']) {
    const catalog = catalogOf(t, [full(0), delta(1, 0, { status }), delta(2, 1)]);
    t.notOk(checkId(catalog, id(2)).mountable);
    t.ok(checkId(catalog, id(2), { force: true }).mountable);
  }
  t.end();
});

t.test('one odd backup elsewhere blocks nobody (trap 10, trap 11)', (t) => {
  const catalog = catalogOf(t, [
    full(0),
    delta(1, 0),
    full(2, { control: { note: "'it's a trap'" } }),
    full(3, { controlText: null }),
    full(4, { controlText: '' }),
    full(5, { controlText: Buffer.from([0, 1, 2, 255, 10, 61, 61]) }),
    full(6, { control: { 'backup-mode': 'ODD' } }),
    full(7, { control: { 'program-version': '9.9.9' } }),
    delta(8, 7, { status: 'RUNNING', list: null }),
  ]);
  t.equal(catalog.backups('main').length, 9);
  t.ok(checkId(catalog, id(1)).mountable);
  t.ok(checkId(catalog, id(2)).mountable, 'a note with a quote is no fault at all');
  t.equal(catalog.backup('main', id(2)).note, "it's a trap");
  t.equal(resolveChain(catalog, 'main', 'latest').target.id, id(2));
  for (const n of [3, 4, 5, 6])
    t.throws(() => resolveChain(catalog, 'main', id(n), { force: true }), { code: 'backup_damaged' });
  t.throws(() => resolveChain(catalog, 'main', id(7)), { code: 'backup_unsupported', message: /9\.9\.9/ });
  t.end();
});

t.test('a list that cannot be looked at, or a pipe in the place of a control file, is a matter of that backup', (t) => {
  const catalog = catalogOf(t, [full(0), full(1), full(2)]);
  const list = path.join(catalog.path, 'backups/main', id(1), 'backup_content.control');
  fs.unlinkSync(list);
  fs.symlinkSync(list, list);
  const control = path.join(catalog.path, 'backups/main', id(2), 'backup.control');
  fs.unlinkSync(control);
  execFileSync('mkfifo', [control]);
  t.match(checkId(catalog, id(1)), { mountable: false, reason: /backup_content.control cannot be read: ELOOP/ });
  t.match(checkId(catalog, id(2)), {
    mountable: false,
    reason: /backup.control cannot be read: it is not a plain file/,
  });
  t.equal(resolveChain(catalog, 'main', 'latest').target.id, id(0));
  t.end();
});

t.test('chains that do not hold together', (t) => {
  const catalog = catalogOf(t, [
    delta(1, 0),
    { start: startTime(2), mode: 'PAGE', files },
    delta(3, 4),
    delta(4, 3),
    full(5, { list: null }),
    delta(6, 5),
  ]);
  t.match(checkId(catalog, id(1)), { reason: new RegExp(`parent ${id(0)} is missing`) });
  t.match(checkId(catalog, id(2)), { reason: /names no parent/ });
  t.match(checkId(catalog, id(4)), { reason: new RegExp(`lead back to ${id(4)}`) });
  t.match(checkId(catalog, id(6)), { reason: /backup_content.control is missing/ });
  for (const [purpose, said] of [
    [undefined, 'mounted'],
    ['mounted', 'mounted'],
    ['read', 'read'],
  ] as const) {
    const message = new RegExp(`^backup ${id(6)} cannot be ${said}: backup ${id(5)} of its chain: .* is missing$`);
    t.throws(() => resolveChain(catalog, 'main', id(6), { purpose }), {
      code: 'backup_damaged',
      message,
      hint: /another/,
    });
  }
  t.throws(() => resolveChain(catalog, 'main', 'NOPE'), { code: 'backup_not_found' });
  t.throws(() => catalog.backups('other'), { code: 'catalog_not_found', hint: /main/ });
  t.throws(() => catalog.backups('../backups/main'), { code: 'catalog_not_found' });
  for (const path of ['/nonexistent', '/dev/null']) {
    t.throws(() => openCatalog(path), { code: 'catalog_not_found', hint: /-B/ }, path);
  }
  t.end();
});

t.test('positions in the WAL order a chain, not the clock', (t) => {
  const ends = (lsn: string) => ({ control: { 'stop-lsn': lsn } });
  const catalog = catalogOf(t, [
    full(3, ends('0/FF000000')),
    delta(2, 3, ends('1/0')),
    delta(1, 2, ends('1/0')),
    delta(4, 3, ends('0/FE000000')),
    delta(5, 4, ends('1/0')),
    delta(6, 3, ends('0/0')),
  ]);
  t.ok(checkId(catalog, id(1)).mountable, 'the clock was set back');
  t.match(checkId(catalog, id(4)), { mountable: false, reason: /ends at 0\/FE000000, before its parent/ });
  t.match(checkId(catalog, id(5), { force: true }), { mountable: false, reason: new RegExp(id(4)) });
  t.ok(checkId(catalog, id(6)).mountable, 'where the end is not known');
  t.end();
});

t.test('lists of 2.1.4 to 2.2.1 that lost files (pg_probackup issue 132)', (t) => {
  const line = (n: number) =>
    `{"path":"d${n}", "size":"0", "mode":"16832", "is_datafile":"0", "is_cfs":"0", "crc":"0", "compress_alg":"none", "external_dir_num":"0"}\n`;
  const long = Array.from({ length: 32_000 }, (_, n) => line(n)).join('');
  const list = (bytes: number) => (text: Buffer) => Buffer.concat([text, Buffer.from(long.slice(0, bytes))]);
  const old = (version: string, bytes: number): Partial<BackupSpec> => ({
    version,
    contentCrc: 'none',
    list: list(bytes),
  });
  const catalog = catalogOf(t, [
    full(0, old('2.1.5', Number.POSITIVE_INFINITY)),
    delta(1, 0),
    full(2, old('2.1.3', Number.POSITIVE_INFINITY)),
    full(3, old('2.2.2', Number.POSITIVE_INFINITY)),
    full(4, old('2.2.1', 30_000 * line(10_000).length - 200_000)),
  ]);
  t.match(checkId(catalog, id(1)), {
    mountable: false,
    reason: new RegExp(`${id(0)}.*not complete: pg_probackup 2.1.5`),
    hint: /--force/,
  });
  t.doesNotThrow(() => openChain(resolveChain(catalog, 'main', id(1), { force: true })));
  t.ok(checkId(catalog, id(2)).mountable, 'before');
  t.ok(checkId(catalog, id(3)).mountable, 'after');
  t.ok(checkId(catalog, id(4)).mountable, 'one that had room in one piece');
  t.end();
});

t.test('block sizes and versions', (t) => {
  const versions: Record<string, boolean> = {
    '2.0.14': true,
    '2.2.7': true,
    '2.8.2': true,
    '2.9.0': true,
    '3.0.0': false,
    '3.2.1': false,
    '2.0.1': false,
  };
  const refusedSize = [{ 'block-size': 16384 }, { 'block-size': 4096 }, { 'xlog-block-size': 12288 }];
  const specs = [
    ...Object.keys(versions).map((version, n) => full(n, { version })),
    ...refusedSize.map((control, n) => full(20 + n, { control })),
    full(30, { control: { 'block-size': null } }),
    full(31, { control: { 'xlog-block-size': 65536 } }),
  ];
  const catalog = catalogOf(t, specs);
  for (const [n, [version, good]] of Object.entries(versions).entries()) {
    t.equal(checkId(catalog, id(n)).mountable, good, version);
  }
  for (const n of [20, 21, 22])
    t.match(checkId(catalog, id(n)), { mountable: false, reason: /block-size/, hint: /pg_probackup/ });
  t.ok(checkId(catalog, id(30)).mountable, 'absent means the compiled-in 8192');
  t.ok(checkId(catalog, id(31)).mountable, 'pages of WAL may have any size that PostgreSQL can be built with');
  t.end();
});

t.test('two directories with one id', (t) => {
  const catalog = catalogOf(t, [
    full(0),
    full(0, { directory: 'COPY' }),
    delta(1, 0),
    full(3, { directory: 'x1' }),
    full(3, { directory: 'x2' }),
  ]);
  t.match(checkId(catalog, id(1)).members[0], { directory: new RegExp(`/${id(0)}$`) }, 'the one named like the id');
  t.throws(() => resolveChain(catalog, 'main', id(3)), { code: 'backup_unusable', message: /x1, x2/ });
  t.equal(resolveChain(catalog, 'main', 'copy').target.id, id(0), 'a directory can be named, too');
  t.end();
});

t.test('the list must match content-crc, or be without one', (t) => {
  const open = (more: Partial<BackupSpec>, force = false) =>
    openChain(resolveChain(catalogOf(t, [full(0, more), delta(1, 0)]), 'main', id(1), { force }));
  t.doesNotThrow(() => open({ contentCrc: 'none' }));
  t.throws(() => open({ contentCrc: 'wrong' }), { code: 'backup_damaged', message: new RegExp(`${id(0)}.*CRC`) });
  t.throws(
    () => open({ contentCrc: 'wrong', status: 'CORRUPT' }, true),
    { code: 'backup_damaged' },
    '--force is no help',
  );
  t.throws(() => open({ contentCrc: 'none', list: (text) => text.subarray(0, 40) }), {
    code: 'backup_damaged',
    message: /line 1/,
  });
  t.throws(() => open({ contentCrc: 'none', list: () => Buffer.alloc(0) }), {
    code: 'backup_damaged',
    message: /empty/,
  });
  t.end();
});

t.test('members of different clusters are refused', async (t) => {
  const root = await copyCatalog('mini', t.testdir({}));
  const fs = await import('node:fs');
  const control = (instance: string, id: string) => `${root}/backups/${instance}/${id}/database/global/pg_control`;
  fs.copyFileSync(control('b', 'TOU5OI'), control('a', 'TOU5OE'));
  t.throws(() => openChain(resolveChain(openCatalog(root), 'a', 'TOU5OV')), {
    code: 'backup_damaged',
    message: /different clusters/,
  });
});
