// Backups of versions before 2.4.0: padding, truncation markers, lengths that no list gives. Each member by its own version.

import t from 'tap';
import { type BackupMode, crc32c } from '../../src/backup/index.js';
import { type BackupSpec, type FileContent, type FileSpec, startTime } from '../support/catalog-writer.js';
import { makePage } from '../support/pages.js';
import { zeroPage } from '../support/stream-writer.js';
import { openSynthetic } from '../support/synthetic.js';

const FILE = 'base/5/16384';

type Member = readonly [mode: BackupMode, version: string, file: FileContent];

function chain(members: readonly Member[]): BackupSpec[] {
  return members.map(([mode, version, file], n) => ({
    start: startTime(n),
    mode,
    version,
    ...(n === 0 ? {} : { parent: startTime(n - 1) }),
    files: [{ path: FILE, ...file }],
    contentCrc: version < '2.3.2' ? 'none' : 'good',
  }));
}

function pages(backup: number, ...blocks: number[]): [number, Buffer][] {
  return blocks.map((block) => [block, makePage(backup * 1000 + block, block)]);
}

function layout(content: Buffer): string {
  let text = '';
  for (let at = 0; at < content.length; at += 8192) {
    const page = content.subarray(at, at + 8192);
    const seed = page.readUInt32LE(0);
    text += page.equals(zeroPage) ? '.' : page.equals(makePage(seed, at / 8192)) ? Math.floor(seed / 1000) : '?';
  }
  return text;
}

const unknown = { unchanged: 'datafile' } as const;

const cases: [name: string, members: Member[], expected: string][] = [
  ['padded payloads before 2.4.0 (trap 6)', [['FULL', '2.3.5', { pages: pages(0, 0, 1, 2, 3) }]], '0000'],
  [
    'versions mixed in one chain (trap 6)',
    [
      ['FULL', '2.3.5', { pages: pages(0, 0, 1, 2, 3) }],
      ['DELTA', '2.5.16', { pages: pages(1, 1, 2), nBlocks: 4 }],
      ['PAGE', '2.3.0', { pages: pages(2, 2), nBlocks: 4 }],
    ],
    '0120',
  ],
  [
    'a marker cuts the file (trap 6)',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1, 2, 3) }],
      ['PAGE', '2.2.7', { pages: pages(1, 0), truncateTo: 2, nBlocks: null }],
    ],
    '10',
  ],
  [
    'a marker alone',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1, 2, 3) }],
      ['PTRACK', '2.2.7', { pages: [], truncateTo: 3, nBlocks: null }],
    ],
    '000',
  ],
  [
    'cut to nothing',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1) }],
      ['PAGE', '2.2.7', { pages: [], truncateTo: 0, nBlocks: null }],
    ],
    '',
  ],
  [
    'cut, then grown: older blocks do not shine through',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1, 2, 3, 4) }],
      ['PAGE', '2.2.7', { pages: [], truncateTo: 1, nBlocks: null }],
      ['PAGE', '2.2.7', { pages: pages(2, 3), nBlocks: null }],
    ],
    '0..2',
  ],
  [
    'a marker below a newer member that gives the length',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1, 2, 3) }],
      ['PAGE', '2.2.7', { pages: pages(1, 0), truncateTo: 1, nBlocks: null }],
      ['PAGE', '2.5.16', { unchanged: 'datafile', nBlocks: 3 }],
    ],
    '1..',
  ],
  [
    'a marker also cuts records before it',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1, 2) }],
      ['PAGE', '2.2.7', { pages: pages(1, 0, 1, 2), truncateTo: 2, nBlocks: null }],
    ],
    '11',
  ],
  [
    'also where a newer member grows over them',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1, 2) }],
      ['PAGE', '2.2.7', { pages: pages(1, 0, 1, 2), truncateTo: 2, nBlocks: null }],
      ['PAGE', '2.5.16', { pages: pages(2, 3), nBlocks: 4 }],
    ],
    '11.2',
  ],
  [
    'length by the streams where no list gives it',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1), nBlocks: null }],
      ['PAGE', '2.2.7', { pages: pages(1, 1, 3), nBlocks: null }],
      ['PAGE', '2.2.7', unknown],
    ],
    '01.1',
  ],
  [
    'length of the newest list that gives it, unless streams above say more',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1, 2, 3) }],
      ['DELTA', '2.2.7', { unchanged: 'datafile', nBlocks: 2 }],
      ['PAGE', '2.2.7', unknown],
    ],
    '00',
  ],
  [
    'a marker above a list that gives the length',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1, 2, 3) }],
      ['PAGE', '2.2.7', { pages: [], truncateTo: 2, nBlocks: null }],
      ['PAGE', '2.2.7', unknown],
    ],
    '00',
  ],
  [
    'a relation that became shorter while the FULL read it',
    [['FULL', '2.2.7', { pages: pages(0, 0, 1, 2), truncateTo: 3, nBlocks: null }]],
    '000',
  ],
  [
    'and while a DELTA read it, which counts one block too many',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1, 2, 3, 4) }],
      ['DELTA', '2.2.7', { pages: pages(1, 1), truncateTo: 3, nBlocks: 4 }],
    ],
    '010',
  ],
  [
    'unchanged since such a DELTA',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1, 2, 3, 4) }],
      ['DELTA', '2.2.7', { pages: [], truncateTo: 3, nBlocks: 4 }],
      ['PAGE', '2.2.7', unknown],
    ],
    '000',
  ],
  [
    'grown again since such a DELTA: what was cut stays away',
    [
      ['FULL', '2.2.7', { pages: pages(0, 0, 1, 2, 3, 4) }],
      ['DELTA', '2.2.7', { pages: [], truncateTo: 3, nBlocks: 4 }],
      ['PAGE', '2.5.16', { pages: pages(2, 4), nBlocks: 5 }],
    ],
    '000.2',
  ],
  [
    'unchanged all the way, empty in the FULL',
    [
      ['FULL', '2.2.7', { pages: [] }],
      ['PAGE', '2.2.7', unknown],
    ],
    '',
  ],
];

for (const [name, members, expected] of cases) {
  t.test(name, (t) => {
    const { read, reader, problems } = openSynthetic(t.testdir({}), chain(members));
    t.equal(layout(read(FILE)), expected);
    t.equal([...reader.entries()][0]!.size, expected.length * 8192, 'the listing gives the same length');
    t.same(problems, [], 'an old stream without header map is nothing to complain about');
    t.end();
  });
}

t.test('before 2.0.27 a file that vanished is listed as unchanged', (t) => {
  const at = (n: number, mode: BackupMode, version: string, files: readonly FileSpec[]): BackupSpec => ({
    start: startTime(n),
    mode,
    version,
    ...(n === 0 ? {} : { parent: startTime(n - 1) }),
    contentCrc: 'none',
    files,
  });
  const raw = { unchanged: 'raw' } as const;
  const backups = [
    at(0, 'FULL', '2.0.26', [
      { path: FILE, pages: pages(0, 0, 1) },
      { path: 'base/5/1', ...unknown },
      { path: 'base/5/2', ...unknown },
      { path: 'gone', ...raw },
      { path: 'kept', content: 'kept' },
    ]),
    at(1, 'PAGE', '2.0.26', [
      { path: FILE, ...unknown },
      { path: 'base/5/1', ...unknown },
      { path: 'base/5/3', ...unknown },
      { path: 'kept', ...raw },
      { path: 'new', ...raw },
    ]),
    at(2, 'DELTA', '2.2.7', [
      { path: FILE, pages: pages(2, 1), nBlocks: 2 },
      { path: 'base/5/3', pages: pages(2, 0), nBlocks: 1 },
      { path: 'kept', ...raw },
    ]),
  ];
  const tree = (until: number) => {
    const { reader, read } = openSynthetic(t.testdir({}), backups.slice(0, until));
    return Object.fromEntries(
      [...reader.entries()].map(({ path, kind }) => [path, kind === 'raw' ? `${read(path)}` : layout(read(path))]),
    );
  };
  t.same(tree(1), { [FILE]: '00', 'base/5/1': '', 'base/5/2': '', kept: 'kept' });
  t.same(tree(2), { [FILE]: '00', 'base/5/1': '', 'base/5/3': '', kept: 'kept' });
  t.same(tree(3), { [FILE]: '02', 'base/5/3': '2', kept: 'kept' });
  const later = backups.slice(0, 1).map((backup) => ({ ...backup, version: '2.0.27' }));
  t.throws(() => [...openSynthetic(t.testdir({}), later).reader.entries()], { code: 'backup_damaged' });
  t.end();
});

t.test('a marker in a version that has none is damage', (t) => {
  for (const [mode, version] of [
    ['PAGE', '2.3.0'],
    ['PAGE', '2.5.16'],
    ['DELTA', '2.3.0'],
  ] as const) {
    const { read } = openSynthetic(
      t.testdir({}),
      chain([
        ['FULL', '2.2.7', { pages: pages(0, 0, 1) }],
        [mode, version, { pages: pages(1, 0), truncateTo: 1, nBlocks: 1, header: 'none' }],
      ]),
    );
    t.throws(() => read(FILE), { code: 'page_damaged', message: /impossible size -2/ }, `${mode} ${version}`);
  }
  t.end();
});

t.test('zeros of an old merge stand for pages that nobody had', (t) => {
  // What merge of 2.2.7 leaves of a FULL without compression, when a PAGE brings blocks 0 and 4 and nobody has 2 and 3.
  const damage = (stream: Buffer): Buffer => {
    const record = 8 + 8192;
    stream.fill(0, 2 * record, 4 * record);
    return stream;
  };
  const merged = (version: string, crc: (bytes: Buffer) => number): BackupSpec[] => {
    const all = pages(0, 0, 1, 2, 3, 4);
    const stored = damage(Buffer.concat(all.flatMap(([block, page]) => [recordHeader(block), page])));
    const content = {
      pages: all,
      alg: 'none',
      nBlocks: null,
      header: 'none',
      damage,
      keys: { crc: crc(stored) },
    } as const;
    return chain([['FULL', version, content]]);
  };
  const old = openSynthetic(t.testdir({}), merged('2.2.7', crc32c));
  t.equal(layout(old.read(FILE)), '00..0');
  t.same(old.problems, []);
  const damaged = openSynthetic(
    t.testdir({}),
    merged('2.2.7', () => 1),
  );
  t.throws(() => damaged.read(FILE), { code: 'page_damaged' }, 'zeros that the CRC does not vouch for are damage');
  const unchecked = openSynthetic(
    t.testdir({}),
    merged('2.2.7', () => 0),
  );
  t.throws(() => unchecked.read(FILE), { code: 'page_damaged', message: /does not hold it/ }, 'nor without a CRC');
  const later = openSynthetic(t.testdir({}), merged('2.5.16', crc32c));
  t.throws(() => later.read(FILE), { code: 'page_damaged', message: /impossible size 0/ });
  t.end();
});

function recordHeader(block: number): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(block, 0);
  header.writeInt32LE(8192, 4);
  return header;
}

t.test('padding where the version has none, or none where it has, is damage', (t) => {
  for (const [written, claimed] of [
    ['2.3.5', '2.5.16'],
    ['2.5.16', '2.3.5'],
  ] as const) {
    const backups = chain([['FULL', written, { pages: pages(0, 0, 1, 2, 3), header: 'none' }]]);
    const { read } = openSynthetic(t.testdir({}), [{ ...backups[0]!, control: { 'program-version': claimed } }]);
    t.throws(() => read(FILE), { code: 'page_damaged' }, `written by ${written}, claimed ${claimed}`);
  }
  t.end();
});

t.test('8192 stored bytes before 2.0.23 may be a compressed page', (t) => {
  const filled = makePage(3, 3, { filled: true });
  const { read } = openSynthetic(t.testdir({}), chain([['FULL', '2.0.20', { pages: [[0, filled]], alg: 'zlib' }]]));
  t.ok(read(FILE).equals(filled), 'one with a sane page header is raw');
  const odd = Buffer.alloc(8192, 0x33);
  const raw = openSynthetic(t.testdir({}), chain([['FULL', '2.0.20', { pages: [[0, odd]], alg: 'none' }]]));
  t.ok(raw.read(FILE).equals(odd), 'in an uncompressed file everything is raw');
  t.end();
});
