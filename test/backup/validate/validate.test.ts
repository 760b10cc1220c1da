// Validation of whole chains: nothing found in good ones, and every kind of damage named by backup, file and block.

import { appendFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import zlib from 'node:zlib';
import t, { type Test } from 'tap';
import { backupIdOf, openCatalog, type Problem, resolveChain, validateChain } from '../../../src/backup/index.js';
import { type BackupSpec, startTime, writeCatalog } from '../../support/catalog-writer.js';
import { extractCatalog } from '../../support/catalogs.js';
import { matchWhole } from '../../support/match-whole.js';
import { makePage } from '../../support/pages.js';
import { WalWriter } from '../../support/wal-writer.js';

const ID = backupIdOf(startTime(1));
const SEGMENT = 1 << 20;
const FILE = 'base/5/16384';

/** WAL from the start of segment F0/20 into F0/22, of 1 MiB each. */
const written = new WalWriter(0xf0 * 2 ** 32 + 0x20 * SEGMENT);
written.fillTo(written.end + 2 * SEGMENT + 0x168);

/** A WAL segment of the given number on timeline 1. */
const wal = (number: number): Buffer => Buffer.from(written.segments.get(0xf0 * 4096 + number)!);

/** start-lsn F0/2000028 to stop-lsn F0/2100168: segments 0x20 and 0x21 of 1 MiB. */
const walFiles = [0x20, 0x21].map((n) => ({ path: `pg_wal/00000001000000F0000000${n.toString(16)}`, content: wal(n) }));
const pages = [0, 1, 2, 3].map((block): [number, Buffer] => [block, makePage(block + 1, block)]);

function small(changes: Partial<BackupSpec> = {}): BackupSpec {
  return {
    start: startTime(1),
    mode: 'FULL',
    control: { 'start-lsn': 'F0/2000028', 'stop-lsn': 'F0/2100168', ...changes.control },
    files: [
      { path: 'base', dir: true },
      { path: FILE, pages },
      { path: 'base/5/16385', pages, alg: 'none' },
      { path: 'conf', content: 'shared_buffers = 1' },
      { path: 'empty', content: '' },
      { path: 'file', content: 'of an external directory', externalDir: 1 },
      ...walFiles,
    ],
    ...(changes.list === undefined ? {} : { list: changes.list }),
    ...(changes.contentCrc === undefined ? {} : { contentCrc: changes.contentCrc }),
    ...(changes.dropHeaderMap === undefined ? {} : { dropHeaderMap: changes.dropHeaderMap }),
  };
}

function catalogOf(t: Test, spec: BackupSpec = small()): { root: string; path(name: string): string } {
  const root = writeCatalog(join(t.testdir(), 'catalog'), [spec]);
  writeFileSync(join(root, 'backups/main/pg_probackup.conf'), `xlog-seg-size = ${SEGMENT}\n`);
  return { root, path: (name) => join(root, 'backups/main', ID, name) };
}

async function validated(root: string, instance = 'main', id = ID, jobs = 1) {
  const catalog = openCatalog(root);
  const chain = resolveChain(catalog, instance, id, { force: true });
  const told: Problem[] = [];
  const result = await validateChain(catalog, chain, { jobs, found: (problem) => told.push(problem) });
  if (told.length !== result.problems.length + result.warnings.length) throw new Error('not every problem was told');
  return result;
}

/** Damage; there are no warnings. */
async function problemsOf(...args: Parameters<typeof validated>): Promise<readonly Problem[]> {
  const { problems, warnings } = await validated(...args);
  if (warnings.length > 0) throw new Error(`there are warnings: ${warnings[0]!.message}`);
  return problems;
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at < 0 ? bytes.length + at : at]! ^= 4;
  writeFileSync(path, bytes);
}

t.test('a good backup has no problems, and all its files are looked at', async (t) => {
  const { root } = catalogOf(t);
  const catalog = openCatalog(root);
  const seen: number[] = [];
  const result = await validateChain(catalog, resolveChain(catalog, 'main', ID), {
    jobs: 2,
    found: (problem) => t.fail(problem.message),
    progress: (done, total) => seen.push(done / total),
  });
  t.equal(result.files, 6);
  t.equal(seen[0], 0);
  t.equal(seen.at(-1), 1);
});

t.test('real chains of all kinds of backup have no problems', async (t) => {
  for (const [name, instance, id] of [
    ['mini', 'a', 'TOU5PO'],
    ['mini', 'b', 'TOU5PC'],
    ['tli', 'main', 'TOU4FI'],
    ['ptrack', 'main', 'TOU4K5'],
  ] as const) {
    t.same(await problemsOf(join(await extractCatalog(name), 'catalog'), instance, id, 2), [], `${name} ${id}`);
  }
});

const damages: [string, (at: (name: string) => string) => void, Partial<Problem>[]][] = [
  ['a bit of a raw file', (at) => flip(at('database/conf'), 3), [{ kind: 'file', file: 'conf' }]],
  ['a raw file cut', (at) => truncateSync(at('database/conf'), 3), [{ kind: 'file', file: 'conf' }]],
  ['a raw file gone', (at) => rmSync(at('database/conf')), [{ kind: 'file', file: 'conf' }]],
  [
    'a bit of an external file',
    (at) => flip(at('external_directories/externaldir1/file'), 3),
    [{ kind: 'file', file: 'externaldir1/file' }],
  ],
  [
    'a bit of an uncompressed page',
    (at) => flip(at('database/base/5/16385'), 8 + 8200 + 4000),
    [
      { kind: 'file', file: 'base/5/16385' },
      { kind: 'page', file: 'base/5/16385', block: 1 },
    ],
  ],
  [
    'a bit of a compressed page',
    (at) => flip(at(`database/${FILE}`), 20),
    [
      { kind: 'file', file: FILE },
      { kind: 'page', file: FILE, block: 0 },
    ],
  ],
  [
    'a block number',
    (at) => flip(at('database/base/5/16385'), 8200 * 3),
    [{ kind: 'file' }, { kind: 'map' }, { kind: 'page' }],
  ],
  ['a stream cut', (at) => truncateSync(at(`database/${FILE}`), 100), [{ kind: 'file', file: FILE }]],
  ['a stream gone', (at) => rmSync(at(`database/${FILE}`)), [{ kind: 'file', file: FILE }]],
  ['a bit of the header map', (at) => flip(at('page_header_map'), 30), [{ kind: 'map', file: FILE }]],
  ['the header map gone', (at) => rmSync(at('page_header_map')), [{ kind: 'map' }, { kind: 'map' }]],
  [
    'a bit of WAL',
    (at) => flip(at(`database/${walFiles[0]!.path}`), 500_000),
    [
      { kind: 'file', file: walFiles[0]!.path },
      { kind: 'wal', file: '00000001000000F000000020' },
    ],
  ],
  [
    'a bit of the list',
    (at) => flip(at('backup_content.control'), 40),
    [{ kind: 'list', file: 'backup_content.control' }],
  ],
  ['bytes behind the list', (at) => appendFileSync(at('backup_content.control'), '\n'), [{ kind: 'list' }]],
  ['bytes behind a stored file, which restore ignores', (at) => appendFileSync(at('database/conf'), 'more'), []],
];

for (const [name, damage, wanted] of damages) {
  t.test(`damage: ${name}`, async (t) => {
    const { root, path } = catalogOf(t);
    damage(path);
    const problems = await problemsOf(root);
    t.equal(problems.length, wanted.length, problems.map(({ message }) => message).join('; '));
    const key = (problem: Partial<Problem>) => `${problem.kind} ${problem.file ?? ''} ${problem.block ?? ''}`;
    const found = problems.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
    t.match(
      found,
      wanted.map((problem) => ({ backup: ID, ...problem })),
    );
  });
}

t.test('pages bad in the source already or without sense are damage, those from the future a warning', async (t) => {
  const bad = makePage(1, 0);
  bad.writeUInt16LE(bad.readUInt16LE(8) ^ 1, 8);
  const future = makePage(1, 1, { checksum: false });
  future.writeUInt32LE(0xff0, 0);
  const odd = makePage(1, 2, { checksum: false });
  odd.writeUInt16LE(9000, 16);
  const files = [{ path: 'a', pages: [[0, bad]] as [number, Buffer][] }, ...walFiles];
  const one = catalogOf(t, { ...small(), files });
  matchWhole(t, await problemsOf(one.root), [{ kind: 'page', block: 0, message: /in the source already/ }]);
  const unchecked: BackupSpec = {
    ...small({ control: { 'checksum-version': 0 } }),
    files: [
      {
        path: 'a',
        pages: [
          [0, makePage(0, 0, { checksum: false })],
          [1, future],
          [2, odd],
        ],
      },
      ...walFiles,
    ],
  };
  const two = writeCatalog(join(t.testdir({ two: {} }), 'two'), [unchecked]);
  writeFileSync(join(two, 'backups/main/pg_probackup.conf'), `xlog-seg-size = ${SEGMENT}\n`);
  const { problems, warnings } = await validated(two);
  matchWhole(t, problems, [{ kind: 'page', block: 2, message: /makes no sense/ }]);
  matchWhole(t, warnings, [{ kind: 'future', block: 1, message: /LSN FF0\/\w+ is later/ }]);
});

t.test('of many pages from the future the first ones are told one by one', async (t) => {
  const pages = Array.from({ length: 23 }, (_, block): [number, Buffer] => [block, makePage(0xff0, block)]);
  const { root } = catalogOf(t, { ...small(), files: [{ path: 'a', pages }, ...walFiles] });
  const { problems, warnings } = await validated(root);
  t.strictSame(problems, []);
  t.equal(warnings.length, 21);
  t.match(warnings.at(-1), { kind: 'future', message: /^3 more of its pages/ });
});

t.test('the WAL of a STREAM backup: missing or cut segments', async (t) => {
  const without = { ...small(), files: [...small().files].filter(({ path }) => path !== walFiles[1]!.path) };
  const { root } = catalogOf(t, without);
  matchWhole(t, await problemsOf(root), [{ kind: 'wal', file: '00000001000000F000000021', message: /does not list/ }]);
});

t.test('the WAL of an ARCHIVE backup: plain, .gz and .partial; missing, cut, foreign', async (t) => {
  const spec = small({ control: { stream: 'false', 'stop-lsn': 'F0/2200168' } });
  const { root } = catalogOf(t, spec);
  const archive = (name: string, bytes: Buffer) => writeFileSync(join(root, 'wal/main', name), bytes);
  const name = (n: number) => `00000001000000F0000000${n.toString(16)}`;
  t.equal((await problemsOf(root)).length, 3, 'none there');
  archive(name(0x20), wal(0x20));
  archive(`${name(0x21)}.gz`, zlib.gzipSync(wal(0x21)));
  archive(`${name(0x22)}.partial`, wal(0x22).subarray(0, 70_000));
  t.same(await problemsOf(root), []);
  archive(name(0x20), wal(0x20).subarray(0, 4096));
  archive(`${name(0x21)}.gz`, zlib.gzipSync(wal(0x21)).subarray(0, 200));
  archive(`${name(0x22)}.partial`, wal(0x21));
  matchWhole(t, await problemsOf(root), [
    { kind: 'wal', file: name(0x20), message: /has 4096 bytes/ },
    { kind: 'wal', file: name(0x21), message: /\.gz: / },
    { kind: 'wal', file: name(0x22), message: /another place/ },
  ]);
});

t.test('the WAL of an ARCHIVE backup: a record without its CRC, WAL that ends too early', async (t) => {
  const { root } = catalogOf(t, small({ control: { stream: 'false', 'stop-lsn': 'F0/2100168' } }));
  const archive = (n: number, bytes: Buffer) =>
    writeFileSync(join(root, `wal/main/00000001000000F0000000${n.toString(16)}`), bytes);
  archive(0x20, wal(0x20));
  archive(0x21, wal(0x21));
  t.same(await problemsOf(root), []);
  const bad = wal(0x20);
  bad[500_000]! ^= 1;
  archive(0x20, bad);
  matchWhole(t, await problemsOf(root), [
    { kind: 'wal', file: /F000000020$/, message: /record at F0\/207\w+ does not have its/ },
  ]);
  const cut = written.records.find((at) => at % SEGMENT > 700_000)!;
  archive(0x20, wal(0x20).fill(0, cut % SEGMENT));
  matchWhole(t, await problemsOf(root), [
    { kind: 'wal', file: /F000000020$/, message: /WAL ends at F0\/20A\w+: no record/ },
  ]);
  archive(0x20, wal(0x20));
  writeFileSync(join(root, 'backups/main/pg_probackup.conf'), `system-identifier = 8\nxlog-seg-size = ${SEGMENT}\n`);
  matchWhole(t, await problemsOf(root), [{ kind: 'wal', message: /another cluster/ }]);
});

t.test('a backup without its list: told, and the rest of the chain is looked at', async (t) => {
  const child: BackupSpec = {
    ...small(),
    start: startTime(2),
    mode: 'DELTA',
    parent: startTime(1),
    contentCrc: 'wrong',
  };
  const synthetic = openSyntheticRoot(t, [small(), child]);
  flip(join(synthetic, 'backups/main', ID, 'database/conf'), 1);
  matchWhole(t, await problemsOf(synthetic, 'main', backupIdOf(startTime(2))), [
    { kind: 'list', backup: backupIdOf(startTime(2)) },
    { kind: 'file', backup: ID, file: 'conf' },
  ]);
});

function openSyntheticRoot(t: Test, backups: readonly BackupSpec[]): string {
  const root = writeCatalog(join(t.testdir({ chain: {} }), 'chain'), backups);
  writeFileSync(join(root, 'backups/main/pg_probackup.conf'), `xlog-seg-size = ${SEGMENT}\n`);
  return root;
}
