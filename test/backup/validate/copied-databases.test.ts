// Blocks that a PAGE backup lacks because their database was being copied while its parent listed the files (format page 7.6).

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type BackupMode, backupIdOf, openCatalog, resolveChain, validateChain } from '../../../src/backup/index.js';
import { formatLsn } from '../../../src/backup/wal/index.js';
import { type FileContent, startTime, writeCatalog } from '../../support/catalog-writer.js';
import { matchWhole } from '../../support/match-whole.js';
import { makePage } from '../../support/pages.js';
import { WalWriter } from '../../support/wal-writer.js';

const SEGMENT = 1 << 20;
const ORIGINAL = 'base/5/16384';
const COPY = 'base/6/16384';
const MOVED = 'pg_tblspc/16400/PG_15_202209061/6/16384';

type Place = readonly [database: number, tablespace: number];
type Files = Readonly<Record<string, FileContent>>;

const stored = (blocks: readonly number[], nBlocks: number): FileContent => ({
  pages: blocks.map((block) => [block, makePage(block + 1, block)] as const),
  nBlocks,
});
const upTo = (nBlocks: number): FileContent => stored([...Array(nBlocks).keys()], nBlocks);
const unchanged = (nBlocks: number): FileContent => ({ unchanged: 'datafile', nBlocks });

interface World {
  /** Of the FULL, then of its increments. */
  readonly backups: readonly (readonly [mode: BackupMode, files: Files])[];
  /** Copied between the FULL and the first increment. */
  readonly copied?: readonly [to: Place, from: Place];
  /** Copied behind the start of the first increment. */
  readonly copiedLater?: readonly [to: Place, from: Place];
  /** Whether the archive lacks the segment between the two. */
  readonly gap?: true;
}

function copyRecord([[database, tablespace], [fromDatabase, fromTablespace]]: NonNullable<World['copied']>): Buffer {
  const data = Buffer.alloc(16);
  for (const [i, oid] of [database, tablespace, fromDatabase, fromTablespace].entries()) data.writeUInt32LE(oid, 4 * i);
  return data;
}

/** What validate says of blocks that are in no backup. */
async function validate(t: Test, { backups, copied, copiedLater, gap }: World): Promise<readonly unknown[]> {
  const root = t.testdir({});
  const wal = new WalWriter(0x20 * SEGMENT).record(100).record(100);
  const starts = [wal.records[0]!];
  wal.fillTo(0x21 * SEGMENT);
  if (copied) wal.main(4, 0, copyRecord(copied));
  wal.fillTo(0x22 * SEGMENT);
  for (const _ of backups.slice(1)) {
    starts.push(wal.end);
    wal.record(100);
    if (copiedLater && starts.length === 2) wal.main(4, 0, copyRecord(copiedLater));
  }
  wal.record(100);
  const names = [...new Set(backups.flatMap(([, files]) => Object.keys(files)))];
  writeCatalog(
    root,
    backups.map(([mode, files], n) => ({
      start: startTime(n),
      mode,
      ...(n === 0 ? {} : { parent: startTime(n - 1) }),
      files: [
        { path: 'PG_VERSION', content: '15\n' },
        ...names.filter((path) => path in files).map((path) => ({ path, ...files[path]! })),
      ],
      control: { stream: 'false', 'start-lsn': formatLsn(starts[n]!), 'stop-lsn': formatLsn(starts[n]! + 104) },
    })),
  );
  writeFileSync(join(root, 'backups/main/pg_probackup.conf'), `system-identifier = 7\nxlog-seg-size = ${SEGMENT}\n`);
  for (const [name, bytes] of wal.files()) writeFileSync(join(root, 'wal/main', name), bytes);
  if (gap) rmSync(join(root, 'wal/main/000000010000000000000021'));
  const catalog = openCatalog(root);
  const chain = resolveChain(catalog, 'main', backupIdOf(startTime(backups.length - 1)));
  const { problems, warnings } = await validateChain(catalog, chain, { jobs: 1, found: () => {} });
  return [...problems, ...warnings].filter(({ kind, message }) => kind === 'suspected' || /no backup/.test(message));
}

const to6: NonNullable<World['copied']> = [
  [6, 1663],
  [5, 1663],
];
const full = { [ORIGINAL]: upTo(8), [COPY]: upTo(3) };
const page = { [ORIGINAL]: unchanged(8), [COPY]: stored([5], 8) };
const start = backupIdOf(startTime(0));

function told(file: string, blocks: readonly number[], n = 1): unknown[] {
  const message = new RegExp(
    `^no backup of the chain holds it: its database was being copied while backup ${start} was made`,
  );
  return blocks.map((block) => ({ kind: 'page', backup: backupIdOf(startTime(n)), file, block, message }));
}

const cases: [name: string, world: World, expected: readonly unknown[]][] = [
  [
    'CREATE DATABASE',
    {
      backups: [
        ['FULL', full],
        ['PAGE', page],
      ],
      copied: to6,
    },
    told(COPY, [3, 4, 6, 7]),
  ],
  [
    'of a file that did not change since',
    {
      backups: [
        ['FULL', full],
        ['PTRACK', { ...page, [COPY]: unchanged(8) }],
      ],
      copied: to6,
    },
    told(COPY, [3, 4, 5, 6, 7]),
  ],
  [
    'of a file that was empty',
    {
      backups: [
        ['FULL', { ...full, [COPY]: { pages: [] } }],
        ['PAGE', page],
      ],
      copied: to6,
    },
    told(COPY, [0, 1, 2, 3, 4, 6, 7]),
  ],
  [
    'as long as the original was',
    {
      backups: [
        ['FULL', { [ORIGINAL]: upTo(5), [COPY]: upTo(3) }],
        ['PAGE', page],
      ],
      copied: to6,
    },
    told(COPY, [3, 4]),
  ],
  [
    'the original is gone',
    {
      backups: [
        ['FULL', full],
        ['PAGE', { [COPY]: stored([5], 8) }],
      ],
      copied: to6,
    },
    told(COPY, [3, 4, 6, 7]),
  ],
  [
    'ALTER DATABASE SET TABLESPACE',
    {
      backups: [
        ['FULL', { [COPY]: upTo(6), [MOVED]: upTo(4) }],
        ['PAGE', { [MOVED]: unchanged(6) }],
      ],
      copied: [
        [6, 16400],
        [6, 1663],
      ],
    },
    told(MOVED, [4, 5]),
  ],
  [
    'a backup behind has the file shorter',
    {
      backups: [
        ['FULL', full],
        ['PAGE', page],
        ['PAGE', { [COPY]: unchanged(4) }],
        ['PAGE', { [COPY]: unchanged(8) }],
      ],
      copied: to6,
    },
    told(COPY, [3]),
  ],
  [
    'a backup behind holds a block after all',
    {
      backups: [
        ['FULL', full],
        ['PAGE', page],
        ['PAGE', { [COPY]: stored([3, 6, 7], 8) }],
      ],
      copied: to6,
    },
    told(COPY, [4]),
  ],
  [
    'a DELTA behind proves it by itself',
    {
      backups: [
        ['FULL', full],
        ['PAGE', page],
        ['DELTA', { [COPY]: unchanged(8) }],
      ],
      copied: to6,
    },
    [3, 4, 6, 7].map((block) => ({ kind: 'page', backup: backupIdOf(startTime(2)), block, message: /DELTA/ })),
  ],
  [
    'another database was copied',
    {
      backups: [
        ['FULL', full],
        ['PAGE', page],
      ],
      copied: [
        [7, 1663],
        [5, 1663],
      ],
    },
    [],
  ],
  [
    'copied after the backup began, which reads the file whole or not at all',
    {
      backups: [
        ['FULL', full],
        ['PAGE', page],
      ],
      copiedLater: to6,
    },
    [],
  ],
  [
    'nothing was copied',
    {
      backups: [
        ['FULL', full],
        ['PAGE', page],
      ],
    },
    [],
  ],
  [
    'no other database has a longer file',
    {
      backups: [
        ['FULL', { [ORIGINAL]: upTo(3), [COPY]: upTo(3) }],
        ['PAGE', page],
      ],
      gap: true,
    },
    [],
  ],
  [
    'every block is there',
    {
      backups: [
        ['FULL', full],
        ['PAGE', { [COPY]: stored([3, 4, 5, 6, 7], 8) }],
      ],
      gap: true,
    },
    [],
  ],
  [
    'WAL that would prove it is not there',
    {
      backups: [
        ['FULL', full],
        ['PAGE', page],
      ],
      copied: to6,
      gap: true,
    },
    [
      {
        kind: 'suspected',
        backup: backupIdOf(startTime(1)),
        file: COPY,
        message:
          /^4 of its blocks, from block 3, may be lost: perhaps its database was being copied .* WAL cannot be read/,
      },
    ],
  ],
];

for (const [name, world, expected] of cases) {
  t.test(name, async (t) => matchWhole(t, await validate(t, world), expected));
}
