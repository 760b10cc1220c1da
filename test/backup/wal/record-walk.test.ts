// Following WAL record by record: what is whole is followed to its end, any other byte is noticed.

import t from 'tap';
import { type WalRange, walkRecords } from '../../../src/backup/wal/index.js';
import { RecordWalk } from '../../../src/backup/wal/record-walk.js';
import { WalWriter } from '../../support/wal-writer.js';

const SEGMENT = 1 << 20;
const FIRST = 0x20 * SEGMENT;

const on = (timeline: number) => [{ timeline, begin: 0, end: Number.POSITIVE_INFINITY }];

function walk(wal: WalWriter, changes: Partial<WalRange> = {}): ReturnType<typeof walkRecords> {
  const range = { start: wal.records[0]!, stop: wal.end, timelines: on(1), segmentSize: SEGMENT };
  return walkRecords({ ...range, blockSize: wal.blockSize, ...changes }, (number) => {
    const segment = wal.segments.get(number);
    if (segment === undefined) throw new Error(`segment ${number} was asked for`);
    return segment;
  });
}

/** Two and a half segments: small records, one of three pages, one across the segments' border, a switch. */
function varied(blockSize?: number): WalWriter {
  const wal = new WalWriter(FIRST, SEGMENT, 1, 7n, blockSize)
    .record(24)
    .record(111)
    .record(25_000)
    .fillTo(FIRST + SEGMENT - 100)
    .record(9000);
  return wal
    .fillTo(FIRST + SEGMENT + 300_000)
    .switchSegment()
    .record(50)
    .fillTo(FIRST + 2 * SEGMENT + 50_000);
}

t.test('whole WAL is followed to its end', async (t) => {
  const wal = varied();
  t.equal(walk(wal), undefined);
  t.equal(walk(wal, { systemIdentifier: '7' }), undefined);
  t.equal(walk(wal, { start: wal.records[40]! }), undefined, 'from the middle of a page');
  t.equal(walk(wal, { timelines: on(3) }), undefined, 'pages of an older timeline');
});

t.test('a segment that begins within a record, of many pages or to the very end of one', async (t) => {
  const before = new WalWriter(FIRST).fillTo(FIRST + SEGMENT - 1000);
  // Records begin at multiples of 8.
  const there = (FIRST + SEGMENT - before.end) & ~7;
  for (const length of [there + 100, there + 8192 - 40, there + 25_000]) {
    const wal = new WalWriter(FIRST).fillTo(FIRST + SEGMENT - 1000).record(length);
    const next = wal.records.length;
    wal.fillTo(FIRST + SEGMENT + 40_000);
    const range = { timelines: on(1), segmentSize: SEGMENT, blockSize: 8192, start: FIRST + SEGMENT, stop: wal.end };
    const records = new RecordWalk(range, (number) => wal.segments.get(number));
    records.next();
    t.equal(records.last, wal.records[next], `${length}`);
    t.equal(walk(wal, { start: FIRST + SEGMENT }), undefined);
  }
});

t.test('WAL of a PostgreSQL built --with-wal-blocksize', async (t) => {
  for (const blockSize of [1024, 4096, 65_536]) {
    const wal = varied(blockSize);
    t.equal(walk(wal), undefined, `pages of ${blockSize}`);
    t.equal(
      walk(wal, { start: wal.records[40]! - (wal.records[40]! % blockSize) }),
      undefined,
      'from the start of a page',
    );
    t.match(walk(wal, { start: FIRST, blockSize: 8192 }), {
      message: /WAL blocks of \d+ bytes, those of the backup have 8192/,
    });
  }
});

t.test('the end may be the start of a page whose segment is not there', async (t) => {
  const wal = new WalWriter(FIRST).record(8192 - 40);
  for (let page = 1; page < SEGMENT / 8192; page++) wal.record(8192 - 24);
  t.equal(wal.end, FIRST + SEGMENT);
  t.equal(walk(wal), undefined);
  const behind = new WalWriter(FIRST).record(24).switchSegment();
  t.equal(walk(behind, { stop: FIRST + SEGMENT }), undefined);
});

t.test('a record that a crash cut off is skipped where PostgreSQL says so', async (t) => {
  const wal = new WalWriter(FIRST)
    .fillTo(FIRST + 6000)
    .abandoned(3000)
    .record(88)
    .fillTo(FIRST + 30_000);
  t.equal(walk(wal), undefined);
});

t.test('every byte of the records and page headers counts', async (t) => {
  const wal = new WalWriter(FIRST)
    .record(24)
    .record(111)
    .record(20_000)
    .fillTo(FIRST + 30_000);
  const segment = wal.segments.get(0x20)!;
  const unnoticed: number[] = [];
  // Every third byte of the first four pages, and what recovery reads of the headers.
  for (let at = 40; at < 30_000 - 700; at += 3) {
    segment[at]! ^= 1 << (at % 8);
    if (walk(wal) === undefined) unnoticed.push(at);
    segment[at]! ^= 1 << (at % 8);
  }
  // Alignment gaps before records and the unused parts of page headers are nobody's.
  const ends = new Set(wal.records.flatMap((at) => [1, 2, 3, 4, 5, 6, 7].map((n) => (at - n) % SEGMENT)));
  const used = unnoticed.filter((at) => !ends.has(at) && !(at % 8192 < 24));
  t.same(used, []);
  for (const page of [1, 2, 3]) {
    for (const [offset, bit] of [
      [4, 4],
      [8, 1],
      [13, 1],
    ] as const) {
      segment[page * 8192 + offset]! ^= bit;
      t.not(walk(wal), undefined, `byte ${offset} of page ${page}`);
      segment[page * 8192 + offset]! ^= bit;
    }
  }
  t.equal(walk(wal), undefined, 'all is as it was');
});

t.test('what is wrong is told: an early end, another timeline, cluster or segment size, a lost piece', async (t) => {
  const wal = varied();
  t.match(walk(wal, { stop: wal.end + 8 }), { message: /WAL ends at .*: no record follows/ });
  t.match(walk(wal, { systemIdentifier: '8' }), { segment: 0x20, message: /another cluster/ });
  const future = new WalWriter(FIRST, SEGMENT, 5).fillTo(FIRST + 9000);
  t.match(walk(future), { message: /is of timeline 5/ });
  wal.segments.get(0x21)!.writeUInt32LE(77, 16);
  t.match(walk(wal), { segment: 0x21, message: /is not continued on the page at 0\/2100000/ });
  const shifted = new WalWriter(FIRST).record(24).record(24).record(24);
  shifted.segments.get(0x20)!.copy(shifted.segments.get(0x20)!, 40 + 24, 40 + 48, 40 + 72);
  t.match(walk(shifted), { message: /does not follow the one at/ });
  const absurd = new WalWriter(FIRST).record(24).record(24);
  absurd.segments.get(0x20)!.writeUInt32LE(0xfffffff0, 40 + 24);
  t.match(walk(absurd), { message: /a record of 4294967280 bytes/ });
});
