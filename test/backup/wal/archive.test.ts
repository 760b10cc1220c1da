// The WAL archive: how segments are found, decompressed, checked and refused.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { formatLsn, parseLsnNumber, parseSegmentName, segmentName, WalArchive } from '../../../src/backup/wal/index.js';
import { decodeLz4Frames } from '../../../src/backup/wal/lz4-frame.js';
import { xxh32 } from '../../../src/backup/wal/xxh32.js';
import { fixture } from '../../support/paths.js';
import { temporaryDirectory } from '../../support/swept.js';
import { madeUpSegment, nameOf, SEGMENT } from '../../support/wal-segment.js';

function archive(t: Test) {
  const directory = temporaryDirectory('pbkfs-wal-');
  t.teardown(() => rmSync(directory, { recursive: true }));
  const put = (name: string, bytes: Buffer | string): void => writeFileSync(join(directory, name), bytes);
  return { put, wal: new WalArchive(directory), directory };
}

const linked = readFileSync(fixture('wal/segment-linked-blocks.lz4'));
const oneBlock = readFileSync(fixture('wal/segment-one-block.lz4'));

/** A frame of blocks of 64 KiB as they are, each with its checksum or not, and one of the whole. */
function lz4Stored(bytes: Buffer, blockSums = true): Buffer {
  const word = (value: number): Buffer => {
    const four = Buffer.alloc(4);
    four.writeUInt32LE(value >>> 0);
    return four;
  };
  const descriptor = Buffer.from([blockSums ? 0x74 : 0x64, 0x40]);
  const parts = [word(0x184d2204), descriptor, Buffer.from([(xxh32(descriptor) >> 8) & 0xff])];
  for (let at = 0; at < bytes.length; at += 65536) {
    const block = bytes.subarray(at, at + 65536);
    parts.push(word(block.length | 0x80000000), block);
    if (blockSums) parts.push(word(xxh32(block)));
  }
  return Buffer.concat([...parts, word(0), word(xxh32(bytes))]);
}

t.test('every form in which a segment is stored gives the same bytes', async (t) => {
  const segment = madeUpSegment(3);
  const forms: Record<string, Buffer> = {
    '': segment,
    '.gz': gzipSync(segment),
    '.lz4': linked,
    '.zst': readFileSync(fixture('wal/segment.zst')),
    '.partial': segment,
    '.gz.partial': gzipSync(segment),
    '.lz4.partial': oneBlock,
  };
  for (const [suffix, bytes] of Object.entries(forms)) {
    const { put, wal } = archive(t);
    t.notOk(wal.has(nameOf(3)));
    put(`${nameOf(3)}${suffix}`, bytes);
    t.ok(wal.read(nameOf(3))?.equals(segment), `"${suffix}"`);
    t.strictSame(wal.names(), [nameOf(3)], suffix);
    t.equal(wal.sizeOf(nameOf(3), SEGMENT), SEGMENT);
    t.equal(wal.read(nameOf(4)), undefined);
  }
});

t.test('a whole segment goes before a partial one, and a partial one is made whole by zeros', async (t) => {
  const { put, wal } = archive(t);
  const segment = madeUpSegment(3);
  put(`${nameOf(3)}.partial`, segment.subarray(0, 65536));
  const wanted = Buffer.concat([segment.subarray(0, 65536)], SEGMENT);
  t.ok(wal.read(nameOf(3))?.equals(wanted));
  put(`${nameOf(3)}.gz`, gzipSync(segment));
  t.ok(wal.read(nameOf(3))?.equals(segment));
});

t.test('what pg_receivewal was writing when it was killed: cut anywhere, or nothing yet', async (t) => {
  const segment = madeUpSegment(3);
  const gz = gzipSync(segment);
  for (const length of [gz.length - 8, gz.length >> 1]) {
    const { put, wal } = archive(t);
    put(`${nameOf(3)}.gz.partial`, gz.subarray(0, length));
    const bytes = wal.read(nameOf(3))!;
    t.equal(bytes.length, SEGMENT);
    const came = bytes.findLastIndex((byte) => byte !== 0) + 1;
    t.ok(came > 10_000 && bytes.subarray(0, came).equals(segment.subarray(0, came)), `${length}: ${came} bytes`);
  }
  for (const [form, lz4] of [
    ['linked blocks', linked],
    ['one block', oneBlock],
    ['64 KiB and checksums', lz4Stored(segment)],
  ] as const) {
    const seen = new Set<number>();
    for (const length of [lz4.length - 1, lz4.length - 5, lz4.length >> 1, 100_000, 19]) {
      const { put, directory } = archive(t);
      put(`${nameOf(3)}.lz4.partial`, lz4.subarray(0, length));
      const bytes = new WalArchive(directory, SEGMENT).read(nameOf(3))!;
      t.equal(bytes.length, SEGMENT);
      const came = bytes.findLastIndex((byte) => byte !== 0) + 1;
      seen.add(came);
      t.ok(bytes.subarray(0, came).equals(segment.subarray(0, came)), `${form}, ${length}: ${came} bytes`);
    }
    t.ok(form === 'one block' || seen.size > 2, `${[...seen]}`);
  }
  const blank: [string, Buffer][] = [
    ['.lz4.partial', linked.subarray(0, 0)],
    ['.lz4.partial', linked.subarray(0, 7)],
    ['.lz4.partial', linked.subarray(0, 12)],
    ['.gz.partial', gz.subarray(0, 0)],
    ['.gz.partial', gz.subarray(0, 10)],
    ['.partial', Buffer.alloc(0)],
    ['.partial', segment.subarray(0, 39)],
    ['.partial', Buffer.alloc(SEGMENT)],
  ];
  for (const [suffix, bytes] of blank) {
    const { put, wal, directory } = archive(t);
    put(`${nameOf(3)}${suffix}`, bytes);
    t.ok(new WalArchive(directory, SEGMENT).read(nameOf(3))?.equals(Buffer.alloc(SEGMENT)), suffix);
    t.equal(wal.read(nameOf(3)), undefined, 'as good as none');
  }
});

t.test('a segment compressed in two pieces, whose trailer gives the length of the last one', async (t) => {
  const segment = madeUpSegment(3);
  const { put, wal } = archive(t);
  put(`${nameOf(3)}.gz`, Buffer.concat([gzipSync(segment.subarray(0, -100)), gzipSync(segment.subarray(-100))]));
  t.ok(wal.read(nameOf(3))?.equals(segment));
});

t.test('a segment of a server with other WAL blocks', async (t) => {
  const { put, wal } = archive(t);
  const segment = Buffer.from(madeUpSegment(3));
  segment.writeUInt32LE(16384, 36);
  put(`${nameOf(3)}.gz`, gzipSync(segment));
  t.ok(wal.read(nameOf(3))?.equals(segment));
  segment.writeUInt32LE(16384 + 512, 36);
  put(`${nameOf(4)}`, segment);
  t.throws(() => wal.read(nameOf(4)), /does not begin like a WAL segment/);
});

t.test('what is damaged is an error, never a short file', async (t) => {
  const segment = madeUpSegment(3);
  const gz = gzipSync(segment);
  const flipped = Buffer.from(linked);
  flipped[linked.length >> 1]! ^= 0x10;
  const cases: [suffix: string, bytes: Buffer, message: RegExp][] = [
    ['.gz', gz.subarray(0, gz.length - 20), /cannot be decompressed/],
    ['.gz', Buffer.alloc(0), /cannot be decompressed/],
    ['.gz', gz.subarray(0, 3), /cannot be decompressed/],
    [
      '.gz',
      Buffer.concat([gz.subarray(0, -4), Buffer.alloc(4, 255)]),
      /cannot be decompressed: incorrect length check/,
    ],
    ['.lz4', flipped, /cannot be decompressed: lz4: /],
    ['.lz4', linked.subarray(0, linked.length - 3), /lz4: cut off/],
    ['.lz4', oneBlock.subarray(0, 7), /lz4: cut off/],
    ['', segment.subarray(0, SEGMENT - 8192), /1040384 bytes, 1048576 are needed/],
    ['.lz4.partial', flipped, /cannot be decompressed: lz4: /],
    ['.partial', Buffer.concat([segment, Buffer.alloc(8192)]), /1056768 bytes, 1048576 are needed/],
    ['.gz.partial', Buffer.concat([gz.subarray(0, 1000), gz.subarray(1100)]), /cannot be decompressed/],
    ['.gz', gzipSync(segment.subarray(0, 8192)), /8192 bytes, 1048576 are needed/],
    ['', madeUpSegment(4), /another place of the WAL/],
    ['', Buffer.alloc(SEGMENT), /does not begin like a WAL segment/],
  ];
  for (const [suffix, bytes, message] of cases) {
    const { put, wal } = archive(t);
    put(`${nameOf(3)}${suffix}`, bytes);
    t.throws(() => wal.read(nameOf(3)), { code: 'wal_damaged', message });
    t.ok(wal.has(nameOf(3)), 'it is there all the same');
  }
  const { put, wal } = archive(t);
  put(`${nameOf(3)}.gz`, gz.subarray(0, 100));
  put(nameOf(3), segment);
  t.ok(wal.read(nameOf(3))?.equals(segment), 'a good copy beside a damaged one counts');
});

t.test('history files and backup labels are given as they are; nothing else has a name', async (t) => {
  const { put, wal } = archive(t);
  put('00000002.history', '1\t0/7C00028\tno recovery target specified\n');
  put(`${nameOf(3)}.00000028.backup`, 'label');
  put('00000003.history.part', 'x');
  put(`${nameOf(5)}.gz.part`, 'x');
  put('notes', 'x');
  t.strictSame(wal.names(), [`${nameOf(3)}.00000028.backup`, '00000002.history']);
  t.match(wal.read('00000002.history')?.toString(), /7C00028/);
  t.equal(wal.read('00000003.history'), undefined);
  for (const name of ['notes', '../secret', '00000002.history/..', `${nameOf(5)}.gz`]) {
    t.equal(wal.read(name), undefined, name);
    t.notOk(wal.has(name), name);
  }
  t.strictSame(new WalArchive('/nowhere/at/all').names(), []);
});

t.test('LZ4 frames: checksums as the specification has them, frames one after another', async (t) => {
  t.equal(xxh32(new Uint8Array(0)), 0x02cc5d05);
  t.equal(xxh32(Buffer.from('a')), 0x550d7456);
  t.equal(xxh32(Buffer.from('abc')), 0x32d153ff);
  const both = decodeLz4Frames(Buffer.concat([linked, oneBlock]), 2 * SEGMENT);
  t.ok(both.equals(Buffer.concat([madeUpSegment(3), madeUpSegment(3)])));
  const plain = lz4Stored(madeUpSegment(3), false);
  t.ok(decodeLz4Frames(plain, SEGMENT).equals(madeUpSegment(3)), 'as lz4 writes it unless asked for more');
  plain[70_000]! ^= 1;
  t.throws(() => decodeLz4Frames(plain, SEGMENT), /lz4: wrong checksum of the content/);
  t.throws(() => decodeLz4Frames(oneBlock, SEGMENT - 1), /lz4: makes/);
  t.throws(() => decodeLz4Frames(Buffer.from('hello world'), SEGMENT), /lz4: no frame/);
});

t.test('names and positions of segments', async (t) => {
  for (const size of [1 << 20, 16 << 20, 1 << 30]) {
    const name = segmentName(3, 1000, size);
    t.strictSame(parseSegmentName(name, size), { timeline: 3, number: 1000 });
  }
  t.equal(segmentName(1, 0x123, 16 << 20), '000000010000000100000023');
  t.equal(formatLsn(parseLsnNumber('1A/8300028')!), '1A/8300028');
  t.equal(parseLsnNumber('12345'), undefined);
});
