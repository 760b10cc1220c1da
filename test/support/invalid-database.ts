// The WAL record by which DROP DATABASE of PostgreSQL 13 to 18 forbids connections, in the forms in which it is written.

import type { WalWriter } from './wal-writer.js';

const BLCKSZ = 8192;

export interface InvalidDatabase {
  readonly oid: number;
  readonly name: string;
  readonly connectionLimit?: number;
  readonly major?: number;
  /** With an image of the page, as in the first change after a checkpoint. */
  readonly image?: 'plain' | 'pglz';
  readonly tablespace?: number;
}

/** RM_HEAP_ID, XLOG_HEAP_INPLACE. */
export function invalidDatabase(wal: WalWriter, record: InvalidDatabase): WalWriter {
  const { image, tablespace = 1664 } = record;
  const row = rowOf(record);
  const relation = Buffer.alloc(16);
  relation.writeUInt32LE(tablespace, 0);
  relation.writeUInt32LE(1262, 8);
  const main = Buffer.from([255, 2]);
  const line = Buffer.from([2, 0]);
  const [header, content] = image === undefined ? plainRow(row) : imageOf(row, image, record.major ?? 15);
  return wal.body(10, 0x70, Buffer.concat([header, relation, main, content, line]));
}

/** Up to datconnlimit. */
function rowOf({ oid, name, connectionLimit = -2, major = 15 }: InvalidDatabase): Buffer {
  const row = Buffer.alloc(240, 7);
  row.writeUInt32LE(oid, 0);
  row.fill(0, 4, 68);
  row.write(name, 4);
  row.writeInt32LE(connectionLimit, major < 15 ? 208 : 80);
  return row;
}

function plainRow(row: Buffer): [header: Buffer, content: Buffer] {
  const header = Buffer.from([0, 0x20, 0, 0]);
  header.writeUInt16LE(row.length, 2);
  return [header, row];
}

/** Of a page whose second row it is. */
function imageOf(row: Buffer, kind: 'plain' | 'pglz', major: number): [header: Buffer, content: Buffer] {
  const page = Buffer.alloc(BLCKSZ);
  const at = BLCKSZ - 24 - row.length - 100;
  page.writeUInt32LE(at | (1 << 15), 28);
  page[at + 22] = 24;
  row.copy(page, at + 24);
  const hole = at - 32;
  const whole = Buffer.concat([page.subarray(0, 32), page.subarray(at)]);
  const content = kind === 'plain' ? whole : literalPglz(whole);
  const header = Buffer.alloc(kind === 'plain' ? 9 : 11);
  header[1] = 0x10;
  header.writeUInt16LE(content.length, 4);
  header.writeUInt16LE(32, 6);
  header[8] = 1 | (kind === 'plain' ? 0 : major < 15 ? 2 : 4);
  if (kind === 'pglz') header.writeUInt16LE(hole, 9);
  return [header, content];
}

/** Nothing but literals. */
function literalPglz(bytes: Buffer): Buffer {
  const groups: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 8) groups.push(Buffer.from([0]), bytes.subarray(at, at + 8));
  return Buffer.concat(groups);
}
