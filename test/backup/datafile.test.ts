// Datafiles rebuilt from synthetic chains: lengths, caps, holes, codecs, segments.

import path from 'node:path';
import t from 'tap';
import { openCatalog, openChain, RELSEG_BLOCKS, resolveChain } from '../../src/backup/index.js';
import {
  type BackupSpec,
  type FileContent,
  type FileSpec,
  startTime,
  writeCatalog,
} from '../support/catalog-writer.js';
import { absolute, makePage } from '../support/pages.js';
import { zeroPage } from '../support/stream-writer.js';
import { openSynthetic } from '../support/synthetic.js';

const FILE = 'base/5/16384';
/** No DELTA: such a backup stores zero pages, and holes in it are told (lost-blocks.test.ts). */
const modes = ['FULL', 'PAGE', 'PAGE', 'PTRACK', 'PAGE'] as const;

/** Backups in a row, the first one FULL; each holds what is given for it, or nothing where null. */
function chain(files: readonly (FileContent | null)[], more: Partial<BackupSpec> = {}): BackupSpec[] {
  return files.map((file, n) => ({
    start: startTime(n),
    mode: modes[n]!,
    ...(n === 0 ? {} : { parent: startTime(n - 1) }),
    files: [{ path: 'PG_VERSION', content: '15\n' }, ...(file === null ? [] : [{ path: FILE, ...file }])],
    ...more,
  }));
}

/** Pages `from`..`to`-1 whose content tells the backup they are from. */
function pages(backup: number, from: number, to: number, segno = 0): [number, Buffer][] {
  return Array.from({ length: to - from }, (_, i) => [
    from + i,
    makePage(backup * 1000 + from + i, absolute(segno, from + i)),
  ]);
}

/** What a rebuilt file must hold: for each block the backup it is from, or '.' for zeros. */
function layout(content: Buffer): string {
  let text = '';
  for (let at = 0; at < content.length; at += 8192) {
    const page = content.subarray(at, at + 8192);
    const block = at / 8192;
    if (page.equals(zeroPage)) text += '.';
    else {
      const seed = page.readUInt32LE(0);
      text += page.equals(makePage(seed, block)) && seed % 1000 === block ? String(Math.floor(seed / 1000)) : '?';
    }
  }
  return text;
}

const unchanged = (nBlocks: number) => ({ unchanged: 'datafile', nBlocks }) as const;

const cases: [name: string, files: (FileContent | null)[], expected: string][] = [
  [
    'a directory in between is an empty file',
    [{ pages: pages(0, 0, 4) }, { dir: true }, { pages: pages(2, 1, 2), nBlocks: 3 }],
    '.2.',
  ],
  ['unchanged since a directory', [{ pages: pages(0, 0, 4) }, { dir: true }, unchanged(2)], '..'],
  [
    'newest copy of each block wins',
    [{ pages: pages(0, 0, 6) }, { pages: [...pages(1, 1, 3)], nBlocks: 6 }, { pages: pages(2, 2, 3), nBlocks: 6 }],
    '012000',
  ],
  [
    'length is that of the target, shorter than before (trap 1)',
    [{ pages: pages(0, 0, 6) }, { pages: pages(1, 0, 1), nBlocks: 2 }],
    '10',
  ],
  ['cut but otherwise unchanged (trap 4)', [{ pages: pages(0, 0, 6) }, unchanged(3)], '000'],
  [
    'blocks beyond an older cut never reappear (trap 1)',
    [{ pages: pages(0, 0, 6) }, unchanged(1), unchanged(4)],
    '0...',
  ],
  [
    'the stalehole of format page 7.2 (trap 1)',
    [{ pages: pages(0, 0, 8) }, { pages: pages(1, 0, 1), nBlocks: 1 }, unchanged(5)],
    '1....',
  ],
  [
    'emptied and grown again (trap 1)',
    [{ pages: pages(0, 0, 4) }, { pages: [] }, { pages: pages(2, 2, 4), nBlocks: 4 }],
    '..22',
  ],
  [
    'dropped and made anew under the same name (trap 2)',
    [{ pages: pages(0, 0, 4) }, null, { pages: pages(2, 0, 2), nBlocks: 3 }],
    '22.',
  ],
  ['unchanged over two backups (trap 3)', [{ pages: pages(0, 0, 3) }, unchanged(3), unchanged(3)], '000'],
  ['empty in the target (trap 3)', [{ pages: pages(0, 0, 3) }, { pages: [] }], ''],
  [
    'trailing zero pages nobody logged (7.3)',
    [{ pages: pages(0, 0, 2) }, { pages: pages(1, 1, 2), nBlocks: 5 }],
    '01...',
  ],
  [
    'natural holes inside an increment',
    [{ pages: pages(0, 0, 1) }, { pages: [...pages(1, 1, 2), ...pages(1, 4, 5)], nBlocks: 5 }],
    '01..1',
  ],
  ['stored zero pages hide older blocks', [{ pages: pages(0, 0, 3) }, { pages: [[1, zeroPage]], nBlocks: 3 }], '0.0'],
  [
    'an unknown length in between lowers nothing',
    [{ pages: pages(0, 0, 3) }, { unchanged: 'datafile' }, unchanged(3)],
    '000',
  ],
  [
    'blocks stored beyond the listed length are not used',
    [{ pages: pages(0, 0, 6), nBlocks: 4 }, unchanged(6)],
    '0000..',
  ],
  [
    'five layers',
    [
      { pages: pages(0, 0, 5) },
      { pages: pages(1, 1, 2), nBlocks: 5 },
      { pages: pages(2, 2, 3), nBlocks: 5 },
      unchanged(5),
      { pages: pages(4, 4, 5), nBlocks: 5 },
    ],
    '01204',
  ],
];

for (const [name, files, expected] of cases) {
  t.test(name, (t) => {
    const { reader, read, problems } = openSynthetic(t.testdir({}), chain(files));
    t.equal(layout(read(FILE)), expected);
    t.same(problems, []);
    const entry = [...reader.entries()].find((entry) => entry.path === FILE)!;
    t.match(entry, { kind: 'datafile', size: expected.length * 8192 }, 'the listing gives the same length');
    t.same(structuredClone(reader.resolve(FILE)), JSON.parse(JSON.stringify(reader.resolve(FILE))), 'plain data');
    t.end();
  });
}

t.test('the same chains without header maps read the same', (t) => {
  for (const [name, files, expected] of cases) {
    const noMap = files.map((file) => (file === null ? null : { ...file, header: 'none' as const }));
    t.equal(layout(openSynthetic(t.testdir({}), chain(noMap)).read(FILE)), expected, name);
  }
  t.end();
});

t.test('each file has its own codec, each page its own form (trap 6)', (t) => {
  const filled = makePage(3, 3, { filled: true });
  for (const alg of ['none', 'zlib', 'pglz', 'lz4', 'zstd'] as const) {
    const stored: [number, Buffer][] = [...pages(0, 0, 3), [3, filled], [4, zeroPage], [5, makePage(5, 5)]];
    const { read } = openSynthetic(
      t.testdir({}),
      chain([
        { pages: stored, alg },
        { pages: pages(1, 1, 2), alg: 'pglz', nBlocks: 6 },
      ]),
    );
    const content = read(FILE);
    t.equal(layout(content.subarray(0, 3 * 8192)), '010', alg);
    t.ok(content.subarray(3 * 8192, 4 * 8192).equals(filled), `${alg}: a page that does not shrink is stored raw`);
    t.equal(layout(content).slice(4), '.0', alg);
  }
  t.end();
});

t.test('segments: block numbers are their own, checksums take the absolute number (trap 8)', (t) => {
  const segment = `${FILE}.2`;
  const stored = Array.from({ length: 3 }, (_, i): [number, Buffer] => [i, makePage(i + 1, 2 * RELSEG_BLOCKS + i)]);
  const { read, reader } = openSynthetic(t.testdir({}), [
    { start: startTime(0), mode: 'FULL', files: [{ path: segment, pages: stored, segno: 2 }] },
  ]);
  t.ok(read(segment).equals(Buffer.concat(stored.map(([, page]) => page))));
  t.match(reader.resolve(segment), { firstBlock: 2 * RELSEG_BLOCKS });
  t.end();
});

t.test('a gap before a full copy is an error (trap 3)', (t) => {
  const refused = (files: (FileContent | null)[], message: RegExp) => {
    const { reader } = openSynthetic(t.testdir({}), chain(files));
    t.throws(() => reader.resolve(FILE), { code: 'backup_damaged', message });
    t.throws(() => [...reader.entries()], { code: 'backup_damaged' }, 'known before anything is mounted');
  };
  refused([null, unchanged(3)], /does not list it/);
  refused([{ pages: pages(0, 0, 3) }, null, unchanged(3)], /does not list it/);
  refused([unchanged(3)], /unchanged.*FULL/);
  refused([unchanged(3), unchanged(3)], /unchanged.*FULL/);
  refused([{ content: 'not a page stream' }, unchanged(3)], /not in backup/);
  t.end();
});

t.test('a FULL that lacks a block below its length is damaged, unless newer members have it', (t) => {
  const holes: FileSpec = { path: FILE, pages: [...pages(0, 0, 2), ...pages(0, 3, 5)], nBlocks: 5 };
  const { read } = openSynthetic(t.testdir({}), chain([holes]));
  t.throws(() => read(FILE), { code: 'page_damaged', message: /block 2/ });
  const healed = openSynthetic(t.testdir({}), chain([holes, { pages: pages(1, 2, 3), nBlocks: 5 }]));
  t.equal(layout(healed.read(FILE)), '00100');
  const short = openSynthetic(t.testdir({}), chain([{ pages: pages(0, 0, 2), nBlocks: 4 }]));
  t.throws(() => short.read(FILE), { code: 'page_damaged', message: /block 2/ });
  const merged = openSynthetic(
    t.testdir({}),
    chain([{ pages: pages(0, 0, 2), nBlocks: 4 }], { control: { 'merge-time': "'2026-11-21 04:06:30+00'" } }),
  );
  t.equal(layout(merged.read(FILE)), '00..', 'a merged FULL may end in zero pages that nobody stored');
  t.end();
});

t.test('what is no file of the target', (t) => {
  const { reader } = openSynthetic(t.testdir({}), chain([{ pages: pages(0, 0, 1) }, null]));
  t.throws(() => reader.resolve(FILE), { code: 'backup_not_found' }, 'dropped since the FULL (trap 2)');
  t.throws(() => reader.resolve('nowhere'), { code: 'backup_not_found' });
  t.end();
});

t.test('compressed file systems are refused clearly (trap 14)', (t) => {
  const cfs = { content: 'cfs bytes', keys: { is_datafile: 1, is_cfs: 1 } };
  t.throws(() => openSynthetic(t.testdir({}), chain([{ pages: pages(0, 0, 1) }, cfs])), {
    code: 'backup_unsupported',
    message: /CFS/,
  });
  const { read } = openSynthetic(t.testdir({}), chain([cfs, null]));
  t.equal(read('PG_VERSION').toString(), '15\n', 'one that the target does not have any more is no matter');
  t.end();
});

t.test('unknown codecs are refused', (t) => {
  const root = writeCatalog(
    path.join(t.testdir({}), 'catalog'),
    chain([{ pages: pages(0, 0, 1), keys: { compress_alg: 'brotli' } }]),
  );
  t.throws(() => openChain(resolveChain(openCatalog(root), 'main', 'latest')), {
    code: 'backup_unsupported',
    message: /unknown algorithm/,
  });
  t.end();
});
