// Clusters of a PostgreSQL built --with-segsize: page checksums count by the relation's blocks, and pg_control tells how
// many of them lie in the files before.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  openCatalog,
  type Problem,
  parsePgControl,
  pgControlCrc,
  RELSEG_BLOCKS,
  resolveChain,
  validateChain,
} from '../../src/backup/index.js';
import { Problems } from '../../src/session/drill/finding.js';
import { pageCheck } from '../../src/session/drill/page-check.js';
import { type BackupSpec, type FileContent, type FileSpec, startTime } from '../support/catalog-writer.js';
import { extractCatalog } from '../support/catalogs.js';
import { controlFile } from '../support/control-file.js';
import { matchWhole } from '../support/match-whole.js';
import { makePage } from '../support/pages.js';
import { openSynthetic } from '../support/synthetic.js';

const FILE = 'base/5/16384';

/** Later than the LSNs of made-up pages. */
const lsn = { 'stop-lsn': 'F0/2100168' };

function control(segmentBlocks: number): FileSpec {
  const content = controlFile(segmentBlocks);
  return { path: 'global/pg_control', content, keys: { crc: pgControlCrc(content)! } };
}

/** Faults of stored files; these catalogs have no WAL, which is one too. */
async function faultsOf(root: string): Promise<Problem[]> {
  const catalog = openCatalog(root);
  const { problems } = await validateChain(catalog, resolveChain(catalog, 'main', 'latest'), {
    jobs: 1,
    found: () => undefined,
  });
  return problems.filter(({ kind }) => kind !== 'wal');
}

t.test('segments of 2 MiB', async (t) => {
  const segmentBlocks = 256;
  const pages = [0, 1, 2].map((block): [number, Buffer] => [block, makePage(block + 1, 3 * segmentBlocks + block)]);
  for (const header of ['good', 'none'] as const) {
    const file: FileSpec = { path: `${FILE}.3`, pages, segno: 3, firstBlock: 3 * segmentBlocks, header };
    const full: BackupSpec = { start: startTime(0), mode: 'FULL', control: lsn, files: [control(segmentBlocks), file] };
    const { root, reader, read } = openSynthetic(t.testdir({}), [full]);
    t.match(reader.resolve(file.path), { firstBlock: 3 * segmentBlocks });
    t.ok(read(file.path).equals(Buffer.concat(pages.map(([, page]) => page))), `header map: ${header}`);
    if (header === 'good') t.same(await faultsOf(root), []);
  }

  const dataDir = t.testdir({ global: {}, pg_tblspc: {} });
  mkdirSync(join(dataDir, 'base/5'), { recursive: true });
  writeFileSync(join(dataDir, 'global/pg_control'), controlFile(segmentBlocks));
  writeFileSync(join(dataDir, `${FILE}.3`), Buffer.concat(pages.map(([, page]) => page)));
  const problems = new Problems();
  t.equal(await pageCheck(dataDir, 1, () => undefined, problems), '3 blocks of 1 file');
  t.same(problems.kept, [], 'a data directory is checked by them too');
});

t.test('segments of 2 MiB, backed up by a pg_probackup that was built for 1 GiB', async (t) => {
  const segmentBlocks = 256;
  const pages = [0, 1].map((block): [number, Buffer] => [block, makePage(block + 1, 3 * segmentBlocks + block)]);
  const chain = (header: 'good' | 'wrong checksums'): BackupSpec[] => [
    {
      start: startTime(0),
      mode: 'FULL',
      control: lsn,
      files: [control(segmentBlocks), { path: `${FILE}.3`, pages, segno: 3, header }],
    },
  ];
  const { root, read } = openSynthetic(t.testdir({}), chain('good'));
  t.ok(read(`${FILE}.3`).equals(Buffer.concat(pages.map(([, page]) => page))));
  t.same(await faultsOf(root), []);
  const wrong = openSynthetic(t.testdir({}), chain('wrong checksums'));
  t.throws(() => wrong.read(`${FILE}.3`), { code: 'page_damaged' });
  matchWhole(t, await faultsOf(wrong.root), [{ block: 0 }, { block: 1 }]);
});

t.test('2.5.9 lists segment 0 for every file, and its header maps count by it', async (t) => {
  const path = `${FILE}.1`;
  const pages = (backup: number, ...blocks: number[]): [number, Buffer][] =>
    blocks.map((block) => [block, makePage(backup * 10 + block, RELSEG_BLOCKS + block)]);
  const chain = (...members: [version: string, file: FileContent][]): BackupSpec[] =>
    members.map(([version, file], n) => ({
      start: startTime(n),
      mode: n === 0 ? 'FULL' : 'DELTA',
      ...(n === 0 ? {} : { parent: startTime(n - 1) }),
      version,
      control: lsn,
      files: [control(RELSEG_BLOCKS), { path, ...file }],
    }));
  const full = pages(1, 0, 1, 2);
  const changed = pages(2, 1);
  const of259 = { segno: 0, firstBlock: 0 };
  const both = [full[0]!, changed[0]!, full[2]!];
  const cases: [name: string, backups: BackupSpec[], expected: [number, Buffer][]][] = [
    ['alone', chain(['2.5.9', { pages: full, ...of259 }]), full],
    [
      'below a later version',
      chain(['2.5.9', { pages: full, ...of259 }], ['2.5.16', { pages: changed, nBlocks: 3, segno: 1 }]),
      both,
    ],
    [
      'above an earlier version',
      chain(['2.5.8', { pages: full, segno: 1 }], ['2.5.9', { pages: changed, nBlocks: 3, ...of259 }]),
      both,
    ],
    [
      'unchanged since an earlier version',
      chain(['2.5.8', { pages: full, segno: 1 }], ['2.5.9', { unchanged: 'datafile', nBlocks: 3, segno: 0 }]),
      full,
    ],
    ['merged by a later version', chain(['2.5.16', { pages: full, segno: 1, firstBlock: 0 }]), full],
  ];
  for (const [name, backups, expected] of cases) {
    const { root, reader, read, problems } = openSynthetic(t.testdir({}), backups);
    t.match(reader.resolve(path), { firstBlock: RELSEG_BLOCKS }, name);
    t.ok(read(path).equals(Buffer.concat(expected.map(([, page]) => page))), name);
    t.same(problems, [], name);
    t.same(await faultsOf(root), [], name);
  }
});

t.test('segments of 2 GiB', async (t) => {
  const block = RELSEG_BLOCKS + 10;
  const chain = (segmentBlocks: number): BackupSpec[] => [
    { start: startTime(0), mode: 'FULL', files: [control(segmentBlocks), { path: FILE, pages: [] }] },
    {
      start: startTime(1),
      mode: 'PAGE',
      parent: startTime(0),
      control: lsn,
      files: [control(segmentBlocks), { path: FILE, pages: [[block, makePage(1, block)]] }],
    },
  ];
  const large = openSynthetic(t.testdir({}), chain(2 * RELSEG_BLOCKS));
  t.match(large.reader.resolve(FILE), { nBlocks: block + 1 });
  t.same(await faultsOf(large.root), []);
  const usual = openSynthetic(t.testdir({}), chain(RELSEG_BLOCKS));
  matchWhole(t, await faultsOf(usual.root), [{ message: /has at most 131072 blocks/ }]);
});

t.test('pg_control of real clusters says 1 GiB; a damaged one says nothing', async (t) => {
  const { reader, read } = openSynthetic(t.testdir({}), [
    { start: startTime(0), mode: 'FULL', files: [control(256), { path: FILE, pages: [] }] },
  ]);
  const made = read('global/pg_control');
  t.equal(parsePgControl(made)?.segmentBlocks, 256);
  made[100]! ^= 1;
  t.equal(parsePgControl(made), undefined);
  t.match(reader.resolve(FILE), { firstBlock: 0 });
  const catalog = openCatalog(`${await extractCatalog('mini')}/catalog`);
  const { members } = resolveChain(catalog, 'a', 'latest');
  const image = readFileSync(`${members[0]!.directory}/database/global/pg_control`);
  t.equal(parsePgControl(image)?.segmentBlocks, RELSEG_BLOCKS);
});
