// Blocks that a DELTA backup saw in the cluster and that no backup of the chain holds (format page 7.6).

import { closeSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  type BackupMode,
  backupIdOf,
  buildBlockIndex,
  createBlockIndex,
  type DatafileSource,
  openCatalog,
  openStored,
  PageReader,
  type Problem,
  resolveChain,
  type StreamPart,
  type VerifyMode,
  validateChain,
} from '../../src/backup/index.js';
import { type BackupSpec, type FileContent, startTime } from '../support/catalog-writer.js';
import { matchWhole } from '../support/match-whole.js';
import { makePage } from '../support/pages.js';
import { zeroPage } from '../support/stream-writer.js';
import { openSynthetic } from '../support/synthetic.js';

const FILE = 'base/5/16384';

type Backup = readonly [mode: BackupMode, file: FileContent | null, more?: Partial<BackupSpec> | undefined];

function chain(backups: readonly Backup[]): BackupSpec[] {
  return backups.map(([mode, file, more], n) => ({
    start: startTime(n),
    mode,
    ...(n === 0 ? {} : { parent: startTime(n - 1) }),
    files: [{ path: 'PG_VERSION', content: '15\n' }, ...(file === null ? [] : [{ path: FILE, ...file }])],
    ...more,
  }));
}

const stored = (blocks: readonly number[], nBlocks: number): FileContent => ({
  pages: blocks.map((block) => [block, makePage(block + 1, block)] as const),
  nBlocks,
});
const unchanged = (nBlocks: number): FileContent => ({ unchanged: 'datafile', nBlocks });
const merged = { control: { 'merge-time': "'2026-11-01 10:00:00+00'" } };

const cases: [name: string, backups: Backup[], lost: readonly number[]][] = [
  // As merge of 2.5.16 left it, with fewer blocks: the PAGE had n_blocks 8 and stored 0, 1, 2 and 7.
  [
    'behind a merged FULL that is too short',
    [
      ['FULL', stored([0, 1, 2], 3), merged],
      ['DELTA', stored([4, 5, 6], 8)],
    ],
    [3, 7],
  ],
  [
    'in a file that the DELTA found unchanged',
    [
      ['FULL', stored([0, 1, 2], 3), merged],
      ['DELTA', unchanged(5)],
    ],
    [3, 4],
  ],
  [
    'and a PAGE behind it',
    [
      ['FULL', stored([0, 1], 2), merged],
      ['DELTA', unchanged(4)],
      ['PAGE', stored([2], 4)],
    ],
    [3],
  ],
  [
    'the newest DELTA counts',
    [
      ['FULL', stored([0], 1)],
      ['DELTA', unchanged(6)],
      ['DELTA', unchanged(3)],
    ],
    [1, 2],
  ],
  [
    'not behind a newer, shorter length',
    [
      ['FULL', stored([0], 1)],
      ['DELTA', unchanged(6)],
      ['PAGE', unchanged(2)],
      ['PAGE', unchanged(4)],
    ],
    [1],
  ],
  [
    'a new file of a DELTA',
    [
      ['FULL', null],
      ['DELTA', stored([0, 2], 3)],
    ],
    [1],
  ],
  [
    'none where the DELTA stores what is new',
    [
      ['FULL', stored([0, 1], 2)],
      ['DELTA', stored([2, 3], 4)],
    ],
    [],
  ],
  [
    'none where zero pages are stored',
    [
      ['FULL', stored([0], 1)],
      ['DELTA', { pages: [[1, zeroPage]], nBlocks: 2 }],
    ],
    [],
  ],
  [
    'a PAGE may have holes',
    [
      ['FULL', stored([0], 1)],
      ['PAGE', stored([4], 6)],
    ],
    [],
  ],
  [
    'so may a PTRACK',
    [
      ['FULL', stored([0], 1)],
      ['DELTA', unchanged(1)],
      ['PTRACK', stored([4], 6)],
    ],
    [],
  ],
  [
    'and a merged FULL',
    [
      ['FULL', stored([0, 1], 6), merged],
      ['PAGE', unchanged(6)],
    ],
    [],
  ],
  [
    'an empty file of a DELTA has none',
    [
      ['FULL', stored([0, 1], 2)],
      ['DELTA', { pages: [] }],
    ],
    [],
  ],
  [
    'before 2.0.27 "unchanged" may be a file that went',
    [
      ['FULL', stored([0], 1)],
      ['DELTA', unchanged(2), { version: '2.0.26' }],
    ],
    [],
  ],
];

for (const [name, backups, lost] of cases) {
  for (const header of ['good', 'none'] as const) {
    t.test(`${name}; header maps: ${header}`, async (t) => {
      const specs = chain(
        backups.map(([mode, file, more]) => [mode, file && 'pages' in file ? { ...file, header } : file, more]),
      );
      const { root, reader } = openSynthetic(t.testdir({}), specs);
      const source = reader.resolve(FILE) as DatafileSource;
      const delta = specs.findLast(({ mode }) => mode === 'DELTA');
      const backup = delta === undefined ? '' : backupIdOf(delta.start);
      const refused: number[] = [];
      for (let block = 0; block < source.nBlocks; block++) {
        const zeros = readBlock(source, block, 'off').equals(zeroPage);
        try {
          t.equal(readBlock(source, block, 'checksum').equals(zeroPage), zeros);
        } catch (error) {
          t.match(error, { code: 'page_damaged', place: { backup, file: FILE, block }, hint: /--verify=off/ });
          t.ok(zeros, 'zeros where nothing is verified, as restore writes them');
          refused.push(block);
        }
      }
      t.same(refused, lost);
      const told = lost.map((block) => ({
        kind: 'page',
        backup,
        file: FILE,
        block,
        message: /^no backup of the chain/,
      }));
      matchWhole(t, await lostOf(root, specs), told);
    });
  }
}

t.test('many are counted', async (t) => {
  const specs = chain([
    ['FULL', stored([0], 1)],
    ['DELTA', unchanged(31)],
  ]);
  const { root } = openSynthetic(t.testdir({}), specs);
  const found = await lostOf(root, specs);
  t.equal(found.length, 21);
  t.match(found.at(-1), { kind: 'file', file: FILE, message: '10 more of its blocks are in no backup' });
});

t.test('what cannot be read is told as that, and not as lost', async (t) => {
  const specs = chain([
    ['FULL', stored([0], 1), merged],
    ['DELTA', unchanged(3)],
  ]);
  const { root } = openSynthetic(t.testdir({}), specs);
  rmSync(join(root, 'backups/main', backupIdOf(startTime(0)), 'database', FILE));
  matchWhole(t, await validate(root, specs), [
    { kind: 'file', backup: backupIdOf(startTime(0)), file: FILE, message: /missing/ },
  ]);
});

function readBlock(source: DatafileSource, block: number, verify: VerifyMode): Buffer {
  const index = createBlockIndex(source.nBlocks);
  buildBlockIndex(source, index);
  const fds: number[] = [];
  const fdOf = (part: StreamPart): number => {
    fds.push(openStored(part.backupId, part.file, part.storedSize));
    return fds.at(-1)!;
  };
  const out = Buffer.alloc(8192, 1);
  try {
    new PageReader(verify).readBlocks(source, index, fdOf, block, 1, out, 0);
    return out;
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

async function validate(root: string, specs: readonly BackupSpec[]): Promise<readonly Problem[]> {
  const catalog = openCatalog(root);
  const found = resolveChain(catalog, 'main', backupIdOf(specs.at(-1)!.start));
  const { problems } = await validateChain(catalog, found, { jobs: 1, found: () => {} });
  // These catalogs have no WAL.
  return problems.filter(({ kind }) => kind !== 'wal' && kind !== 'map');
}

/** Without what is wrong with made-up pages. */
async function lostOf(root: string, specs: readonly BackupSpec[]): Promise<readonly Problem[]> {
  return (await validate(root, specs)).filter(({ message }) => /no backup/.test(message));
}
