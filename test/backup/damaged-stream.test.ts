// Damaged page streams and header maps: an error that names backup, file and block, or a loud way round; never other bytes.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { buildBlockIndex, createBlockIndex } from '../../src/backup/block-index.js';
import { backupIdOf, type CompressAlg, type DatafileSource, PageReader, pageChecksum } from '../../src/backup/index.js';
import { type BackupSpec, type HeaderVariant, startTime } from '../support/catalog-writer.js';
import { matchWhole } from '../support/match-whole.js';
import { makePage } from '../support/pages.js';
import type { StoredStream } from '../support/stream-writer.js';
import { openSynthetic } from '../support/synthetic.js';

const FILE = 'base/5/16384';
const ID = backupIdOf(startTime(0));
const stored = Array.from({ length: 8 }, (_, block): [number, Buffer] => [block, makePage(block + 1, block)]);
const whole = Buffer.concat(stored.map(([, page]) => page));

interface Variant {
  readonly alg?: CompressAlg;
  readonly header?: HeaderVariant;
  readonly damage?: (stream: Buffer, stored: StoredStream) => Buffer;
  readonly checksums?: boolean;
  readonly dropHeaderMap?: boolean;
  readonly keys?: Record<string, string | number | null>;
}

function open(t: Test, { checksums = true, dropHeaderMap = false, ...file }: Variant) {
  const backup: BackupSpec = {
    start: startTime(0),
    mode: 'FULL',
    files: [{ path: FILE, pages: stored, ...file }],
    control: { 'checksum-version': checksums ? 1 : 0 },
    dropHeaderMap,
  };
  return openSynthetic(t.testdir({}), [backup]);
}

const writeAt =
  (at: (stored: StoredStream) => number, value: number, bytes = 4) =>
  (stream: Buffer, stored: StoredStream) => {
    stream.writeUIntLE(value >>> 0, at(stored), bytes);
    return stream;
  };

t.test('header map present and good: used without complaint (trap 7)', (t) => {
  const { read, problems, reader } = open(t, {});
  t.ok(read(FILE).equals(whole));
  t.same(problems, []);
  matchWhole(t, reader.resolve(FILE), { layers: [{ header: { nHeaders: 8 } }] });
  t.end();
});

t.test('header map absent, cut, corrupt or at a negative place: the stream is read instead, loudly (trap 7)', (t) => {
  const variants: [string, Variant][] = [
    ['not listed', { header: 'none' }],
    ['bad crc', { header: 'bad crc' }],
    ['bad bytes', { header: 'bad bytes' }],
    ['negative offset', { header: 'negative offset' }],
    ['file missing', { dropHeaderMap: true }],
    ['place behind the end', { keys: { hdr_off: 100000 } }],
    ['absurd size', { keys: { hdr_size: 2147483647 } }],
  ];
  for (const [name, variant] of variants) {
    const { read, problems } = open(t, variant);
    t.ok(read(FILE).equals(whole), name);
    t.equal(problems.length, 1, name);
    t.match(problems[0], new RegExp(`${ID}.*${FILE}.*page_header_map`), name);
  }
  t.end();
});

t.test('a pipe in the place of the header map keeps nobody waiting', (t) => {
  const { read, problems, reader } = open(t, {});
  const map = `${reader.chain.target.directory}/page_header_map`;
  fs.unlinkSync(map);
  execFileSync('mkfifo', [map]);
  t.ok(read(FILE).equals(whole));
  t.equal(problems.length, 1);
  t.end();
});

t.test('short, bad header, wrong number, wrong size: named errors (trap 5)', (t) => {
  const cases: [string, RegExp, NonNullable<Variant['damage']>][] = [
    ['short by one byte', /bytes, \d+ are listed/, (stream) => stream.subarray(0, -1)],
    ['empty', /0 bytes, \d+ are listed/, () => Buffer.alloc(0)],
    ['wrong block number', /block 3|follows/, writeAt((s) => s.offsets[3]!, 7)],
    ['size 0', /block 3/, writeAt((s) => s.offsets[3]! + 4, 0)],
    ['size above a page', /block 3/, writeAt((s) => s.offsets[3]! + 4, 8193)],
    ['negative size', /block 3/, writeAt((s) => s.offsets[3]! + 4, -2)],
    [
      'size off by one',
      /block [34]|cut off|impossible/,
      (stream, s) => {
        stream.writeInt32LE(stream.readInt32LE(s.offsets[3]! + 4) - 1, s.offsets[3]! + 4);
        return stream;
      },
    ],
    ['payload', /block 3/, writeAt((s) => s.offsets[3]! + 8 + 20, 0xdeadbeef)],
  ];
  for (const [name, message, damage] of cases) {
    for (const alg of ['zlib', 'none'] as const) {
      for (const header of ['good', 'none'] as const) {
        const { read } = open(t, { damage, alg, header });
        let error: { code?: string; message: string; errno?: number } | undefined;
        try {
          read(FILE);
        } catch (thrown) {
          error = thrown as typeof error;
        }
        const label = `${name}, ${alg}, header map ${header}`;
        t.match(error, { code: 'page_damaged', errno: 5 }, label);
        t.match(error?.message, new RegExp(`${ID}.*${FILE}`), label);
        if (header === 'good') t.match(error?.message, message, label);
      }
    }
  }
  t.end();
});

t.test(
  'a stream that is cut under its index: pages before the cut, errors after it, never what was in the buffer',
  (t) => {
    for (const alg of ['none', 'zlib'] as const) {
      const { reader } = open(t, { alg });
      const source = reader.resolve(FILE) as DatafileSource;
      const index = createBlockIndex(source.nBlocks);
      buildBlockIndex(source, index);
      const fd = fs.openSync(source.layers[0]!.file, 'r+');
      t.teardown(() => fs.closeSync(fd));
      const pages = new PageReader();
      const read = (first: number, count: number): string => {
        // A page that is stored as it is goes to its place at once, where there is room before it for its header.
        const out = Buffer.alloc(64 + count * 8192, 0xee);
        try {
          pages.readBlocks(source, index, () => fd, first, count, out, 64);
        } catch (error) {
          return (error as { code: string }).code;
        }
        return out.subarray(64).equals(whole.subarray(first * 8192, (first + count) * 8192)) ? 'right' : 'wrong';
      };
      const ends = source.layers[0]!.storedSize;
      const starts = [...index.offset, ends];
      // Every page was looked at before: only its length tells now.
      t.equal(read(0, 8), 'right');
      for (let block = 7; block >= 0; block--) {
        const [start, end] = [starts[block]!, starts[block + 1]!];
        for (const cut of [end - 1, end - 4096, start + 9, start + 8, start + 1, start]) {
          if (cut < start) continue;
          fs.ftruncateSync(fd, cut);
          const seen = [read(block, 1), read(0, block + 1), block > 0 ? read(0, block) : 'right'];
          t.strictSame(seen, ['page_damaged', 'page_damaged', 'right'], `${alg}, block ${block}, cut at ${cut}`);
        }
      }
    }
    t.end();
  },
);

t.test('missing file, directory in its place', (t) => {
  const { root, read } = open(t, {});
  const file = `${root}/backups/main/${ID}/database/${FILE}`;
  fs.rmSync(file);
  t.throws(() => read(FILE), { code: 'page_damaged', message: /missing/ });
  fs.mkdirSync(file);
  t.throws(() => read(FILE), { code: 'page_damaged', message: /not a plain file/ });
  t.end();
});

t.test('a stored file longer than listed: the list is right', (t) => {
  const { read } = open(t, { damage: (stream) => Buffer.concat([stream, Buffer.from('old bytes that a merge left')]) });
  t.ok(read(FILE).equals(whole));
  t.end();
});

t.test('a page other than the header map knows is refused even where nothing else tells', (t) => {
  // Raw pages have no check of their own: one flipped bit far from any header.
  const damage = writeAt((s) => s.offsets[5]! + 8 + 4000, 1, 1);
  t.throws(() => open(t, { alg: 'none', damage, checksums: false }).read(FILE), {
    code: 'page_damaged',
    message: /block 5.*checksum/,
  });
  t.end();
});

t.test('a page that was bad in the source already is served as restore would', (t) => {
  const bad = makePage(1, 0);
  bad.writeUInt16LE(0xbad, 8);
  for (const alg of ['none', 'zlib'] as const) {
    const backup: BackupSpec = { start: startTime(0), mode: 'FULL', files: [{ path: FILE, pages: [[0, bad]], alg }] };
    t.ok(openSynthetic(t.testdir({}), [backup]).read(FILE).equals(bad));
  }
  t.end();
});

t.test('damage of nothing but pd_checksum is not taken for a page that was bad in the source', (t) => {
  const damage = writeAt((s) => s.offsets[5]! + 8 + 8, 0xbad, 2);
  t.throws(() => open(t, { alg: 'none', damage }).read(FILE), {
    code: 'page_damaged',
    message: /block 5.*pd_checksum/,
  });
  t.throws(() => open(t, { alg: 'none', damage, checksums: false }).read(FILE), {
    code: 'page_damaged',
    message: /block 5/,
  });
  t.end();
});

t.test('without a header map the CRC of the file decides; with data checksums it does so page by page', (t) => {
  const damage = writeAt((s) => s.offsets[5]! + 8 + 4000, 1, 1);
  const plain = open(t, { alg: 'none', header: 'none', damage, checksums: false });
  t.throws(() => plain.read(FILE), { code: 'page_damaged', message: /CRC/ });
  const summed = open(t, { alg: 'none', header: 'none', damage });
  t.throws(() => summed.read(FILE), { code: 'page_damaged', message: /block 5.*page itself/ });
  t.ok(summed.problems.some((problem) => /CRC/.test(problem)));
  t.end();
});

/**
 * Whether a block is as stored. A page checksum has 16 bits: one change in 65535 keeps it, and no other check sees a
 * single page of a codec without a check of its own (`pbkfs validate` does, by the CRC of the file).
 */
function indistinguishable(content: Buffer, block: number): boolean {
  const [seen, wanted] = [content, whole].map((bytes) => bytes.subarray(block * 8192, (block + 1) * 8192));
  if (seen!.equals(wanted!)) return true;
  return seen!.readUInt16LE(8) === wanted!.readUInt16LE(8) && pageChecksum(seen!, 0, block) === seen!.readUInt16LE(8);
}

t.test('any single changed byte is an error or changes nothing', (t) => {
  for (const alg of ['none', 'zlib', 'pglz', 'lz4', 'zstd'] as const) {
    for (const header of ['good', 'none'] as const) {
      const directory = t.testdir({});
      const backup: BackupSpec = {
        start: startTime(0),
        mode: 'FULL',
        files: [{ path: FILE, pages: stored.slice(0, 3), alg, header }],
      };
      const { root, read } = openSynthetic(directory, [backup]);
      const file = `${root}/backups/main/${ID}/database/${FILE}`;
      const original = fs.readFileSync(file);
      fc.assert(
        fc.property(fc.nat(original.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
          const bytes = Buffer.from(original);
          bytes[at]! ^= flip;
          fs.writeFileSync(file, bytes);
          try {
            const content = read(FILE);
            return content.length === 3 * 8192 && [0, 1, 2].every((block) => indistinguishable(content, block));
          } catch (error) {
            return (error as { code?: string }).code === 'page_damaged';
          }
        }),
        { numRuns: 100 },
      );
    }
  }
  t.end();
});
