// Which WAL records are events, by the version of PostgreSQL that wrote them.

import t from 'tap';
import { endsTransaction, eventOf } from '../../../src/backup/wal/record-events.js';
import { invalidDatabase } from '../../support/invalid-database.js';
import { timestamp, WalWriter } from '../../support/wal-writer.js';

const SEGMENT = 1 << 20;
const NOON = Date.parse('2026-11-21T12:00:00Z') * 1000;

function eventIn(wal: WalWriter, major = 15): ReturnType<typeof eventOf> {
  const [lsn] = wal.records;
  const at = lsn! % SEGMENT;
  const segment = wal.segments.get(0x20)!;
  return eventOf(segment.subarray(at, at + segment.readUInt32LE(at)), lsn!, major);
}

const start = (): WalWriter => new WalWriter(0x20 * SEGMENT);

t.test('DROP DATABASE has another number before 15, which is that of a CREATE DATABASE from then on', async (t) => {
  const of = (info: number, major: number) => eventIn(start().main(4, info, Buffer.from([1, 2, 0, 0]), 9), major);
  for (const [info, major] of [
    [0x10, 13],
    [0x10, 14],
    [0x20, 15],
    [0x20, 18],
  ] as const)
    t.match(of(info, major), { kind: 'drop-database', oid: 0x201, xid: 9 }, `${major}`);
  t.equal(of(0x10, 15), undefined);
});

t.test('a database whose files were copied: CREATE DATABASE, all of them before 15', async (t) => {
  const data = Buffer.alloc(16);
  for (const [i, oid] of [16400, 1663, 5, 16390].entries()) data.writeUInt32LE(oid, 4 * i);
  const expected = {
    kind: 'copy-database',
    to: { database: 16400, tablespace: 1663 },
    from: { database: 5, tablespace: 16390 },
  };
  for (const major of [13, 14, 15, 18]) t.match(eventIn(start().main(4, 0, data), major), expected, `${major}`);
  t.equal(eventIn(start().main(4, 0x10, data), 15), undefined, 'with its pages logged');
  t.equal(eventIn(start().main(4, 0, data.subarray(0, 12))), undefined, 'cut off');
});

t.test('what ends a transaction', async (t) => {
  const time = timestamp(NOON);
  for (const [info, kind] of [
    [0, 'commit'],
    [0x20, 'abort'],
    [0x30, 'prepared-end'],
    [0x40, 'prepared-end'],
  ] as const) {
    // 0x80: there is more behind the time.
    const event = eventIn(start().main(1, info | 0x80, time, 9))!;
    t.match(event, { kind, time: NOON, ...(kind === 'prepared-end' ? {} : { xid: 9 }) });
    t.ok(endsTransaction(event), kind);
  }
  t.equal(eventIn(start().main(1, 0x10, time, 9)), undefined, 'PREPARE TRANSACTION ends none');
});

t.test('records of the same kind of others are none', async (t) => {
  const row = invalidDatabase(start(), { oid: 16400, name: 'app' });
  const segment = row.segments.get(0x20)!;
  const at = row.records[0]! % SEGMENT;
  t.match(eventIn(row), { kind: 'invalid-database' });
  segment[at + 16] = 0x20;
  t.equal(eventIn(row), undefined, 'an UPDATE');
  t.equal(eventIn(start().main(3, 0x20, Buffer.alloc(12))), undefined, 'of another resource manager');
});
